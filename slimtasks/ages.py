"""How old the things are that images are made of (build/<n>/fetched.json)."""

from __future__ import annotations

from collections.abc import Iterable

from slimtasks.errors import Damaged
from slimtasks.job import Fetched
from slimtasks.records import from_json, intact, read_json, to_json, write_json
from slimtasks.workspace import ImageFiles


def note_fetched(files: ImageFiles, fetched: Iterable[Fetched]) -> None:
    """Writes down what the image is made of."""
    write_json(files.fetched, {"fetched": [to_json(one) for one in fetched]})


def read_fetched(files: ImageFiles) -> tuple[Fetched, ...] | None:
    """What the image is made of; None where that is not known, as before its first stage ran."""
    if not files.fetched.exists():
        return None
    try:
        with intact(files.fetched):
            return tuple(from_json(Fetched, one) for one in read_json(files.fetched)["fetched"])
    except Damaged:
        return None
