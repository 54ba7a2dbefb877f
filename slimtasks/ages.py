"""How old the things are that images are made of (build/<n>/fetched.json)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from slimtasks.errors import Damaged
from slimtasks.job import Fetched
from slimtasks.records import from_json, intact, read_json, to_json, write_json
from slimtasks.spec.model import Image
from slimtasks.workspace import ImageFiles, Workspace

DAY = 86400  # seconds


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


def made_of(workspace: Workspace, images: Mapping[str, Image], image: Image) -> tuple[Fetched, ...] | None:
    """All from outside the repo that the image is made of, over declared ones too; None where that is not known."""
    declared = dict(image.references)
    found = [read_fetched(workspace.image(image.name))] if image.source.bootstrap or image.foreign else []
    found += [made_of(workspace, images, images[declared[name]]) for name in image.bases if name in declared]
    known = [one for one in found if one is not None]
    return tuple(one for several in known for one in several) if len(known) == len(found) else None


def oldest(workspace: Workspace, images: Mapping[str, Image], image: Image) -> Fetched | None:
    """The oldest of them; None where there is nothing, or it is not known."""
    return _oldest(made_of(workspace, images, image) or ())


def age(workspace: Workspace, images: Mapping[str, Image], image: Image, now: float) -> tuple[float, str]:
    """Seconds, and in words of what: the oldest. Infinite where it is not known, 0 where there is nothing."""
    found = made_of(workspace, images, image)
    if found is None:
        return float("inf"), ""
    one = _oldest(found)
    return (max(0.0, now - one.date), _told(one)) if one else (0.0, "")


def _oldest(found: Iterable[Fetched]) -> Fetched | None:
    return min(found, key=lambda one: (one.date, one.name), default=None)


def _told(one: Fetched) -> str:
    """As in 'bookworm, fetched 2026-11-24'."""
    return f"{one.name}, {one.counts} {time.strftime('%Y-%m-%d', time.gmtime(one.date))}"
