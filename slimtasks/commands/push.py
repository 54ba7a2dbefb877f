"""doit push: sends images to a registry."""

from __future__ import annotations

from typing import Any, ClassVar

from doit.exceptions import InvalidCommand

from slimtasks.commands.named import RunNamed
from slimtasks.commands.options import OptionsAnywhere

_TO = {
    "name": "to",
    "long": "to",
    "type": str,
    "default": "",
    "help": "REPOSITORY[:TAG] instead of the image's own tags; or oci:PATH, an OCI layout: a folder, or a .tar",
}


class Push(OptionsAnywhere, RunNamed):
    """Runs the task behind the command, and those that it needs."""

    named = "a slim or base image"
    doc_purpose = "send NAME to the registry that its tags name, with its bills of materials: only what that lacks"
    doc_usage = "NAME... [--to PLACE]"
    doc_description = (
        "Builds and verifies what is not up to date, then sends layers, config and manifest. Says the digest, "
        "which is the same wherever and whenever the image is made; --to oci:PATH tells it without a registry. "
        "Credentials come from Docker's config and its helpers."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (_TO, *RunNamed.cmd_options)

    def _execute(  # type: ignore[override]  # doit gives what it names
        self, outfile: Any, verbosity: Any, reporter: Any, to: str, pos_args: list[str]
    ) -> int:
        if to and len(pos_args) > 1:
            raise InvalidCommand(f"push: --to {to}: one NAME goes there; found {' '.join(pos_args)}")
        return self._run(outfile, verbosity, reporter, pos_args, ["--to", to] if to else [])
