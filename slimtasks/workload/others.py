"""The images of the containers that are not under test: those of `client` steps and of services."""

from __future__ import annotations

from collections.abc import Mapping

from slimtasks.engine.client import Engine
from slimtasks.engine.failure import Gone
from slimtasks.errors import EngineError
from slimtasks.workload.failure import StepFailed


def other_image(engine: Engine, declared: Mapping[str, str], reference: str) -> str:
    """The id of an image of this repo (`declared`: as the spec writes it -> id), one that the engine has, or pulls.

    StepFailed where it cannot be had.
    """
    if reference in declared:
        return declared[reference]
    found = engine.inspect_image(reference)
    if found:
        return str(found["Id"])
    try:
        return engine.pull(reference)
    except Gone:
        raise
    except EngineError as error:
        raise StepFailed(error.what, hint=error.hint) from error
