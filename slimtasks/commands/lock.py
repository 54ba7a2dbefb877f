"""doit lock: writes images/NAME/trace.lock.jsonl."""

from __future__ import annotations

from typing import Any, ClassVar

from doit.cmd_run import Run, opt_outfile, opt_reporter, opt_verbosity
from doit.exceptions import InvalidCommand

_TASK = "_lock"


class Lock(Run):  # type: ignore[misc]  # doit has no types
    """Runs the task behind the command, and those that it needs."""

    doc_purpose = "write images/NAME/trace.lock.jsonl, to be committed: with it, NAME is not traced any more"
    doc_usage = "NAME..."
    doc_description = (
        "Traces the image as it is now, unless the same was traced before, whatever its lock says. "
        "Without that file, it is traced whenever something changes that the trace depends on."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (opt_verbosity, opt_reporter, opt_outfile)

    def _execute(self, outfile: Any, verbosity: Any, reporter: Any, pos_args: list[str]) -> int:
        there = {task.name.partition(":")[2] for task in self.task_list if task.name.startswith(f"{_TASK}:")}
        unknown = [name for name in pos_args if name not in there]
        if unknown or not pos_args:
            what = f"{', '.join(unknown)}: not an image that is traced;" if unknown else "which image?"
            raise InvalidCommand(f"lock: {what} allowed: {', '.join(sorted(there))}")
        self.sel_tasks = [f"{_TASK}:{name}" for name in pos_args]
        return int(super()._execute(outfile, verbosity, continue_=True, reporter=reporter))
