"""The bill as SPDX 2.3 has it (spdx.github.io/spdx-spec/v2.3)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from slimtasks.sbom.component import Component
from slimtasks.sbom.document import TOOL, Subject, printable

_IMAGE = "SPDXRef-image"
_UNKNOWN = "NOASSERTION"


def bill(subject: Subject) -> dict[str, Any]:
    """sbom.spdx.json: the packages, each with whether it stays whole or in part as its comment."""
    found = [_package(one) for one in subject.components]
    serial = subject.serial("spdx")
    told: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": subject.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{_word(subject.name)}-{serial}",
        "creationInfo": {"created": subject.date, "creators": [f"Tool: {TOOL}"]},
        "documentDescribes": [_IMAGE],
        "packages": [_image(subject), *found],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE),
            *(_relation(_IMAGE, "CONTAINS", one["SPDXID"]) for one in found),
        ],
    }
    return {**told, "comment": subject.lack} if subject.lack else told


def _image(subject: Subject) -> dict[str, Any]:
    return {
        **_common(_IMAGE, subject.name, subject.config_digest),
        "primaryPackagePurpose": "CONTAINER",
    }


def _package(one: Component) -> dict[str, Any]:
    name = f"{one.group}:{one.name}" if one.group else one.name
    short = hashlib.sha256(one.reference.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    told: dict[str, Any] = {
        **_common(f"SPDXRef-{one.type}-{_word(name)}-{short}", name, one.version),
        "comment": f"{one.stays}: files that stay: {one.kept}, that are gone: {one.gone}",
    }
    if one.places:
        told["sourceInfo"] = f"found at {', '.join(map(printable, one.places))}"
    if one.purl:
        reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": one.purl}
        told["externalRefs"] = [reference]
    return told


def _common(identity: str, name: str, version: str) -> dict[str, Any]:
    told = {
        "SPDXID": identity,
        "name": name,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }
    return {**told, "versionInfo": version} if version else told


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _word(name: str) -> str:
    """Of the characters that an SPDX identifier may have."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name)
