"""The images of the containers that are not under test: those of `client` steps and of services."""

from __future__ import annotations

from collections.abc import Mapping

from slimtasks.engine.client import Engine
from slimtasks.engine.failure import Gone
from slimtasks.errors import EngineError
from slimtasks.spec.host_files import other_foreign
from slimtasks.spec.model import Image
from slimtasks.workload.failure import StepFailed


def other_image(engine: Engine, image: Image, declared: Mapping[str, str], reference: str) -> str:
    """The id of an image of this repo (`declared`: as the spec writes it -> id), one that the engine has, or pulls.

    `image`: the one whose spec says so. StepFailed where it cannot be had.
    """
    if reference in declared:
        return declared[reference]
    found = engine.inspect_image(reference)
    if found:
        return str(found["Id"])
    if reference in image.never_pulled:
        what = f"{reference} is not in the engine, and pull_policy: never"
        raise StepFailed(what, hint="`docker pull` or `docker load` it, or take the pull_policy out")
    try:
        return engine.pull(reference, other_foreign(image, image.all_steps(checks=True)).get(reference, ""))
    except Gone:
        raise
    except EngineError as error:
        raise StepFailed(error.what, hint=error.hint) from error
