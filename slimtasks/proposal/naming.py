"""How an image is called here that has a name elsewhere."""

from __future__ import annotations

import re

from slimtasks.errors import SlimError
from slimtasks.spec.names import TAG, is_tag, name_problem

_IDENTITY = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
_CHOOSE = "choose one: `--name NAME`"


def is_identity(reference: str) -> bool:
    """Whether it looks like an image's id instead of a name."""
    return bool(_IDENTITY.fullmatch(reference))


def name_of(written: str) -> str:
    """The folder below images/ for what is called so elsewhere: 'app' of 'host:5000/team/app:1.2'.

    SlimError where that is no name for an image here.
    """
    last = written.partition("@")[0].rpartition("/")[2].partition(":")[0]
    name = re.sub(r"[._-]*[^a-z0-9._-]+[._-]*", "-", last.lower()).strip("._-")
    checked(name, f"{written} has no name that an image can have here")
    return name


def checked(name: str, what: str) -> None:
    """SlimError where no image can have the name."""
    if problem := name_problem(name):
        raise SlimError(f"{what}: {problem}", _CHOOSE)


def tag_of(name: str, written: str) -> str:
    """The slim image's tag, with the version that the fat one has: never a tag that anybody else gives."""
    version = written.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return f"{name}-slim:{version}" if re.fullmatch(TAG, version) else f"{name}-slim:latest"


def check_reference(written: str) -> None:
    """SlimError where the words are neither an image's name nor its id."""
    reference, _, digest = written.partition("@")
    if not (is_tag(reference) or is_identity(reference)) or (
        digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    ):
        raise SlimError(
            f"{written} is neither an image's name, nor a Dockerfile, nor a folder with one",
            "names are as in `docker run`: nginx, nginx:1.25, registry.example:5000/team/app",
        )
