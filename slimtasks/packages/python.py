"""Python distributions by their metadata: RECORD (PEP 376, 627), direct_url.json (PEP 610), setuptools' egg-info."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from slimtasks.packages.distribution import Distribution
from slimtasks.packages.identity import head_of, python_name
from slimtasks.records import ImagePath
from slimtasks.rootfs import Tree, join, normalise, parent

_CAPTURED = re.compile(
    r".*\.dist-info/(?:RECORD|METADATA|direct_url\.json|top_level\.txt)|.*\.egg-info/(?:installed-files|top_level)\.txt",
    re.DOTALL,
)
# PEP 508; what only an extra needs has a marker that says so.
_NEEDED = re.compile(r"^Requires-Dist:[ \t]*([\w.-]+)(?![^\n]*\bextra\s*==)", re.MULTILINE)
_METADATA = re.compile(r"([^-]+)(?:-.*)?\.(dist-info|egg-info|egg)", re.DOTALL)
_SITES = ("/site-packages", "/dist-packages")
_BUILT_ELSEWHERE = re.compile(r"/(?:croot|conda-bld|feedstock_root)/")  # what conda's packages tell of their making
_COMPILED = re.compile(r"(.*/)__pycache__/([^/]+?)\.[^./]+(?:\.opt-\d)?\.pyc", re.DOTALL)


def captured(path: str) -> bool:
    """Whether finding distributions takes the file's content."""
    return path.endswith((".txt", "/RECORD", "/METADATA", ".json")) and _CAPTURED.fullmatch(path) is not None


def compiled_from(path: ImagePath) -> ImagePath | None:
    """The source beside which Python keeps this .pyc file (PEP 3147); None for what is none."""
    match = _COMPILED.fullmatch(path) if path.endswith(".pyc") else None
    return ImagePath(f"{match[1]}{match[2]}.py") if match else None


def python_distributions(tree: Tree, files: Mapping[ImagePath, bytes]) -> Iterator[Distribution]:
    """What metadata lists, or stands for; what the distribution's own packages brought without a list is not told."""
    for place in tree.paths:
        match = _METADATA.fullmatch(place.rpartition("/")[2]) if place.endswith(("-info", ".egg")) else None
        entry = tree.lookup(place)
        if match is None or entry is None:
            continue
        found = _paths(place, match[2], tree, files) if entry.type == "dir" or not entry.package else ()
        paths = tuple(sorted({path for path in found if _is_file(path, tree)}))
        if paths:
            needs, local = _needs(files.get(join(place, "METADATA"))), _local(files.get(join(place, "direct_url.json")))
            yield Distribution(_named(match[1]), place, paths, needs, local)


def _paths(place: ImagePath, kind: str, tree: Tree, files: Mapping[ImagePath, bytes]) -> Iterable[ImagePath]:
    """What the distribution has; egg-info outside of site-packages lies beside the sources that it was made of."""
    record, listed = files.get(join(place, "RECORD")), files.get(join(place, "installed-files.txt"))
    if kind == "dist-info" and record is not None:
        return [*_recorded(record, parent(place)), *tree.below(place)]
    if not parent(place).endswith(_SITES):
        return ()
    if kind == "egg":
        return (place, *tree.below(place))
    if listed is not None:
        return [*(normalise(f"{place}/{line}") for line in _text(listed).splitlines() if line), *tree.below(place)]
    inside = (entry for path in tree.below(place) if (entry := tree.lookup(path)) is not None)
    if any(entry.package for entry in inside):
        return ()  # its package has a list
    return _by_names(place, _text(files.get(join(place, "top_level.txt"), b"")).split(), tree)


def _recorded(record: bytes, site: ImagePath) -> Iterator[ImagePath]:
    """The paths of a RECORD: relative to the directory that has the .dist-info, or absolute."""
    for row in csv.reader(_text(record).splitlines()):
        if row and row[0]:
            yield normalise(row[0] if row[0].startswith("/") else f"{site}/{row[0]}")


def _by_names(place: ImagePath, names: Iterable[str], tree: Tree) -> Iterator[ImagePath]:
    """The modules that top_level.txt names, or that are called like the distribution."""
    site, called = parent(place), place.rpartition("/")[2].partition("-")[0].partition(".")[0]
    yield from (place, *tree.below(place))
    for name in list(names) or [called, called.lower()]:
        yield from tree.below(join(site, name))
        yield from (path for path in tree.children(site) if path.startswith((f"{site}/{name}.py", f"{site}/{name}.cp")))


def _named(name: str) -> str:
    return f"pypi/{python_name(name)}"


def _needs(metadata: bytes | None) -> tuple[str, ...]:
    return tuple(sorted(set(map(_named, _NEEDED.findall(head_of(metadata or b""))))))


def _is_file(path: ImagePath, tree: Tree) -> bool:
    entry = tree.lookup(path)
    return entry is not None and entry.type != "dir"


def _local(direct_url: bytes | None) -> str:
    """The file or folder that it was installed from; empty where it came from elsewhere."""
    try:
        told = json.loads(direct_url or b"{}")
    except ValueError:
        return ""
    url = str(told.get("url", "")) if isinstance(told, dict) else ""
    return url if url.startswith("file:") and not _BUILT_ELSEWHERE.search(url) else ""


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
