"""The files of an image as its archive gives them: nothing of it has to run."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from slimtasks.engine.container import Container
from slimtasks.engine.failure import Refused
from slimtasks.rootfs import MOST_LINKS, normalise, parent

_BITS = ((0o4000, "u"), (0o2000, "g"), (0o1000, "t"))
_TYPES = {
    tarfile.DIRTYPE: "d",
    tarfile.SYMTYPE: "L",
    tarfile.CHRTYPE: "Dc",
    tarfile.BLKTYPE: "D",
    tarfile.FIFOTYPE: "p",
}


def entry(container: Container, path: str) -> tarfile.TarInfo | None:
    """What stands there, a symlink itself; None where nothing does."""
    try:
        with container.get(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            return tar.next()
    except Refused as error:
        if error.status == 404:
            return None
        raise


def content(container: Container, path: str) -> bytes | None:
    """What the file holds that the path leads to; None where it leads to none."""
    for _ in range(MOST_LINKS):
        found = entry(container, path)
        if found is None or not found.issym():
            return container.read_file(path) if found is not None and found.isreg() else None
        path = normalise(str(PurePosixPath(parent(path), found.linkname)))
    return None


def directories(container: Container, path: str) -> Iterator[str]:
    """Names of the directories in a directory, sorted; none where it is not there."""
    if entry(container, path) is None:
        return
    with container.get(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        names = [member.name.strip("/") for member in tar if member.isdir()]
    yield from sorted(name.partition("/")[2] for name in names if name.count("/") == 1)


def permissions(found: tarfile.TarInfo) -> str:
    """Type and mode as Go's FileMode prints them: '-rw-r--r--', 'dtrwxrwxrwx', 'urwxr-xr-x'."""
    letters = _TYPES.get(found.type, "") + "".join(letter for bit, letter in _BITS if found.mode & bit)
    shown = "".join(letter if found.mode & (0o400 >> at) else "-" for at, letter in enumerate("rwxrwxrwx"))
    return (letters or "-") + shown
