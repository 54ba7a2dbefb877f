"""The distribution's package database: dpkg's, whole or in distroless' layout, from files that `fat` captured."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from slimtasks.records import Entry, ImagePath, Package
from slimtasks.rootfs import join, normalise, parent

STATUS = ImagePath("/var/lib/dpkg/status")
STATUS_D = ImagePath("/var/lib/dpkg/status.d")
INFO = ImagePath("/var/lib/dpkg/info")
DIVERSIONS = ImagePath("/var/lib/dpkg/diversions")
LICENCES = ImagePath("/usr/share/common-licenses")

_AT_ONCE = 60  # seconds; nobody installs a package that was built less than that before
_LICENCE = re.compile(rb"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*)")


def licences_named(copyright_text: bytes) -> tuple[str, ...]:
    """The files of /usr/share/common-licenses that a copyright text names, sorted."""
    return tuple(sorted({name.rstrip(b".-").decode() for name in _LICENCE.findall(copyright_text)}))


@dataclass(frozen=True)
class _Stanza:
    """One package of a status file, still as text."""

    text: str
    fields: Mapping[str, str]
    file_list: str  # what its files in info/ start with: 'libc6:amd64' or 'adduser'


def packages(files: Mapping[ImagePath, bytes]) -> tuple[Package, ...]:
    """The installed packages, sorted by name; `files` are the image's captured ones."""
    diverted = _diversions(files.get(DIVERSIONS, b""))
    found = []
    for name, stanza in _named(files):
        plain = stanza.fields["package"]
        paths = {_diverted(path, plain, diverted) for path in _paths(stanza, files)}
        source = stanza.fields.get("source", "").partition(" ")[0]
        found.append(
            Package(
                name=name,
                version=stanza.fields.get("version", ""),
                architecture=stanza.fields.get("architecture", ""),
                source=source or plain,
                depends=_alternatives(stanza.fields, "pre-depends") + _alternatives(stanza.fields, "depends"),
                paths=tuple(sorted(paths)),
                provides=tuple(group[0] for group in _alternatives(stanza.fields, "provides")),
            )
        )
    return tuple(found)


def stanzas(files: Mapping[ImagePath, bytes]) -> dict[str, str]:
    """Each package's paragraph of the status file, ending with a newline, by name ('deb/libc6')."""
    return {name: stanza.text + "\n" for name, stanza in _named(files)}


def is_essential(stanza: str) -> bool:
    """Whether others may use the package without depending on it (Debian policy, 3.8)."""
    return _fields(stanza).get("essential") == "yes"


def sources(files: Mapping[ImagePath, bytes]) -> dict[str, tuple[str, str]]:
    """Each package's source and its version, by name; the version is empty where it is the package's own."""
    found = {}
    for name, stanza in _named(files):
        source, _, version = stanza.fields.get("source", stanza.fields["package"]).partition(" ")
        found[name] = (source, version.strip("()"))
    return found


def checksums(files: Mapping[ImagePath, bytes], names: Container[str]) -> dict[str, tuple[tuple[str, ImagePath], ...]]:
    """The (md5, path) pairs of the .md5sums file of each of these packages, by name; paths as dpkg writes them."""
    return {name: tuple(_md5sums(stanza, files)) for name, stanza in _named(files) if name in names}


def _named(files: Mapping[ImagePath, bytes]) -> list[tuple[str, _Stanza]]:
    """The stanzas with the names that we give them, sorted: a second architecture's package is 'deb/libc6:i386'."""
    by_package: dict[str, list[_Stanza]] = {}
    native = _native(files)
    for stanza in _stanzas(files):
        by_package.setdefault(stanza.fields["package"], []).append(stanza)
    named: dict[str, _Stanza] = {}
    for package, all_of_name in by_package.items():
        for stanza in sorted(all_of_name, key=lambda s: s.fields.get("architecture", "") not in (native, "all")):
            name = f"deb/{package}"
            named.setdefault(name if name not in named else f"{name}:{stanza.fields.get('architecture')}", stanza)
    return sorted(named.items())


def _native(files: Mapping[ImagePath, bytes]) -> str:
    """The architecture of dpkg itself, or else the first that is no `all`."""
    first = ""
    for stanza in _stanzas(files):
        architecture = stanza.fields.get("architecture", "all")
        if stanza.fields["package"] == "dpkg":
            return architecture
        first = first or (architecture if architecture != "all" else "")
    return first


def _stanzas(files: Mapping[ImagePath, bytes]) -> Iterator[_Stanza]:
    for path in sorted(files):
        if path == STATUS or (parent(path) == STATUS_D and not path.endswith((".md5sums", ".list"))):
            text = files[path].decode("utf-8", "surrogateescape")
            for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
                fields = _fields(paragraph)
                if fields.get("package") and fields.get("status", "x x installed").split()[-1] == "installed":
                    yield _stanza(paragraph, fields, path, files)


