"""In what two makings of one image differ, to the last bit: paths of a layer with their fields, parts of the config."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from slimtasks.answers.difference import Field, as_json, fields
from slimtasks.oci.merge import entries, merge
from slimtasks.oci.stream import forward
from slimtasks.oci.table import file_reader, read_table
from slimtasks.records import Entry, ImagePath


@dataclass(frozen=True)
class Unlike:
    """What came out otherwise of one path, or of a layer as a whole ('')."""

    path: str
    fields: tuple[Field, ...]  # those of `doit diff`, and mtime, entry, order, bytes


def layer_difference(before: Path, after: Path, scratch: Path) -> Iterator[Unlike]:
    """Of two tars of the store that are not the same bytes, by path."""
    one, two = (_Layer.read(path, scratch) for path in (before, after))
    found = False
    for path in sorted({*one.tree, *two.tree}):
        told = tuple(_fields(one.tree.get(path), two.tree.get(path)))
        if told:
            found = True
            yield Unlike(path, told)
    both = one.tree.keys() & two.tree.keys()
    order = [[path for path in layer.order if path in both] for layer in (one, two)]
    if order[0] != order[1]:
        yield Unlike("", (Field("order", *next(pair for pair in zip(*order, strict=True) if pair[0] != pair[1])),))
    elif not found:
        yield Unlike("", (Field("bytes", *_bytes(before, after)),))


def config_difference(before: bytes, after: bytes) -> tuple[Field, ...]:
    """Of two image configs, less their layers."""
    old, new = _parts(json.loads(before)), _parts(json.loads(after))
    told = ((key, as_json(old.get(key)), as_json(new.get(key))) for key in sorted({*old, *new}))
    return tuple(Field(*field) for field in told if field[1] != field[2])


@dataclass(frozen=True)
class _Layer:
    tree: Mapping[ImagePath, Entry]
    order: Sequence[ImagePath]  # as its tar has them

    @staticmethod
    def read(tar: Path, scratch: Path) -> _Layer:
        with tar.open("rb") as file, file_reader(lambda path: False, lambda elf: None, scratch) as reader:
            table = read_table(forward(file), reader)
        return _Layer({entry.path: entry for entry in entries(merge([table]))}, tuple(table.nodes))


def _fields(old: Entry | None, new: Entry | None) -> Iterator[Field]:
    if old is None or new is None:
        yield Field("entry", old.type if old else "", new.type if new else "")
        return
    yield from fields(old, new)
    if old.mtime != new.mtime:
        yield Field("mtime", str(old.mtime), str(new.mtime))


def _bytes(before: Path, after: Path) -> tuple[str, str]:
    """Where in the tars the first of them is that differs: all that is in them is the same."""
    with before.open("rb") as one, after.open("rb") as two:
        at = 0
        for old, new in zip_longest(iter(lambda: one.read(512), b""), iter(lambda: two.read(512), b""), fillvalue=b""):
            if old != new:
                break
            at += 512
    return f"{before.name} from {at}", f"{after.name} from {at}"


def _parts(config: dict[str, Any]) -> dict[str, Any]:
    """Its parts by their names, those of the running container's as 'config.Env'."""
    inner = {f"config.{key}": value for key, value in (config.get("config") or {}).items()}
    return {key: value for key, value in config.items() if key not in ("config", "rootfs")} | inner
