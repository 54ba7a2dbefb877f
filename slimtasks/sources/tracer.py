"""Gets the tracer image into the engine: one that the repo declares, or the one shipped with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.sources.held import HELD
from slimtasks.trace.tracer_image import packaged, sources_digest

if TYPE_CHECKING:  # it imports much, and the graph is made without an engine
    from slimtasks.engine.client import Engine

TRACER = "tracer"
"""What the repo of slimtasks itself calls the image."""


def tracer_id(job: Job) -> str:
    """The engine's id of the tracer image."""
    return job.built(TRACER) if TRACER in job.images else shipped_tracer(job.engine)


def shipped_tracer(engine: Engine) -> str:
    """The engine's id of the one that is shipped with the package; loads it if need be."""
    architecture = engine.info.architecture
    shipped = packaged(architecture)
    if shipped is None:
        raise SlimError(
            f"this installation of slimtasks has no tracer image for {architecture}",
            "install the wheel that `./run wheel` makes in a checkout of slimtasks on such a machine",
        )
    tag = f"{HELD}{TRACER}:{sources_digest()[:16]}"
    found = engine.inspect_image(tag)
    if found:
        return str(found["Id"])
    identity = engine.load(shipped)
    engine.tag(identity, tag)
    return identity
