"""The tags that hold our images in an engine, whatever happens to the tags of the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slimtasks.engine.labels import KIND, checkout_key
from slimtasks.job import Job


def making_tag(job: Job) -> str:
    """The tag of an image that is being made: if this run dies, the next one knows whose it was."""
    return job.engine.temporary_tag(job.image.kind, job.image.name)


def hold(job: Job, identity: str, what: str = "") -> None:
    """Tags a finished image for this checkout, so that nothing takes it for a leftover."""
    move_tag(job, identity, held_tag(job.engine.checkout, job.image.name, what))
    job.engine.untag(making_tag(job))


def held_tag(checkout: Path, name: str, what: str = "") -> str:
    """The tag that holds a finished image of a checkout, whatever happens to its own tags."""
    return f"slimtasks.local/held/{name}{'-' if what else ''}{what}:{checkout_key(checkout)}"


def move_tag(job: Job, identity: str, tag: str) -> None:
    """Gives an image a tag. The image that had it goes, if we made it, it has no other, and nothing uses it."""
    before = job.engine.inspect_image(tag)
    job.engine.tag(identity, tag)
    if before and before["Id"] != identity and before["RepoTags"] == [tag] and _is_ours(before):
        job.engine.remove_image(before["Id"])


def _is_ours(found: dict[str, Any]) -> bool:
    return KIND in ((found.get("Config") or {}).get("Labels") or {})
