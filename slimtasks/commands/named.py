"""Commands that run a task behind them for each image that they are given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from doit.cmd_run import Run, opt_outfile, opt_reporter, opt_verbosity
from doit.exceptions import InvalidCommand

from slimtasks.spec.suggest import choice


class RunNamed(Run):  # type: ignore[misc]  # doit has no types
    """Runs `_COMMAND:NAME` for each NAME, and the tasks that it needs."""

    named: ClassVar[str]  # what an image has to be
    doc_usage = "NAME..."
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (opt_verbosity, opt_reporter, opt_outfile)

    def _execute(self, outfile: Any, verbosity: Any, reporter: Any, pos_args: list[str]) -> int:
        return self._run(outfile, verbosity, reporter, pos_args)

    def _run(
        self, outfile: Any, verbosity: Any, reporter: Any, pos_args: list[str], options: Sequence[str] = ()
    ) -> int:
        """`options`: of each of the tasks."""
        command = self.get_name()
        there = {task.name.partition(":")[2] for task in self.task_list if task.name.startswith(f"_{command}:")}
        unknown = [name for name in pos_args if name not in there]
        if unknown or not pos_args:
            what = f"{', '.join(unknown)}: not {self.named};" if unknown else "which image?"
            raise InvalidCommand(f"{command}: {what} {choice(there, next(iter(unknown), ''))}")
        self.sel_tasks = [word for name in pos_args for word in (f"_{command}:{name}", *options)]
        return int(Run._execute(self, outfile, verbosity, continue_=True, reporter=reporter))
