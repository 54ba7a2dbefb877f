"""doit repair: finds the lines that make verify pass, and with --write adds them and goes on."""

from __future__ import annotations

from typing import Any, ClassVar

from doit.cmd_run import Run

from slimtasks.commands.named import RunNamed
from slimtasks.commands.options import OptionsAnywhere

_WRITE = {
    "name": "write",
    "long": "write",
    "type": bool,
    "default": False,
    "help": "add the lines to images/NAME/image.yaml, then make and verify the image with them",
}


class Repair(OptionsAnywhere, RunNamed):
    """Runs the task behind the command, and those that it needs; then, with specs that were written, the images'."""

    named = "an image that is traced"
    doc_purpose = "say which lines of its spec make NAME pass; with --write add them and go on"
    doc_usage = "NAME... [--write]"
    doc_description = (
        "Runs workload and checks on the slim image; where they fail, once more, traced, to see what it lacks of the "
        "fat image, then on images that have it, until they pass; then without what is not needed. Ends with 0 where "
        "the image passes as its spec stands in the end."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (_WRITE, *RunNamed.cmd_options)
    _written: tuple[str, ...] = ()

    def execute(self, params: Any, args: list[str]) -> int:
        """Loads the tasks a second time where a spec was written."""
        status = int(super().execute(params, args))
        if not self._written:
            return status
        self.dep_manager = None
        return max(int(super().execute(params, args)), status)

    def _execute(  # type: ignore[override]  # doit gives what it names
        self, outfile: Any, verbosity: Any, reporter: Any, write: bool, pos_args: list[str]
    ) -> int:
        if self._written:
            self.sel_tasks = [*self._written, "report"]
            return int(Run._execute(self, outfile, verbosity, continue_=True, reporter=reporter))
        status = self._run(outfile, verbosity, reporter, pos_args, ["--write"] if write else [])
        done = {task.name.partition(":")[2]: task.values for task in self.task_list if task.name.startswith("_repair:")}
        self._written = tuple(name for name in pos_args if done[name].get("written"))
        return status or int(any(done[name].get("proposed") for name in pos_args))
