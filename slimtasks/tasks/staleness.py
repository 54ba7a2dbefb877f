"""Whether what stands in build/ is of the sources as they are now, as far as files tell; no engine is asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from copy import copy
from typing import Any

from slimtasks.inputs import asks_files
from slimtasks.session import Session

_ASIDE = ("sbom:", "verify:")  # no answer reads what these write, and who builds on a base need not have its bill


def stale(name: str, session: Session, tasks: Mapping[str, Any], dep_manager: Any) -> str:
    """The first task of the image, or of one that it is made of, that doit would run; empty where there is none."""
    todo, seen = [name], {name}
    chain: list[str] = []
    while todo:
        image = session.by_name[todo.pop()]
        todo += [other for other in image.depends if other not in seen]
        seen.update(image.depends)
        chain[:0] = [task for task in tasks[image.name].task_dep if not task.startswith(_ASIDE)]
    try:
        return next((task for task in chain if _would_run(tasks[task], tasks, dep_manager)), "")
    except sqlite3.Error:  # another run is at work, and writes down what it did
        return ""


def _would_run(task: Any, tasks: Mapping[str, Any], dep_manager: Any) -> bool:
    """doit's own answer, less the checks that ask the engine or the clock."""
    looked_at = copy(task)
    looked_at.uptodate = [check for check in task.uptodate if asks_files(check[0])]
    return bool(dep_manager.get_status(looked_at, tasks).status != "up-to-date")
