"""syft finds in each image of this repo exactly the packages of which files stay, and what our bills say.

Every folder of images/ is taken, so that a new one is. Takes up to a minute an image that is not built yet:
`pytest -m apps`, of which `-k` names some, and `-k default` those that a plain `./run` builds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pipeline_repo import CHECKOUT_OF_SLIMTASKS, doit_in
from syft import Named, found_in, read_bill

from slimtasks.elf import read_elf
from slimtasks.engine.client import Engine
from slimtasks.inventories import captured, owned
from slimtasks.oci.saved import scan
from slimtasks.spec import Image
from slimtasks.spec.loading import load

pytest_plugins = ("engine_images",)
pytestmark = [pytest.mark.engine, pytest.mark.apps]

BUILD = CHECKOUT_OF_SLIMTASKS / "build"
REPO = load(CHECKOUT_OF_SLIMTASKS, {})
LANGUAGES = {"flask": {("pypi", "flask")}, "node-app": {("npm", "express")}, "java-app": {("maven", "service")}}


def named(images: Iterable[Image]) -> list[Any]:
    """Each as a parameter called by its name, those that a plain `./run` builds with `default-` before it."""
    return [pytest.param(one, id=f"default-{one.name}" * (one.name in REPO.default) or one.name) for one in images]


SLIM = named(one for one in REPO.images if one.kind == "slim")
WHOLE = named(one for one in REPO.images if one.kind != "slim")


@pytest.mark.parametrize("image", SLIM)
def test_syft_finds_what_stays(image: Image) -> None:
    build(image.name)
    found, bill = found_in(BUILD / image.name / "image.tar"), billed(image.name)
    assert {one for one in bill if one[0] not in ("cpan", "generic")} == found
    assert {(kind, name) for kind, name, _ in found} >= LANGUAGES.get(image.name, set())
    assert debian(found) >= staying(image.name)
    assert image.final.base or debian(found) == staying(image.name)


@pytest.mark.parametrize("image", SLIM)
def test_both_bills_have_the_same(image: Image) -> None:
    build(image.name)
    folder = BUILD / image.name
    assert read_bill(folder / "sbom.cdx.json") == read_bill(folder / "sbom.spdx.json")


@pytest.mark.parametrize("image", WHOLE)
def test_syft_finds_what_a_base_or_build_image_has(image: Image, engine: Engine, tmp_path: Path) -> None:
    build(image.name)
    archive = archive_of(image, engine, tmp_path)
    with archive.open("rb") as stream:
        entries = owned(scan(stream, wanted=captured, read_elf=read_elf, scratch=tmp_path))[1]
    found = found_in(archive)
    assert debian(found) == {entry.package for entry in entries if entry.type != "dir"} - {""}
    if image.kind == "base":
        assert {one for one in billed(image.name) if one[0] not in ("cpan", "generic")} == found


def archive_of(image: Image, engine: Engine, folder: Path) -> Path:
    """The image as a file; a build image has none of its own."""
    if image.kind == "base":
        return BUILD / image.name / "image.tar"
    archive = folder / "image.tar"
    identity = json.loads((BUILD / image.name / "fat.json").read_text())["id"]
    with engine.save(identity) as saved, archive.open("wb") as file:
        shutil.copyfileobj(saved, file)
    return archive


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
