"""The images that a source is made of and that are not of this repo: what is known of them, and newer ones."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from slimtasks.ages import note_fetched, read_fetched
from slimtasks.engine.failure import Gone
from slimtasks.errors import EngineError, SlimError
from slimtasks.job import Fetched, Job
from slimtasks.oci.config import seconds
from slimtasks.registry.reference import Reference, parse

_FIRST = seconds("2013-03-20T00:00:00Z")  # Docker's first release: an older image has no date, see reproducible builds
_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}")


def described(job: Job, *, fresh: bool = False) -> tuple[Fetched, ...]:
    """What the engine has of them; of those that only its builder has, that they were fetched now.

    `fresh`: newer ones were looked for just now.
    """
    before = {} if fresh else {one.name: one for one in read_fetched(job.files) or ()}
    found = (_described(job, name, before.get(name)) for name in job.image.foreign)
    return tuple(one for one in found if one.id or one.name in job.image.dockerfile_images)


def note_described(job: Job, name: str, identity: str) -> None:
    """Writes down anew what is known of them, where one is another than when the source was obtained."""
    known = read_fetched(job.files)
    if name in job.image.foreign and known is not None and identity not in {one.id for one in known}:
        bootstrap = tuple(one for one in known if one.name not in job.image.bases)
        note_fetched(job.files, (*bootstrap, *described(job)))


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


@dataclass(frozen=True)
class Renewed:
    """What came of asking for a newer image, in words, and whether there was one."""

    told: str
    newer: bool = False


def renew(job: Job, name: str, platform: str, known: Mapping[str, str]) -> Renewed:
    """Pulls the image where its registry has another one of that name.

    `known`: the digests of those that were taken, by name. EngineError where the registry cannot be asked: the engine
    then has the same as before.
    """
    found = job.engine.inspect_image(name)
    old = _digest(found, name) if found else ""
    kept = _why_not(job, name, found, old)
    if kept:
        return Renewed(f"{name} {kept}")
    try:
        job.engine.pull(name, platform=platform, progress=job.say)
    except Gone:
        raise
    except EngineError as error:
        raise EngineError(f"{job.image.name}: {error.what}", f"nothing was changed; {error.hint}") from error
    return _pulled(job, name, known.get(name) or old)


def _why_not(job: Job, name: str, found: Mapping[str, Any] | None, digest: str) -> str:
    """Why no registry is asked for the image, in words; empty where one is."""
    if "@" in name or (found and _ID.fullmatch(name) and name.removeprefix("sha256:") in found["Id"]):
        return "is no tag that could move"
    if name in job.image.never_pulled:
        return "stays as the engine has it (pull_policy: never)"
    if not found and name in job.image.dockerfile_images:
        return "as its registry has it now"  # a builder asks there for what the engine lacks
    return "is only in the engine, no registry gave it" if found and not digest else ""


def _pulled(job: Job, name: str, was: str) -> Renewed:
    """From the digest that was taken to the one that the engine has now."""
    new = pulled_digest(job, name)
    if was in ("", new):
        return Renewed(f"{name} is {_short(new)}")
    return Renewed(f"{name}: {_short(was)} -> {_short(new)}", newer=True)


def pulled_digest(job: Job, name: str) -> str:
    """The digest of the manifest by which the image that the engine has came from its registry; empty for none."""
    return _digest(job.engine.inspect_image(name) or {}, name)


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
