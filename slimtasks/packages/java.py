"""Java archives by what they say of themselves: Maven's pom.properties, else the manifest, else the file's name."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_FILE = re.compile(r"(?P<name>.+?)(?:-(?P<version>\d[^/]*))?\.[^.]+", re.DOTALL)
_VERSIONS = ("Implementation-Version", "Bundle-Version", "Specification-Version")
_SUFFIXES = (".jar", ".war", ".ear")
_MOST_NESTED = 3  # archives in one another
_LARGEST_NESTED = 64 << 20  # bytes; a nested archive is read into memory


@dataclass(frozen=True)
class Artifact:
    """One artifact that is in an archive; without `group` it has no coordinates."""

    group: str
    name: str
    version: str


def is_archive(path: str) -> bool:
    return path.endswith(_SUFFIXES)


def artifacts(path: str, file: IO[bytes], depth: int = 1) -> Iterator[Artifact]:
    """What is in the archive and in those inside of it; nothing where it is none."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            poms = [_properties(archive.read(name)) for name in names if _POM.fullmatch(name)]
            known = [Artifact(pom["groupId"], pom["artifactId"], pom.get("version", "")) for pom in poms if _whole(pom)]
            yield from known or [_by_name(path, archive)]
            for name in names if depth < _MOST_NESTED else ():
                if is_archive(name) and archive.getinfo(name).file_size <= _LARGEST_NESTED:
                    yield from artifacts(name, io.BytesIO(archive.read(name)), depth + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        return  # not an archive after all, or encrypted


def _whole(pom: dict[str, str]) -> bool:
    return bool(pom.get("groupId") and pom.get("artifactId"))


def _properties(content: bytes) -> dict[str, str]:
    lines = (line.partition("=") for line in content.decode("utf-8", "replace").splitlines() if line[:1] != "#")
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


def _by_name(path: str, archive: zipfile.ZipFile) -> Artifact:
    match = _FILE.fullmatch(path.rpartition("/")[2])
    assert match  # it has a suffix
    manifest = _manifest(archive)
    versions = (manifest[key] for key in _VERSIONS if manifest.get(key))
    return Artifact("", match["name"], match["version"] or next(versions, ""))


def _manifest(archive: zipfile.ZipFile) -> dict[str, str]:
    try:
        text = archive.read("META-INF/MANIFEST.MF").decode("utf-8", "replace")
    except KeyError:
        return {}
    main = re.split(r"\r?\n\r?\n", text, maxsplit=1)[0]
    lines = (line.partition(":") for line in re.sub(r"\r?\n ", "", main).splitlines())
    return {name: value.strip() for name, colon, value in lines if colon}
