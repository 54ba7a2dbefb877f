"""The tags that hold our images in an engine, whatever happens to the tags of the user."""

from __future__ import annotations

from pathlib import Path

from slimtasks.engine.labels import TEMPORARY, checkout_key
from slimtasks.job import Job

HELD = f"{TEMPORARY}held/"
"""The start of every tag that holds a finished image; as it has no owner, no sweep takes it."""


def making_tag(job: Job) -> str:
    """The tag of an image that is being made: if this run dies, the next one knows whose it was."""
    return job.engine.temporary_tag(job.image.kind, job.image.name)


def hold(job: Job, identity: str, what: str = "") -> None:
    """Tags a finished image for this checkout, so that nothing takes it for a leftover."""
    tag = held_tag(job.engine.checkout, job.image.name, what)
    before = job.engine.inspect_image(tag)
    move_tag(job, identity, tag, before["Id"] if before else "")
    job.engine.untag(making_tag(job))


def held_tag(checkout: Path, name: str, what: str = "") -> str:
    """The tag that holds a finished image of a checkout, whatever happens to its own tags."""
    return f"{HELD}{name}{'/' if what else ''}{what}:{checkout_key(checkout)}"


def move_tag(job: Job, identity: str, tag: str, made: str) -> None:
    """Gives an image a tag. The image `made`, which we made before, goes if that was its last one and nothing uses it.

    An image of anybody else that had the tag stays. Ours is never without a tag: killed in the middle of
    this, the next run finds it by a temporary one.
    """
    before = job.engine.inspect_image(tag)
    if before and before["Id"] == made != identity and before["RepoTags"] == [tag]:
        leaving = job.engine.temporary_tag("leaving", job.image.name)
        job.engine.tag(made, leaving)
        job.engine.tag(identity, tag)
        job.engine.untag(leaving)
    else:
        job.engine.tag(identity, tag)
