"""Alpine's package database: apk's /lib/apk/db/installed (wiki.alpinelinux.org/wiki/Apk_spec), one text for all.

A stanza has a line `LETTER:value` for each field of a package, then its file records: `F:` a directory, `R:` each file
or link in it, each with lines of its own (`M:` and `a:` owner and mode, `Z:` checksum).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from slimtasks.records import ImagePath, Package
from slimtasks.rootfs import join, normalise

FOLDERS = (ImagePath("/lib/apk/db"), ImagePath("/usr/lib/apk/db"))  # of apk-tools 2, and of 3 in a merged /usr
DATABASES = tuple(join(folder, "installed") for folder in FOLDERS)
WORLD = ImagePath("/etc/apk/world")

_DIRECTORY = re.compile(r"^(?=F:)", re.MULTILINE)
_FILE = re.compile(r"^(?=R:)", re.MULTILINE)
_CONSTRAINT = re.compile(r"[<>=~@]")


@dataclass(frozen=True)
class _Directory:
    """One directory of a stanza with its files."""

    path: ImagePath
    text: str  # of the directory itself
    files: tuple[tuple[ImagePath, str], ...]  # with their lines


def packages(files: Mapping[ImagePath, bytes]) -> tuple[Package, ...]:
    """The installed packages, sorted by name ('apk/musl'); `files` are the image's captured ones."""
    found: dict[str, Package] = {}
    for path in DATABASES:
        for stanza in _stanzas(files.get(path, b"")):
            fields = _fields(stanza)
            name = f"apk/{fields['P']}"
            found.setdefault(
                name,
                Package(
                    name=name,
                    version=fields.get("V", ""),
                    architecture=fields.get("A", ""),
                    source=fields.get("o", "") or fields["P"],
                    depends=tuple((one,) for one in _named(fields.get("D", ""))),
                    paths=tuple(sorted(set(_paths(stanza)) - {"/"})),
                    provides=_named(fields.get("p", "")),
                ),
            )
    return tuple(package for _, package in sorted(found.items()))


def pruned(database: bytes, names: Collection[str], stays: Callable[[ImagePath], bool] | None = None) -> str:
    """The database of these packages alone ('apk/musl'), in its order; with `stays`, of those of its paths that do.

    A directory's record goes with the last of its files'.
    """
    wanted = (stanza for stanza in _stanzas(database) if f"apk/{_fields(stanza)['P']}" in names)
    return "".join(f"{_cut(stanza, stays) if stays else stanza}\n" for stanza in wanted)


def joined(database: str, below: bytes) -> str:
    """The database over another one, whose packages stay: of one in the same version, the other's stanza."""
    known = {_identity(stanza) for stanza in _stanzas(below)}
    above = (stanza for stanza in _stanzas(_encoded(database)) if _identity(stanza) not in known)
    return "".join(f"{stanza}\n" for stanza in (*_stanzas(below), *above))


def world_without(world: bytes, gone: Collection[str]) -> bytes:
    """What apk shall see to that it is installed, a line each, less the packages that are gone ('apk/musl')."""
    lines = world.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    return _encoded("".join(line for line in lines if f"apk/{_CONSTRAINT.split(line.strip())[0]}" not in gone))


def _stanzas(database: bytes) -> Iterator[str]:
    """Those that name a package, each ending with a newline."""
    text = database.decode("utf-8", "surrogateescape")
    for paragraph in re.split(r"\n{2,}", text.strip("\n")):
        if _fields(paragraph).get("P"):
            yield paragraph + "\n"


def _fields(stanza: str) -> dict[str, str]:
    """The package's own, by their letters; none of its files'."""
    lines = (line.partition(":") for line in _DIRECTORY.split(stanza, maxsplit=1)[0].split("\n"))
    return {letter: value.strip() for letter, colon, value in lines if colon}


def _identity(stanza: str) -> tuple[str, str]:
    fields = _fields(stanza)
    return fields["P"], fields.get("V", "")


def _directories(stanza: str) -> Iterator[_Directory]:
    for block in _DIRECTORY.split(stanza)[1:]:
        own, *files = _FILE.split(block)
        path = normalise("/" + _value(own))
        yield _Directory(path, own, tuple((join(path, _value(text)), text) for text in files))


def _value(record: str) -> str:
    return record.partition("\n")[0][2:]


def _paths(stanza: str) -> Iterable[ImagePath]:
    for directory in _directories(stanza):
        yield directory.path
        yield from (path for path, _ in directory.files)


def _cut(stanza: str, stays: Callable[[ImagePath], bool]) -> str:
    parts = [_DIRECTORY.split(stanza, maxsplit=1)[0]]
    for directory in _directories(stanza):
        left = [text for path, text in directory.files if stays(path)]
        parts += [directory.text, *left] if left else []
    return "".join(parts)


def _named(field: str) -> tuple[str, ...]:
    """'musl>=1.2 !uclibc so:libz.so.1=1.3' -> ('musl', 'so:libz.so.1'); what must not be there is no dependency."""
    return tuple(_CONSTRAINT.split(word)[0] for word in field.split() if not word.startswith("!"))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
