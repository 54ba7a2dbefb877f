"""What doit calls: runs a stage, cleans it, writes the report; only here does an error become a failed task."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import Any

from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.progress import PROGRESS
from slimtasks.records import read_json, write_json
from slimtasks.session import Session
from slimtasks.spec import Image


def run_stage(stage: str, image: Image, session: Session) -> Any:
    """Runs slimtasks.stages.<stage>; doit gets its one-line summary and the seconds it took."""
    from doit.exceptions import TaskFailed

    if session.interrupted:
        return TaskFailed("not run: interrupted")
    began = time.monotonic()
    try:
        job = Job(image, session.by_name, session.workspace, session.engine, session.environ, PROGRESS)
        summary = import_module(f"slimtasks.stages.{stage}").run(job)
    except SlimError as error:
        return TaskFailed(str(error))
    except OSError as error:
        return TaskFailed(_system_error(error))
    except KeyboardInterrupt:
        session.interrupted = True
        return TaskFailed("interrupted")
    seconds = round(time.monotonic() - began, 3)
    _note_cost(session.workspace.image(image.name).costs, stage, seconds)
    return {"summary": summary, "seconds": seconds}


def _system_error(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"


def _note_cost(path: Path, stage: str, seconds: float) -> None:
    costs = read_json(path) if path.exists() else {}
    write_json(path, {**costs, stage: seconds})


def write_report(session: Session) -> dict[str, Any]:
    """Writes build/report.json, and shows it as a table."""
    from slimtasks.stages import report

    rows = report.rows(session.workspace, session.repo.images)
    report.write(session.workspace, rows)
    PROGRESS.line(f"\n{report.table(rows)}")
    return {}


def clean_stage(image: Image, targets: list[Path], session: Session, dryrun: bool) -> None:
    """Removes a stage's files, and the image in the engine that they name."""
    from slimtasks.stages import clean

    for line in clean.run(session.workspace, session.repo.images, image, targets, lambda: session.engine, dryrun):
        PROGRESS.line(line)
