"""What the layers of an image have: all paths, and the files that tell of packages."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slimtasks.errors import Damaged
from slimtasks.packages import identity, installed, java
from slimtasks.records import ImagePath
from slimtasks.rootfs import is_below, normalise

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True)
class Contents:
    """Of one image or a part of its layers."""

    paths: frozenset[ImagePath]  # directories as well
    files: Mapping[ImagePath, bytes]  # what `installed.captured` and `identity.tells` ask for
    archives: Mapping[ImagePath, tuple[java.Artifact, ...]]


def read_contents(layers: Iterable[Path]) -> Contents:
    """Reads the tars, lowest first; a later layer's path replaces an earlier one's. Raises Damaged."""
    paths: set[ImagePath] = set()
    files: dict[ImagePath, bytes] = {}
    archives: dict[ImagePath, tuple[java.Artifact, ...]] = {}
    for layer in layers:
        try:
            with tarfile.open(layer, "r:", encoding="utf-8") as tar:
                for member in tar:
                    _take(tar, member, paths, files, archives)
        except tarfile.TarError as error:
            raise Damaged(layer, f"no whole tar ({error})") from error
    return Contents(
        frozenset(paths),
        {path: content for path, content in files.items() if path in paths},
        {path: found for path, found in archives.items() if path in paths},
    )


def _take(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    paths: set[ImagePath],
    files: dict[ImagePath, bytes],
    archives: dict[ImagePath, tuple[java.Artifact, ...]],
) -> None:
    path = normalise("/" + member.name)
    directory, _, name = path.rpartition("/")
    if name.startswith(_WHITEOUT):
        opaque = name == _OPAQUE
        gone = directory if opaque else f"{directory}/{name.removeprefix(_WHITEOUT)}"
        paths -= {other for other in paths if is_below(other, gone) and not (opaque and other == gone)}
        return
    paths.add(path)
    files.pop(path, None)
    archives.pop(path, None)
    wanted = installed.captured(path) or identity.tells(path)
    file = tar.extractfile(member) if (member.isreg() or member.islnk()) and (wanted or java.is_archive(path)) else None
    if file is not None and wanted:
        files[path] = file.read()
    elif file is not None:
        archives[path] = tuple(java.artifacts(path, file))
