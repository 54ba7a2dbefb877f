"""rpm's package database: SQLite's, a row with a header (rpm.org/docs: header format) for each package.

Of the older forms, Berkeley DB's and ndb's, only the place is known.
"""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from slimtasks.records import Entry, ImagePath, Package
from slimtasks.rootfs import Tree, join, normalise

FOLDERS = (ImagePath("/usr/lib/sysimage/rpm"), ImagePath("/var/lib/rpm"))
_SQLITE = ("rpmdb.sqlite", "rpmdb.sqlite-wal")
_FILES = (*_SQLITE, "Packages.db", "Packages")

_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH, _SOURCE = 1000, 1001, 1002, 1003, 1022, 1044
_PROVIDES, _REQUIRES, _DIR_INDEXES, _BASENAMES, _DIRNAMES = 1047, 1049, 1116, 1117, 1118
_TAGS = frozenset((_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH, _SOURCE, _PROVIDES, _REQUIRES))
_TAGS |= {_DIR_INDEXES, _BASENAMES, _DIRNAMES}
_INT32, _STRING, _STRINGS = 4, 6, 8
_STEPS = 20_000_000  # of SQLite's machine, a second or so: `Packages` of an evil database may be an endless query

Header = Mapping[int, Sequence[str]]
"""The values of a package by their tags; numbers in decimal."""


def places() -> tuple[ImagePath, ...]:
    """Where the files lie that the packages are in, whichever form the database has."""
    return tuple(join(folder, name) for folder in FOLDERS for name in _FILES)


def databases(tree: Tree) -> tuple[Entry, ...]:
    """Those that the tree has, each once, sorted: one of the folders may be a symlink to the other."""
    finals = {final.path: final for path in places() if (final := tree.walk(path).final) and final.type == "file"}
    return tuple(finals[path] for path in sorted(finals))


def captured(path: str) -> bool:
    """Whether finding the packages takes the file's content."""
    return path.endswith(_SQLITE) and path in places()


def packages(files: Mapping[ImagePath, bytes]) -> tuple[Package, ...]:
    """The installed packages, sorted by name ('rpm/glibc'); none where the database is damaged.

    Another one of the same name is 'rpm/glibc:i686', or of the same architecture 'rpm/kernel:6.5-2'.
    """
    for folder in FOLDERS:
        if join(folder, _SQLITE[0]) in files:
            return _named(_read(files, folder))
    return ()


def _named(unnamed: Iterable[Package]) -> tuple[Package, ...]:
    found: dict[str, Package] = {}
    for one in sorted(unnamed, key=lambda one: (one.name, one.architecture == "i686", one.version)):
        names = (one.name, f"{one.name}:{one.architecture}", f"{one.name}:{one.version}")
        name = next((name for name in names if name not in found), one.name)
        found[name] = replace(one, name=name)
    return tuple(package for _, package in sorted(found.items()))


def _read(files: Mapping[ImagePath, bytes], folder: ImagePath) -> list[Package]:
    """One of each row, by its name alone. SQLite reads a database with a journal from files only."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in _SQLITE:
            if content := files.get(join(folder, name)):
                Path(scratch, name).write_bytes(content)
        try:
            with closing(sqlite3.connect(Path(scratch, _SQLITE[0]))) as database:
                database.set_progress_handler(lambda: 1, _STEPS)
                headers = [_header(blob) for (blob,) in database.execute("SELECT blob FROM Packages ORDER BY hnum")]
            return [_package(header) for header in headers if header.get(_NAME)]
        except (sqlite3.Error, struct.error, ValueError, TypeError, IndexError):
            return []


def _header(blob: bytes) -> Header:
    """Two lengths, an index of (tag, type, offset, count), and the data; all numbers are big-endian."""
    entries, size = struct.unpack_from(">II", blob)
    start = 8 + 16 * entries
    data = blob[start : start + size]
    found: dict[int, Sequence[str]] = {}
    for tag, kind, offset, count in struct.iter_unpack(">IIII", blob[8:start]):
        if tag in _TAGS and kind in (_STRING, _STRINGS):
            strings = data[offset:].split(b"\0", count)[:count]
            found[tag] = [text.decode("utf-8", "surrogateescape") for text in strings]
        elif tag in _TAGS and kind == _INT32:
            found[tag] = [str(number) for number in struct.unpack_from(f">{count}I", data, offset)]
    return found


def _package(header: Header) -> Package:
    def one(tag: int) -> str:
        return next(iter(header.get(tag, ())), "")

    epoch = f"{one(_EPOCH)}:" if one(_EPOCH) not in ("", "0") else ""
    paths = tuple(sorted(set(_paths(header))))
    required = (name for name in header.get(_REQUIRES, ()) if not name.startswith("rpmlib("))
    return Package(
        name=f"rpm/{one(_NAME)}",
        version=f"{epoch}{one(_VERSION)}-{one(_RELEASE)}",
        architecture=one(_ARCH),
        source=one(_SOURCE),
        depends=tuple((name,) for name in dict.fromkeys(required)),
        paths=paths,
        provides=(*dict.fromkeys(header.get(_PROVIDES, ())), *(path for path in paths if _is_asked_for(path))),
    )


def _paths(header: Header) -> Iterator[ImagePath]:
    directories = header.get(_DIRNAMES, ())
    for index, name in zip(header.get(_DIR_INDEXES, ()), header.get(_BASENAMES, ()), strict=True):
        yield normalise(f"{directories[int(index)]}{name}")


def _is_asked_for(path: str) -> bool:
    """Whether packages depend on such files, rather than on who brings them."""
    return path.startswith(("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/etc/"))
