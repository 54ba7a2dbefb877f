"""doit verify-reproducible: makes an image once more, and compares."""

from __future__ import annotations

from typing import Any, ClassVar

from doit.cmd_run import Run, opt_outfile, opt_reporter, opt_verbosity
from doit.exceptions import InvalidCommand

_TASK = "_verify-reproducible"


class VerifyReproducible(Run):  # type: ignore[misc]  # doit has no types
    """Runs the task behind the command, and those that it needs."""

    name = "verify-reproducible"
    doc_purpose = "make NAME once more from its trace under other circumstances, and say whether the same comes out"
    doc_usage = "NAME..."
    doc_description = (
        "Selects, packs and writes the image again: in another folder and with another umask, locale, time zone and "
        "hash seed. Nothing is traced for it, and nothing of it stays. Ends with 1 where config, manifest or layers "
        "have other digests than in build/NAME, and says which paths and fields differ."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (opt_verbosity, opt_reporter, opt_outfile)

    def _execute(self, outfile: Any, verbosity: Any, reporter: Any, pos_args: list[str]) -> int:
        there = {task.name.partition(":")[2] for task in self.task_list if task.name.startswith(f"{_TASK}:")}
        unknown = [name for name in pos_args if name not in there]
        if unknown or not pos_args:
            what = f"{', '.join(unknown)}: not a slim image;" if unknown else "which image?"
            raise InvalidCommand(f"verify-reproducible: {what} allowed: {', '.join(sorted(there))}")
        self.sel_tasks = [f"{_TASK}:{name}" for name in pos_args]
        return int(super()._execute(outfile, verbosity, continue_=True, reporter=reporter))
