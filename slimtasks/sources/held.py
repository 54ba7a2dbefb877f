"""The tags that hold our images in an engine, whatever happens to the tags of the user."""

from __future__ import annotations

from slimtasks.engine.labels import checkout_key
from slimtasks.job import Job


def making_tag(job: Job) -> str:
    """The tag of an image that is being made: if this run dies, the next one knows whose it was."""
    return job.engine.temporary_tag(job.image.kind, job.image.name)


def hold(job: Job, identity: str, what: str = "") -> None:
    """Tags a finished image for this checkout, so that nothing takes it for a leftover.

    The image that held this tag before goes, unless it has another tag or is used.
    """
    name = f"{job.image.name}-{what}" if what else job.image.name
    tag = held_tag(job, name)
    before = job.engine.inspect_image(tag)
    job.engine.tag(identity, tag)
    if before and before["Id"] != identity and not (before.get("RepoTags") or [])[1:]:
        job.engine.remove_image(before["Id"])
    job.engine.untag(making_tag(job))


def held_tag(job: Job, name: str) -> str:
    """The tag that holds a finished image of this checkout, whatever happens to its own tags."""
    return f"slimtasks.local/held/{name}:{checkout_key(job.engine.checkout)}"
