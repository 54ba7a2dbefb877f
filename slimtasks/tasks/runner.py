"""doit's runner, but for runs that are interrupted, killed, or two at once."""

from __future__ import annotations

import sqlite3
from typing import Any

from doit import runner
from doit.dependency import Dependency
from doit.exceptions import InvalidCommand, UnmetDependency

from slimtasks.errors import SlimError, of_system
from slimtasks.interrupt import check
from slimtasks.progress import PROGRESS, Unmet
from slimtasks.session import Session


class Runner(runner.Runner):  # type: ignore[misc]  # doit has no types
    """Runs the tasks of one session while no other run is at work in its checkout."""

    def __init__(self, session: Session, *args: Any) -> None:
        super().__init__(*args)
        self.dep_manager: Any
        self._session = session
        self._now = ""  # the task that is being run

    def run_all(self, task_dispatcher: Any) -> int:
        """The exit code of doit: 1 where a task failed, or the run was interrupted."""
        try:
            with self._session.alone():
                for note in self._session.repo.notes:
                    PROGRESS.line(note)
                status = int(super().run_all(task_dispatcher))
                check()
                return status
        except KeyboardInterrupt:
            where = f" in {self._now}" if self._now else ""
            PROGRESS.line(f"\ninterrupted{where}; what was finished is kept, and the same command goes on from there")
            return int(runner.FAILURE)
        except (OSError, sqlite3.Error) as error:
            failure = of_system(error) if isinstance(error, OSError) else _unwritten(self.dep_manager.name, error)
            PROGRESS.line(f"\ncannot go on: {failure}".replace("\n  ->", "\n    ->"))
            return int(runner.FAILURE)

    def execute_task(self, task: Any) -> Any:
        """Notes which one it is."""
        check()
        self._now = task.name if task.actions else ""
        return super().execute_task(task)

    def process_task_result(self, node: Any, base_fail: Any) -> None:
        """Writes the state down, which doit does at the end of the run only, so that a killed one loses it."""
        super().process_task_result(node, base_fail)
        self._now = ""
        if not node.task.targets:
            return
        before = self.dep_manager
        before.close()
        backend = before.backend
        self.dep_manager = Dependency(before.db_class, before.name, type(before.checker), codec_cls=type(backend.codec))

    def _handle_task_error(self, node: Any, base_fail: Any) -> None:
        """A task that was not run, since one that it needs failed, is to doit an error of its own (exit code 2)."""
        unmet = isinstance(base_fail, UnmetDependency)
        super()._handle_task_error(node, Unmet(base_fail.message) if unmet else base_fail)


def _unwritten(path: str, error: Exception) -> SlimError:
    """The error for doit's own note of what is up to date."""
    hint = "make room on its disk, or see whose it is (`ls -l`); removed, it is made anew, and all stages run once more"
    return SlimError(f"cannot write {path}: {error}", hint)


class NoParallelRunner:
    """What `doit -n` gets: the tasks of one checkout share its engine, its lock and its terminal."""

    def __init__(self, *args: Any) -> None:
        raise InvalidCommand("-n: the tasks of images run one at a time; leave -n out")

    @staticmethod
    def available() -> bool:
        """Whether doit may use it rather than threads."""
        return True
