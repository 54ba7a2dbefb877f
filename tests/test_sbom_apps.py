"""syft finds in each image of this repo exactly the packages of which files stay, and what our bills say.

Takes up to a minute an image: `pytest -m apps`, of which `-k` names some.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pipeline_repo import CHECKOUT_OF_SLIMTASKS, doit_in
from syft import Named, found_in, read_bill

from slimtasks.elf import read_elf
from slimtasks.inventories import captured, owned
from slimtasks.oci.saved import scan

pytestmark = [pytest.mark.engine, pytest.mark.apps]

BUILD = CHECKOUT_OF_SLIMTASKS / "build"
APPS = ("bash", "flask", "git", "java-app", "nginx", "node-app", "perl-app", "postgres", "redis", "spool")
CUT_OUT = ("micronginx", "micronginx-ldd", "micronginx-musl", "micronginx-static", "nginxbusybox")
BASES = ("busybox", "debian", "debian-small", "tracer")
LANGUAGES = {"flask": {("pypi", "flask")}, "node-app": {("npm", "express")}, "java-app": {("maven", "service")}}


@pytest.mark.parametrize("image", [*APPS, *CUT_OUT])
def test_syft_finds_what_stays(image: str) -> None:
    build(image)
    found, bill = found_in(BUILD / image / "image.tar"), billed(image)
    assert {one for one in bill if one[0] not in ("cpan", "generic")} == found
    assert {(kind, name) for kind, name, _ in found} >= LANGUAGES.get(image, set())
    if image != "nginxbusybox":  # which has its base's packages, too
        assert debian(found) == staying(image)


@pytest.mark.parametrize("image", [*APPS, *CUT_OUT])
def test_both_bills_have_the_same(image: str) -> None:
    build(image)
    assert read_bill(BUILD / image / "sbom.cdx.json") == read_bill(BUILD / image / "sbom.spdx.json")


@pytest.mark.parametrize("image", BASES)
def test_syft_finds_what_a_base_has(image: str, tmp_path: Path) -> None:
    build(image)
    archive = BUILD / image / "image.tar"
    with archive.open("rb") as stream:
        entries = owned(scan(stream, wanted=captured, read_elf=read_elf, scratch=tmp_path))[1]
    assert debian(found_in(archive)) == {entry.package for entry in entries if entry.type != "dir"} - {""}


def build(image: str) -> None:
    made = doit_in(CHECKOUT_OF_SLIMTASKS, image)
    assert made.status == 0, made.output


def billed(image: str) -> set[Named]:
    """What our bill names, as syft does."""
    components = json.loads((BUILD / image / "sbom.cdx.json").read_text())["components"]
    return {_named(one) for one in components if one["type"] == "library"}


def _named(one: dict[str, Any]) -> Named:
    kind = one.get("purl", "pkg:maven/").removeprefix("pkg:").partition("/")[0]
    scope = f"{one['group']}/" if kind == "npm" and "group" in one else ""
    return kind, f"{scope}{one['name']}", one["version"]


def debian(found: set[Named]) -> set[str]:
    return {f"deb/{name}" for kind, name, _ in found if kind == "deb"}


def staying(image: str) -> set[str]:
    """Debian's packages of which a file was selected for itself, by the fat image's list of files."""
    owners = {one["path"]: one for one in lines(BUILD / image / "inventory.jsonl") if one["type"] != "dir"}
    kept = [one["path"] for one in lines(BUILD / image / "selection.jsonl") if not is_metadata(one)]
    return {owners[path].get("package", "") for path in kept if path in owners} - {""}


def is_metadata(selected: dict[str, Any]) -> bool:
    return all(reason["kind"] == "metadata" for reason in selected["reasons"])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]
