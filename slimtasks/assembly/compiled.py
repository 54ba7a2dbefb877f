"""Python's compiled files: each says how old its source is; where that is not so, Python compiles at every start."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import replace

from slimtasks.assembly.dates import Clock
from slimtasks.packages.python import compiled_from
from slimtasks.records import Entry, ImagePath

SourceDates = tuple[int, int]
"""The mtime of a compiled file's source (seconds since 1970) in the image that it is taken from, and in a layer."""


def source_dates(
    entry: Entry, tree: Mapping[ImagePath, Entry], clock: Clock, replaced: Container[ImagePath] = ()
) -> SourceDates | None:
    """None for what is no compiled file, or whose source keeps its mtime, is not in the tree or is `replaced`."""
    path = compiled_from(entry.path) if entry.type == "file" else None
    source = tree.get(path) if path and path not in replaced else None
    if source is None or source.type != "file" or clock.mtime(source) == source.mtime:
        return None
    return source.mtime, clock.mtime(source)


def redated(entry: Entry, content: bytes, dates: SourceDates) -> tuple[Entry, bytes]:
    """The compiled file as it fits its source's new mtime, and the entry with the digest of that.

    One that did not fit before, or is told by its source's hash (PEP 552), stays as it is. So does the digest of an
    entry that has another content.
    """
    was, now = ((date & 0xFFFFFFFF).to_bytes(4, "little") for date in dates)
    magic, flags, date = content[:4], content[4:8], content[8:12]
    if flags != bytes(4) or date != was:
        return entry, content
    made = magic + flags + now + content[12:]
    if hashlib.sha256(content).hexdigest() != entry.digest:
        return entry, made
    return replace(entry, digest=hashlib.sha256(made).hexdigest()), made
