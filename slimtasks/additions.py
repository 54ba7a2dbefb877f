"""What the spec's `add:` puts into an image: for the container that is traced, and for the last layer."""

from __future__ import annotations

import io
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path

from slimtasks.errors import SlimError
from slimtasks.records import Entry, ImagePath
from slimtasks.rootfs import normalise
from slimtasks.spec import Image
from slimtasks.spec.host_files import add_files


@dataclass(frozen=True)
class Addition:
    """One file of the repo and the entry that it becomes: root's, 0644 or 0755."""

    entry: Entry
    source: Path


def additions(image: Image) -> tuple[Addition, ...]:
    """All files that `add:` brings, sorted by their path in the image; of two for one path the later wins."""
    found = {}
    for source, target in add_files(image):
        path = normalise(target)
        found[path] = Addition(_entry(source, path), source)
    return tuple(found[path] for path in sorted(found))


def _entry(source: Path, path: ImagePath) -> Entry:
    if source.is_symlink():
        return Entry(path, "link", 0o777, target=str(source.readlink()))
    state = source.stat()
    if not stat.S_ISREG(state.st_mode):
        raise SlimError(f"{source} is neither file, folder nor symlink, and cannot be added", "take it out of `add:`")
    return Entry(path, "file", 0o755 if state.st_mode & 0o100 else 0o644, size=state.st_size)


def as_tar(image: Image) -> bytes:
    """The additions as a tar to unpack at `/` of a container; empty where there are none."""
    found = additions(image)
    if not found:
        return b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for addition in found:
            header = _header(addition.entry)
            if header.issym():
                tar.addfile(header)
                continue
            with addition.source.open("rb") as file:
                tar.addfile(header, file)
    return buffer.getvalue()


def _header(entry: Entry) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.path.lstrip("/"))
    header.size, header.mode = entry.size, entry.mode
    if entry.type == "link":
        header.type, header.linkname = tarfile.SYMTYPE, entry.target
    return header