def _stanza(paragraph: str, fields: Mapping[str, str], path: ImagePath, files: Mapping[ImagePath, bytes]) -> _Stanza:
    if path != STATUS:
        return _Stanza(paragraph, fields, path)
    start = join(INFO, fields["package"])
    qualified = f"{start}:{fields.get('architecture', '')}"
    return _Stanza(paragraph, fields, qualified if f"{qualified}.list" in files else start)


def _fields(paragraph: str) -> dict[str, str]:
    """The fields (lower case) with their first lines; dependencies are never folded in a status file."""
    fields = {}
    for line in paragraph.split("\n"):
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t")):
            fields[name.lower()] = value.strip()
    return fields


def _paths(stanza: _Stanza, files: Mapping[ImagePath, bytes]) -> Iterable[ImagePath]:
    """What the file list names; distroless has only checksums, which leave out directories and links."""
    listed = files.get(ImagePath(stanza.file_list + ".list"))
    if listed is None:
        return [path for _, path in _md5sums(stanza, files)]
    lines = listed.decode("utf-8", "surrogateescape").split("\n")
    return [normalise(line) for line in lines if line and line != "/."]


def _md5sums(stanza: _Stanza, files: Mapping[ImagePath, bytes]) -> Iterator[tuple[str, ImagePath]]:
    text = files.get(ImagePath(stanza.file_list + ".md5sums"), b"").decode("utf-8", "surrogateescape")
    for line in text.split("\n"):
        digest, space, path = line.partition(" ")
        if space and path.strip():
            yield digest, normalise("/" + (path[1:] if path.startswith((" ", "*")) else path))


def _diversions(text: bytes) -> dict[ImagePath, tuple[ImagePath, str]]:
    """Path -> where everybody's file of that name really is, and the one package that keeps the name (':' for nobody).

    dpkg-divert's file has three lines for each.
    """
    lines = text.decode("utf-8", "surrogateescape").split("\n")
    return {normalise(a): (normalise(b), by) for a, b, by in zip(lines[0::3], lines[1::3], lines[2::3], strict=False)}


def _diverted(path: ImagePath, package: str, diversions: Mapping[ImagePath, tuple[ImagePath, str]]) -> ImagePath:
    place, by = diversions.get(path, (path, package))
    return path if by == package else place


def _alternatives(fields: Mapping[str, str], field: str) -> tuple[tuple[str, ...], ...]:
    """'a (>= 1) | b, c:any' -> (('a', 'b'), ('c',))."""
    groups = (group.split("|") for group in fields.get(field, "").split(",") if group.strip())
    return tuple(tuple(re.split(r"[\s(:\[]", name.strip(), maxsplit=1)[0] for name in group) for group in groups)


@dataclass(frozen=True)
class Registered:
    """How a package was put down as installed: its list of files, or its paragraph in distroless' layout."""

    mtime: int  # seconds since 1970
    layer: int  # of the image, which wrote that


def newest(entries: Iterable[Entry]) -> int:
    """The newest mtime of the files that are as their package brought them, else 0; `entries`: the whole tree."""
    entries = tuple(entries)
    installed = registered(entries)
    return max((entry.mtime for entry in entries if is_as_brought(entry, installed)), default=0)


def is_as_brought(entry: Entry, installed: Mapping[str, Registered]) -> bool:
    """Whether the mtime is the package's: a configuration file may have been edited since, a program copied.

    A layer above that of the package has such a copy, however old it says it is. A link may be made by whatever
    unpacked the package: usrmerge.
    """
    known = installed.get(entry.package)
    if known is None or entry.type != "file" or entry.layer > known.layer:
        return False
    return entry.mtime < known.mtime - _AT_ONCE


def registered(entries: Iterable[Entry]) -> dict[str, Registered]:
    """How each package was, by name. Of several architectures the earliest time, under each of their names."""
    found: dict[str, Registered] = {}
    for entry in entries:
        folder, _, file = entry.path.rpartition("/")
        bare = file.removesuffix(".list") if folder == INFO and file.endswith(".list") else ""
        if folder == STATUS_D and not file.endswith((".md5sums", ".list")):
            bare = file
        if bare:
            name, _, architecture = bare.partition(":")
            for known in (f"deb/{name}", f"deb/{name}:{architecture}"):
                other = found.get(known, Registered(entry.mtime, entry.layer))
                found[known] = Registered(min(entry.mtime, other.mtime), max(entry.layer, other.layer))
    return found
