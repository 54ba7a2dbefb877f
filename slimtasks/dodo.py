"""What a repo's dodo.py imports: `from slimtasks.dodo import DOIT_CONFIG, task_images`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from doit import cmd_run
from doit.exceptions import InvalidDodoFile

from slimtasks.errors import SlimError
from slimtasks.interrupt import install
from slimtasks.progress import PROGRESS, Reporter
from slimtasks.workspace import STATE

install()

if not os.access(os.curdir, os.W_OK):  # doit's own words for that are a traceback of sqlite
    raise InvalidDodoFile(
        f"cannot write to {Path.cwd()}, where {STATE} and build/ go\n"
        "  -> see whose it is (`ls -ld`), or work in a copy of it"
    )

_DEFAULT: list[str] = []  # doit takes hold of this list before it asks for the tasks, which fill it

DOIT_CONFIG: dict[str, Any] = {
    "default_tasks": _DEFAULT,
    "continue": True,
    "verbosity": 2,
    "reporter": Reporter,
    "dep_file": STATE,
    "backend": "sqlite3",
}


def task_images() -> Iterator[dict[str, Any]]:
    """The tasks of every image below images/."""
    from slimtasks.session import Session
    from slimtasks.tasks.of_images import all_tasks
    from slimtasks.tasks.runner import NoParallelRunner, Runner

    try:
        session = Session(Path(), os.environ, PROGRESS.line)
        _DEFAULT[:] = [*session.repo.default, "report"]
        cmd_run.Runner = partial(Runner, session)  # doit has no other place to name one
        cmd_run.MRunner = cmd_run.MThreadRunner = NoParallelRunner
        yield from all_tasks(session)
    except SlimError as error:
        raise InvalidDodoFile(str(error)) from None
    except OSError as error:
        hint = "give yourself the right to it, or take it away; nothing has been run"
        raise InvalidDodoFile(f"cannot read {error.filename}: {error.strerror}\n  -> {hint}") from error
