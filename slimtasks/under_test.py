"""Starts an image, fat or slim, for tests of somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from slimtasks import fatfiles
from slimtasks.errors import EngineError, SlimError
from slimtasks.job import Job, result_file
from slimtasks.proving import workload_on
from slimtasks.session import Session
from slimtasks.sources.tracer import tracer_id
from slimtasks.spec.model import From, Image
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.runner import running

FAT = "@fat"  # behind a name: what that image is cut out of


@contextmanager
def started(
    root: Path, environ: Mapping[str, str], name: str, say: Callable[[str], None]
) -> Iterator[Mapping[str, str]]:
    """The image called `name`, started as its spec in the checkout at `root` says, with the services that it needs.

    The variables tell of the container as those of `host` and `pytest` steps do.
    `name` is a declared image that is built, with FAT behind it for the fat one; or any image of the engine, which is
    started as it says itself. SlimError where there is no such image, or where it does not start.
    """
    session = Session(root, environ, say)
    with session.alone():
        job, identity, slim = _found(session, name, say)
        tracer = "" if session.engine.info.local else tracer_id(job)
        workload = workload_on(job, identity, job.image.workload, fat_id=identity, tracer=tracer, customised=slim)
    try:
        with running(job.engine, PlainLauncher(job.engine), workload) as trial:
            yield trial.told()
    finally:
        with suppress(EngineError):
            job.engine.release()


def _found(session: Session, name: str, say: Callable[[str], None]) -> tuple[Job, str, bool]:
    """The job of that name, the engine's id of the image, and whether it has what `add:` brings."""
    bare = name.removesuffix(FAT)
    declared = session.by_name.get(bare)
    if declared is None and name == bare:
        image = Image(source=From(image=name), name="image", tags=(name,))
        found = session.engine.inspect_image(name)
        if not found:
            known = ", ".join(sorted(session.by_name))
            raise SlimError(f"neither this repo nor the engine has an image {name}", f"images of this repo: {known}")
        return _job(session, image, say), str(found["Id"]), True
    if declared is None:
        raise SlimError(f"this repo has no image {bare}", f"it has {', '.join(sorted(session.by_name))}")
    job = _job(session, declared, say)
    fat = name != bare and declared.kind == "slim"
    if not (job.files.fat if fat else result_file(session.workspace, declared)).is_file():
        raise SlimError(f"{name} is not built", f"doit {bare}")
    return job, fatfiles.fat(job.files).id if fat else job.built(bare), not fat


def _job(session: Session, image: Image, say: Callable[[str], None]) -> Job:
    first = image.by_scenario[0]
    return Job(first, session.by_name, session.workspace, session.engine, session.environ, say, say)
