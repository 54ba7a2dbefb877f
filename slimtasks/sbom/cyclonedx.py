"""The documents as CycloneDX 1.6 has them (cyclonedx.org/docs/1.6/json).

Plain dictionaries: the official library would bring six packages more, and each document a random serial number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slimtasks import __version__
from slimtasks.sbom.component import Component
from slimtasks.sbom.document import Subject, printable

_IMAGE = "image"
_PACKAGE = "library"
SBOM = "sbom"
VEX = "vex"


def bill(subject: Subject) -> dict[str, Any]:
    """sbom.cdx.json: the packages, each with whether it stays whole or in part."""
    found = [_component(one, subject) for one in subject.components]
    told: dict[str, Any] = {
        **_head(subject, SBOM),
        "components": [*_system(subject), *found],
        "dependencies": [{"ref": _IMAGE, "dependsOn": sorted(one["bom-ref"] for one in found)}],
    }
    if subject.lack:
        told["compositions"] = [{"aggregate": "incomplete", "dependencies": [_IMAGE]}]
        told["properties"] = [_property("slimtasks:lack", subject.lack)]
    return told


def packages_of(bill: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The packages in a bill that was read again."""
    return [one for one in bill.get("components", ()) if one["type"] == _PACKAGE]


def exploitability(subject: Subject) -> dict[str, Any]:
    """vex.cdx.json: of each package that stays in part, the code that is gone, which no flaw in it can be used by.

    It names no vulnerability, as it knows of none: what a statement affects is the files, not their package.
    """
    parts = [one for one in subject.components if one.code_gone]
    link = {"type": "bom", "url": f"urn:cdx:{subject.serial(SBOM)}/1"}
    return {
        **_head(subject, VEX),
        "externalReferences": [link],
        "components": [{**_component(one, subject), "components": _files(one)} for one in parts],
        "vulnerabilities": [_statement(one) for one in parts],
    }


def _head(subject: Subject, document: str) -> dict[str, Any]:
    image = {"type": "container", "bom-ref": _IMAGE, "name": subject.name, "version": subject.config_digest}
    tool = {"type": "application", "name": "slimtasks", "version": __version__}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{subject.serial(document)}",
        "version": 1,
        "metadata": {"timestamp": subject.date, "tools": {"components": [tool]}, "component": image},
    }


def _system(subject: Subject) -> list[dict[str, Any]]:
    """The distribution: scanners choose the list of vulnerabilities by it."""
    name, version = subject.os_release.get("ID"), subject.os_release.get("VERSION_ID", "")
    if not name:
        return []
    told = [_property(f"syft:distro:{key}", value) for key, value in (("id", name), ("versionID", version)) if value]
    return [{"type": "operating-system", "bom-ref": "os", "name": name, "version": version, "properties": told}]


def _component(one: Component, subject: Subject) -> dict[str, Any]:
    scope, _, bare = one.name.rpartition("/") if one.type == "npm" else (one.group, "", one.name)
    told: dict[str, Any] = {
        "type": _PACKAGE,
        "bom-ref": one.reference,
        "name": bare,
        "version": one.version,
        "properties": [
            _property("slimtasks:stays", one.stays),
            _property("slimtasks:files:kept", str(one.kept)),
            _property("slimtasks:files:gone", str(one.gone)),
            *(_property("slimtasks:place", printable(place)) for place in one.places),
        ],
    }
    if scope:
        told["group"] = scope
    if one.purl:
        told["purl"] = one.purl
    return told


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def _files(one: Component) -> list[dict[str, str]]:
    return [{"type": "file", "bom-ref": _of_file(one, path), "name": printable(path)} for path in one.code_gone]


def _of_file(one: Component, path: str) -> str:
    """As package URLs name a part of a package."""
    return f"{one.reference}#{printable(path).removeprefix('/')}"


def _statement(one: Component) -> dict[str, Any]:
    name = f"{one.name} {one.version}".strip()
    files = "file" if len(one.code_gone) == 1 else "files"
    return {
        "bom-ref": f"gone:{one.reference}",
        "description": f"Any vulnerability whose code is only in the {files} of {name} named here",
        "analysis": {
            "state": "not_affected",
            "justification": "code_not_present",
            "detail": f"{len(one.code_gone)} {files} with code of {name} are not in the image",
        },
        "affects": [{"ref": _of_file(one, path)} for path in one.code_gone],
    }
