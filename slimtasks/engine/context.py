"""A build context as a tar, written as it is sent."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from slimtasks.engine.body import CHUNK
from slimtasks.errors import BuildError

ContextFile = tuple[str, Path | bytes, int]
"""Name in the context; a host path (a symlink or a folder is sent as such) or a content; mode."""

MTIME = 315_619_200  # 2 January 1980 in every time zone: none may differ, and zip, so pip, takes nothing older
_END = bytes(2 * tarfile.BLOCKSIZE)


def tar_chunks(context: Path | Iterable[ContextFile]) -> Iterator[bytes]:
    """The context as pieces of a tar; owners, times and umask leave no mark in it.

    Raises BuildError where a file cannot be read.
    """
    if isinstance(context, Path):
        yield from _file_chunks(context)
        return
    for name, source, mode in context:
        yield from _member(name, source, mode)
    yield _END


def read_member(context: Path | Iterable[ContextFile], name: str) -> bytes | None:
    """The content of one file of the context, or None where it has none of that name."""
    name = os.path.normpath(name)
    if isinstance(context, Path):
        return _read_from_tar(context, name)
    for member, source, _ in context:
        if os.path.normpath(member) == name:
            return source if isinstance(source, bytes) else b"".join(_file_chunks(source))
    return None


def _read_from_tar(path: Path, name: str) -> bytes | None:
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if os.path.normpath(member.name) == name and (content := tar.extractfile(member)):
                    return content.read()
    except (OSError, tarfile.TarError) as error:
        raise BuildError(f"cannot read the build context {path}: {error}") from error
    return None


def _member(name: str, source: Path | bytes, mode: int) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield _header(name, tarfile.REGTYPE, mode, len(source)) + source + _padding(len(source))
        return
    try:
        status = source.lstat()
        if stat.S_ISLNK(status.st_mode):
            yield _header(name, tarfile.SYMTYPE, 0o777, 0, os.readlink(source))  # noqa: PTH115 - a Path would normalise it
        elif stat.S_ISDIR(status.st_mode):
            yield _header(name.rstrip("/") + "/", tarfile.DIRTYPE, 0o755, 0)
        elif stat.S_ISREG(status.st_mode):
            yield from _regular(name, source, mode)
        else:
            raise BuildError(f"{source} is neither file, folder nor symlink, and cannot be in a build context")
    except OSError as error:
        raise _unreadable(source, error) from error


def _regular(name: str, source: Path, mode: int) -> Iterator[bytes]:
    with source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        yield _header(name, tarfile.REGTYPE, mode, size)
        left = size
        while left and (piece := file.read(min(CHUNK, left))):
            left -= len(piece)
            yield piece
    if left:
        raise BuildError(f"{source} became shorter while it was sent", "run the same command again")
    yield _padding(size)


def _header(name: str, kind: bytes, mode: int, size: int, target: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname, member.mtime = kind, size, target, MTIME
    member.mode = (0o755 if mode & 0o100 else 0o644) if kind == tarfile.REGTYPE else mode
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _file_chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from _pieces(file)
    except OSError as error:
        raise _unreadable(path, error) from error


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece


def _unreadable(path: Path, error: OSError) -> BuildError:
    return BuildError(
        f"cannot read {path} for the build: {(error.strerror or str(error)).lower()}",
        "give yourself the right to read it, or leave it out with .dockerignore",
    )
