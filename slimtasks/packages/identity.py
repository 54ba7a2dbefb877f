"""What a language's package says that it is: the files that tell it, and what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from slimtasks.packages.distribution import Distribution
from slimtasks.records import ImagePath
from slimtasks.rootfs import parent

_LICENCE = r"(?:[a-z0-9.]+[-_])?(?:licen[cs]es?|copying|copyright|notice)(?:[-._][^/]*)?"
_OF_PYTHON = re.compile(
    rf".*(?:\.dist-info/(?:METADATA|RECORD|licenses/.*|{_LICENCE})|\.egg-info/(?:PKG-INFO|{_LICENCE})"
    r"|\.egg-info|/EGG-INFO/PKG-INFO)",
    re.DOTALL | re.IGNORECASE,
)
_PYTHON = re.compile(r"(?P<place>.*)(?:\.dist-info/METADATA|\.egg-info(?:/PKG-INFO)?|/EGG-INFO/PKG-INFO)", re.DOTALL)
_GEM = re.compile(r".*/specifications/(?:[^/]+/)?(?P<name>[^/]+?)-(?P<version>\d[^-/]*)(?:-[^/]+)?\.gemspec", re.DOTALL)
_FIELD = re.compile(r"^(Name|Version):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_WITH_PYTHON = ("pypi", "deb", "apk")  # what brings Python's distributions


@dataclass(frozen=True)
class Identity:
    """Whose metadata a file is."""

    type: str  # as package URLs say: pypi | npm | gem
    name: str  # as package URLs have it: 'flask', '@scope/name'
    version: str
    place: ImagePath  # as Distribution.place


def metadata_of(distribution: Distribution) -> Iterator[ImagePath]:
    """Those of the distribution's files that tell scanners and lawyers what it is, and under which licence."""
    kind, place = distribution.name.partition("/")[0], distribution.place
    above = f"{place.removesuffix('.gemspec').replace('/specifications/', '/gems/')}/" if kind == "gem" else f"{place}/"
    licence = re.compile(f"{re.escape(above)}{_LICENCE}", re.IGNORECASE)
    for path in distribution.paths:
        of_place = path in (place, f"{place}/package.json") or licence.fullmatch(path) is not None
        if (kind in ("npm", "gem", "cpan") and of_place) or (kind in _WITH_PYTHON and _OF_PYTHON.fullmatch(path)):
            yield path


def tells(path: str) -> bool:
    """Whether the file tells an identity."""
    if not path.endswith(("/METADATA", "/PKG-INFO", ".egg-info", "/package.json", ".gemspec")):
        return False
    return path.endswith("/package.json") or any(regex.fullmatch(path) for regex in (_PYTHON, _GEM))


def told(path: ImagePath, content: bytes) -> Identity | None:
    """The identity; None where a name or a version is missing. A gem's stands in the name of its specification."""
    if path.endswith("/package.json"):
        return _of_npm(path, content)
    gem = _GEM.fullmatch(path)
    if gem:
        return Identity("gem", gem["name"], gem["version"], path)
    fields = dict(reversed(_FIELD.findall(head_of(content))))  # of several, the first
    if not fields.get("Name") or not fields.get("Version"):
        return None
    place = path if path.endswith(".egg-info") else parent(path)
    place = parent(place) if place.endswith("/EGG-INFO") else place
    return Identity("pypi", python_name(fields["Name"]), fields["Version"], place)


def head_of(metadata: bytes) -> str:
    """The fields of Python's metadata; behind an empty line comes the description."""
    return re.split(r"\r?\n\r?\n", metadata.decode("utf-8", "replace"), maxsplit=1)[0]


def python_name(name: str) -> str:
    """The name in the one spelling that the index knows it by (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _of_npm(path: ImagePath, content: bytes) -> Identity | None:
    try:
        data = json.loads(content)
    except ValueError:
        return None
    name, version = (data.get("name"), data.get("version")) if isinstance(data, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(version, str) or not name or not version:
        return None
    return Identity("npm", name, version, parent(path))
