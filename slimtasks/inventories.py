"""What is in an image of the engine: read in full once, and kept in a store by the image's id."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from slimtasks import fatfiles
from slimtasks.elf import read_elf
from slimtasks.engine.client import Engine
from slimtasks.errors import Damaged
from slimtasks.fingerprint import digest_of_code
from slimtasks.oci.digest import tree_digest
from slimtasks.oci.saved import Scan, scan
from slimtasks.packages import distributions, dpkg, installed, rpm
from slimtasks.records import Entry, Fat, ImagePath, Package, has_all_lines, whole_file, write_json, write_lines
from slimtasks.rootfs import Tree
from slimtasks.workspace import ImageFiles, Workspace

_READERS = ("elf.py", "packages/*.py", "records.py", "rootfs.py", "inventories.py", "oci/*.py")


def inventory_of(workspace: Workspace, engine: Engine, identity: str, say: Callable[[str], None]) -> ImageFiles:
    """The store's fat.json, inventory.jsonl, packages.jsonl and captured.tar of the engine's image `identity`."""
    known = stored(workspace, identity)
    if not is_whole(known):
        say("reading the image's files")
        with engine.save(identity) as stream:
            found = scan(stream, wanted=captured, read_elf=read_elf, scratch=workspace.scratch_folder())
        _keep(ImageFiles(workspace.scratch_folder() / known.folder.name), known, identity, found)
    return known


def captured(path: str) -> bool:
    """Whether later stages need the file's content."""
    return installed.captured(path) or distributions.captured(path)


def stored(workspace: Workspace, identity: str) -> ImageFiles:
    """Where the store has, or would have, the image; another version of what reads it has another place."""
    return ImageFiles(workspace.fat_store / f"{identity.removeprefix('sha256:')}-{_readers_digest()[:8]}")


def is_whole(files: ImageFiles) -> bool:
    """Whether nothing is lost or cut off: they are the same files as in the folders of the images."""
    if not all(path.exists() for path in files.of_fat):
        return False
    try:
        fatfiles.fat(files)
        fatfiles.captured(files)
    except Damaged:
        return False
    return has_all_lines(files.inventory) and has_all_lines(files.packages)


def _keep(making: ImageFiles, known: ImageFiles, identity: str, found: Scan) -> None:
    """Writes aside, so that all of it appears at once."""
    try:
        _write(making, identity, found)
        shutil.rmtree(known.folder, ignore_errors=True)
        known.folder.parent.mkdir(parents=True, exist_ok=True)
        making.folder.replace(known.folder)
    finally:
        shutil.rmtree(making.folder, ignore_errors=True)


def owned(found: Scan) -> tuple[tuple[Package, ...], tuple[Entry, ...]]:
    """The installed packages, and the entries with the package that owns each."""
    packages = installed.packages(found.files)
    owners = installed.owners(packages, Tree(found.entries))
    return packages, tuple(
        replace(entry, package=owners[entry.path]) if entry.path in owners else entry for entry in found.entries
    )


def _write(files: ImageFiles, identity: str, found: Scan) -> None:
    packages, entries = owned(found)
    count = sum(entry.type != "dir" for entry in entries)
    header = {"paths": len(entries), "files": count, "newest": dpkg.newest(entries)}
    write_lines(files.inventory, header, entries)
    write_lines(files.packages, {"packages": len(packages)}, packages)
    _write_captured(files.captured, {path: text for path, text in found.files.items() if not rpm.captured(path)})
    fat = Fat(
        id=identity,
        config_digest=found.config_digest,
        tree_digest=tree_digest(entries),
        size=found.size,
        config=found.config,
        layers=found.layers,
    )
    write_json(files.fat, fat)


def _write_captured(path: Path, captured: Mapping[ImagePath, bytes]) -> None:
    with whole_file(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(captured.items()):
            header = tarfile.TarInfo(name.lstrip("/"))
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


@cache
def _readers_digest() -> str:
    """Names how images are read: a digest (hex) of the modules that do."""
    return digest_of_code((Path(__file__).parent, _READERS))
