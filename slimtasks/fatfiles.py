"""Reads what the fat stage wrote."""

from __future__ import annotations

import tarfile

from slimtasks.errors import Damaged
from slimtasks.records import Entry, Fat, ImagePath, Package, read_header, read_lines, read_record
from slimtasks.rootfs import normalise
from slimtasks.workspace import ImageFiles


def fat(files: ImageFiles) -> Fat:
    """The fat image itself."""
    return read_record(files.fat, Fat)


def inventory(files: ImageFiles) -> tuple[Entry, ...]:
    """Every path of it, sorted."""
    return tuple(read_lines(files.inventory, Entry)[1])


def installed(files: ImageFiles) -> tuple[Package, ...]:
    """Its packages, sorted by name."""
    return tuple(read_lines(files.packages, Package)[1])


def counts(files: ImageFiles) -> tuple[int, int]:
    """How many files, and how many packages."""
    return read_header(files.inventory)["files"], read_header(files.packages)["packages"]


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
