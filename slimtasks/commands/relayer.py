"""doit relayer: plans the layers that images share, and writes images/layers.lock."""

from __future__ import annotations

from typing import Any, ClassVar

from doit.cmd_run import Run, opt_outfile, opt_reporter, opt_verbosity
from doit.exceptions import InvalidCommand

_YES = {"name": "yes", "long": "yes", "type": bool, "default": False, "help": "write it"}


class Relayer(Run):  # type: ignore[misc]  # doit has no types
    """Runs the task behind the command."""

    doc_purpose = "say which layers the images could share, and with --yes write images/layers.lock, to be committed"
    doc_usage = ""
    doc_description = (
        "Plans over what is in build/, and says which files move, whose digests change and what it saves. "
        "Only this command changes the plan: an image that is added later uses the layers that it has all of, "
        "and leaves those of the others alone."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (_YES, opt_verbosity, opt_reporter, opt_outfile)

    def _execute(self, outfile: Any, verbosity: Any, reporter: Any, yes: bool, pos_args: list[str]) -> int:
        if pos_args:
            raise InvalidCommand(f"relayer: found {' '.join(pos_args)!r}; allowed: no names, it plans for all images")
        self.sel_tasks = ["_relayer", *(["--yes"] if yes else [])]
        return int(super()._execute(outfile, verbosity, continue_=True, reporter=reporter))
