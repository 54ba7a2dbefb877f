"""Reads what the fat stage wrote."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable

from slimtasks.errors import Damaged
from slimtasks.records import (
    Entry,
    Fat,
    ImagePath,
    Package,
    from_json,
    intact,
    read_header,
    read_lines,
    read_record,
)
from slimtasks.rootfs import normalise
from slimtasks.workspace import ImageFiles

_PATH = re.compile(rb'"path":("[^"\\]*(?:\\.[^"\\]*)*")')  # of an inventory; in strings quotes are escaped
_OF_DPKG = b'"/var/lib/dpkg/'


def fat(files: ImageFiles) -> Fat:
    """The fat image itself."""
    return read_record(files.fat, Fat)


def inventory(files: ImageFiles) -> tuple[Entry, ...]:
    """Every path of it, sorted."""
    return tuple(read_lines(files.inventory, Entry)[1])


def entries_of(files: ImageFiles, paths: Iterable[ImagePath]) -> tuple[Entry, ...]:
    """Those of its paths, and dpkg's database, sorted; no other line is taken apart. Raises Damaged."""
    path = files.inventory
    wanted = {json.dumps(one).encode() for one in paths}
    lines = read_header(path).get("lines")
    read, found = 0, []
    with intact(path), path.open("rb") as file:
        file.readline()
        for line in file:
            read += line.endswith(b"\n")
            match = _PATH.search(line)
            if match and (match[1] in wanted or match[1].startswith(_OF_DPKG)):
                found.append(from_json(Entry, json.loads(line)))
    if lines != read:
        raise Damaged(path, f"it ends after {read} of {lines} lines")
    return tuple(found)


def installed(files: ImageFiles) -> tuple[Package, ...]:
    """Its packages, sorted by name."""
    return tuple(read_lines(files.packages, Package)[1])


def counts(files: ImageFiles) -> tuple[int, int]:
    """How many files, and how many packages."""
    return read_header(files.inventory)["files"], read_header(files.packages)["packages"]


def newest(files: ImageFiles) -> int:
    """The mtime of the newest file that a package brought, see `dpkg.newest`; raises Damaged."""
    with intact(files.inventory):
        return int(read_header(files.inventory)["newest"])


def captured(files: ImageFiles) -> dict[ImagePath, bytes]:
    """The contents of those small files that later stages read."""
    try:
        with tarfile.open(files.captured, "r:") as tar:
            return {normalise(member.name): _content(tar, member) for member in tar}
    except tarfile.TarError as error:
        raise Damaged(files.captured, f"no whole tar ({error})") from error


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""
