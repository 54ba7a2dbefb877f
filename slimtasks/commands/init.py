"""doit init: writes the first spec of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from doit import doit_cmd
from doit.exceptions import InvalidCommand

from slimtasks.commands.options import OptionsAnywhere


def _option(name: str, help: str) -> dict[str, Any]:
    return {"name": name, "long": name, "type": str, "default": "", "help": help}


class Init(OptionsAnywhere):
    """Needs no dodo.py: it writes one where there is none."""

    doc_purpose = "write images/NAME/image.yaml for an image, with a first workload and questions; then `doit` works"
    doc_usage = (
        "IMAGE|DOCKERFILE|FOLDER|COMPOSEFILE:SERVICE [--name NAME] [--context FOLDER] [VARIABLE=VALUE...] "
        "[[--] COMMAND...]"
    )
    doc_description = (
        "Gets the image, or builds it, and starts it once, with the VARIABLEs and the COMMAND if there are any, a "
        "service with those that it depends on: what listens is asked by HTTP and TCP, a command without ports for its "
        "version. Nothing is overwritten."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (
        _option(
            "name",
            "how it is called here, and below images/; else as the image, the Dockerfile's folder or the service",
        ),
        _option("context", "of a Dockerfile; else the folder that it lies in"),
    )

    def execute(self, opt_values: dict[str, Any], pos_args: list[str]) -> int:
        import os
        import sys

        from slimtasks.errors import SlimError, of_system
        from slimtasks.operations.proposing import propose
        from slimtasks.progress import PROGRESS
        from slimtasks.proposal.wish import Wish

        if not pos_args:
            raise InvalidCommand("init: say of what, for example: doit init nginx:1.25")
        words, variables = whole_command(pos_args, doit_cmd._CMDLINE_VARS or {}, sys.argv)
        wish = Wish(words[0], opt_values["name"], opt_values["context"], tuple(words[1:]), variables)
        try:
            propose(wish, os.environ, PROGRESS, PROGRESS.line)
        except SlimError as error:
            raise InvalidCommand(f"init: {error}") from None
        except OSError as error:
            raise InvalidCommand(f"init: {of_system(error)}") from None
        except KeyboardInterrupt:
            PROGRESS.line("\ninterrupted; nothing was written")
            return 1
        return 0


def whole_command(
    words: Sequence[str], variables: Mapping[str, str], typed: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """The words and the variables, without what doit took for variables behind `--`: there, a=b is a word."""
    last = list(typed[typed.index("--") + 1 :]) if "--" in typed else []
    taken = {word for word in last if "=" in word and not word.startswith("-")}
    first = words[: len(words) - len([word for word in last if word not in taken])]
    return [*first, *last], {name: value for name, value in variables.items() if f"{name}={value}" not in taken}
