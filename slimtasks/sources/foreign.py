"""The images that a source is made of and that are not of this repo: what is known of them, and newer ones."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from slimtasks.ages import read_fetched
from slimtasks.engine.failure import Gone
from slimtasks.errors import EngineError, SlimError
from slimtasks.job import Fetched, Job
from slimtasks.oci.config import seconds
from slimtasks.registry.reference import Reference, parse
from slimtasks.spec import Image
from slimtasks.spec.dockerfile import image_names

_FIRST = seconds("2013-03-20T00:00:00Z")  # Docker's first release: an older image has no date, see reproducible builds
_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}")


def foreign_names(image: Image) -> tuple[str, ...]:
    """As the spec, or the Dockerfile, writes them; sorted."""
    source, declared = image.source, {written for written, _ in image.references}
    named = {source.image} if source.image else set[str]()
    if source.dockerfile:
        named.update(image_names(source.dockerfile.read_text(), source.args, source.target))
    return tuple(sorted(named - declared))


def described(job: Job) -> tuple[Fetched, ...]:
    """What the engine has of them; of those that only its builder has, that they were fetched now."""
    before = {one.name: one for one in read_fetched(job.files) or ()}
    return tuple(_described(job, name, before.get(name)) for name in foreign_names(job.image))


def _described(job: Job, name: str, before: Fetched | None) -> Fetched:
    """The date when it was made or, where it has none, since when it is what is taken."""
    found = job.engine.inspect_image(name)
    now = int(time.time())
    if not found:
        return Fetched(name, now, "fetched")
    identity, digest, created = str(found["Id"]), _digest(found, name), _created(found)
    if created >= _FIRST:
        return Fetched(name, created, "created", identity, digest)
    return Fetched(name, before.date if before and before.id == identity else now, "fetched", identity, digest)


def renew(job: Job, name: str) -> str:
    """Pulls the image where its registry has another one of that name; what was found, in words.

    EngineError where the registry cannot be asked: the engine then has the same as before.
    """
    found = job.engine.inspect_image(name)
    if "@" in name or (found and _ID.fullmatch(name) and name.removeprefix("sha256:") in found["Id"]):
        return f"{name} is no tag that could move"
    if job.image.source.image and job.image.source.pull_policy == "never":
        return f"{name} stays as the engine has it (pull_policy: never)"
    if not found and job.image.source.dockerfile:
        return f"{name} as its registry has it now"  # a builder asks there for what the engine lacks
    old = _digest(found, name) if found else ""
    if found and not old:
        return f"{name} is only in the engine, no registry gave it"
    try:
        job.engine.pull(name, platform=job.image.run.platform, progress=job.say)
    except Gone:
        raise
    except EngineError as error:
        raise EngineError(f"{job.image.name}: {error.what}", f"nothing was changed; {error.hint}") from error
    return _pulled(job, name, old)


def _pulled(job: Job, name: str, old: str) -> str:
    """From the digest that the image is made of, else the engine had, to the one that it has now."""
    new = _digest(job.engine.inspect_image(name) or {}, name)
    known = {one.name: one.digest for one in read_fetched(job.files) or ()}
    was = known.get(name) or old
    if was in ("", new):
        return f"{name} is {_short(new)}"
    return f"{name}: {_short(was)} -> {_short(new)}"


def _digest(found: Mapping[str, Any], name: str) -> str:
    """The manifest's, by which the registry that `name` means gave it; empty where it did not."""
    for one in found.get("RepoDigests") or ():
        repository, _, digest = one.partition("@")
        with suppress(SlimError):  # what is no name, as '<none>'
            if _place(repository) == _place(name):
                return str(digest)
    return ""


def _place(name: str) -> tuple[str, str]:
    place: Reference = parse(name.partition("@")[0])
    return place.host, place.repository


def _short(digest: str) -> str:
    return digest[: len("sha256:") + 12]


def _created(found: Mapping[str, Any]) -> int:
    """Seconds since 1970; 0 where it does not say."""
    text = str(found.get("Created") or "")[: len("2026-11-24T00:00:00")]
    try:
        return seconds(f"{text}Z")
    except ValueError:
        return 0
