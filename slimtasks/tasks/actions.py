"""What doit calls: runs a stage, cleans it, writes the report; only here does an error become a failed task."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from slimtasks import costs
from slimtasks.costs import Meter
from slimtasks.errors import SlimError, of_system
from slimtasks.job import Job, files_of
from slimtasks.progress import PROGRESS, Unmet
from slimtasks.session import Session
from slimtasks.spec import Image


def run_stage(stage: str, image: Image, session: Session, dependencies: list[str]) -> Any:
    """Runs slimtasks.stages.<stage>; doit gets its one-line summary and the seconds it took.

    Until it went well a mark stands in the image's folder: what a dead or failed run wrote may be half of it.
    """
    from doit.exceptions import TaskFailed

    if session.engine_gone:
        return Unmet("the engine is gone")
    files = files_of(session.workspace, image)
    unfinished = files.unfinished(stage)
    meter = Meter(session.clock)
    try:
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        before = _stamps(dependencies)
        summary = import_module(f"slimtasks.stages.{stage}").run(_job(image, session))
        changed = sorted(path for path, stamp in _stamps(dependencies).items() if stamp != before[path])
        if changed:  # doit takes it for what was read, so the mark has to stay
            PROGRESS.line(f"{changed[0]} changed while {stage}:{image.name} ran: it will run again the next time")
        else:
            unfinished.unlink()
        cost = meter.read()
        costs.note(files, stage, cost)
    except (SlimError, OSError) as error:
        if stage != "verify":  # which writes its own; an older one says nothing of what there is no image of
            files.junit.unlink(missing_ok=True)
        cause = of_system(error) if isinstance(error, OSError) else session.cause_of(error)
        return TaskFailed(str(cause))
    return {"summary": summary, "seconds": cost["seconds"]}


def _job(image: Image, session: Session) -> Job:
    workspace, fetched = session.workspace, session.fetched.get(image.name)
    return Job(image, session.by_name, workspace, session.engine, session.environ, PROGRESS, PROGRESS.note, fetched)


def _stamps(paths: list[str]) -> dict[str, tuple[int, int]]:
    """What tells that a file was written to: its size and mtime."""
    states = {path: Path(path).stat() for path in paths}
    return {path: (state.st_size, state.st_mtime_ns) for path, state in states.items()}


def write_report(session: Session) -> Any:
    """Shows the images as a table, and writes build/report.json."""
    from doit.exceptions import TaskFailed

    from slimtasks.stages import report

    rows = report.rows(session.workspace, session.repo, time.time())
    if rows:
        PROGRESS.line(f"\n{report.table(rows)}")
    try:
        report.write(session.workspace, rows)
    except OSError as error:
        return TaskFailed(str(of_system(error)))
    return {}


def run_relayer(session: Session, yes: bool) -> Any:
    """Plans the shared layers, and writes images/layers.lock where `yes` was said."""
    from slimtasks.operations.relayering import relayer

    return _told(lambda: relayer(session.workspace, session.repo, session.environ, PROGRESS.line, write=yes))


def run_reproducible(image: Image, session: Session) -> Any:
    """Makes the image once more; fails where it comes out otherwise."""
    from slimtasks.operations.reproducing import verify_reproducible

    return _with_engine(session, lambda: verify_reproducible(_job(image, session)))


def run_repair(image: Image, session: Session, write: bool) -> Any:
    """Finds the lines that make the image pass, and adds them to its spec where `write` was said."""
    from slimtasks.repair.repairing import repair

    result: dict[str, bool] = {}

    def repaired() -> str:
        found = repair(_job(image, session), write=write)
        result.update(written=found.written, proposed=not (found.written or found.passes))
        return found.told

    told = _with_engine(session, repaired)
    return {**told, **result} if isinstance(told, dict) else told


def run_update(image: Image, session: Session) -> Any:
    """Fetches what the image needs; notes the packages that it and those that use it have before that."""
    from slimtasks.inputs import users
    from slimtasks.operations.updating import update, versions

    for one in (image, *users(image, session)):
        if one.name not in session.before:
            session.before[one.name] = versions(session.workspace, one)

    def fetched() -> str:
        source, summary = update(_job(image, session))
        session.forget_images()
        if source:
            session.fetched[image.name] = source
        return summary

    return _with_engine(session, fetched)


def tell_changes(image: Image, session: Session) -> Any:
    """Says which packages of the image are others than before the update."""
    from slimtasks.operations.updating import changes, versions

    began = time.monotonic()
    summary = changes(session.before.get(image.name), versions(session.workspace, image))
    return {"summary": summary, "seconds": time.monotonic() - began}


def run_push(image: Image, session: Session, to: str) -> Any:
    """Sends the image to a registry, or writes it down; no engine is asked for it."""
    from slimtasks.operations.pushing import send

    return _told(lambda: send(session.workspace, image, to, session.environ, PROGRESS.line))


def _with_engine(session: Session, work: Callable[[], str]) -> Any:
    """The same as `_told`, of work that asks the engine."""
    return Unmet("the engine is gone") if session.engine_gone else _told(work, session.cause_of)


def _told(work: Callable[[], str], cause_of: Callable[[SlimError], SlimError] = lambda error: error) -> Any:
    """What doit gets of work that is no stage: its one-line summary and the seconds it took."""
    from doit.exceptions import TaskFailed

    began = time.monotonic()
    try:
        summary = work()
    except SlimError as error:
        return TaskFailed(str(cause_of(error)))
    except OSError as error:
        return TaskFailed(str(of_system(error)))
    return {"summary": summary, "seconds": time.monotonic() - began}


def clean_stage(image: Image, targets: list[Path], session: Session, dryrun: bool) -> None:
    """Removes a stage's files, and the image in the engine that they name."""
    from slimtasks.operations import cleaning

    with session.alone():
        for line in cleaning.clean(session, image, targets, dryrun):
            PROGRESS.line(f"    {line}")
