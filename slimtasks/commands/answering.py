"""What the commands that only answer have in common: they read build/, run nothing and change nothing."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from slimtasks.commands.options import OptionsAnywhere

if TYPE_CHECKING:
    from slimtasks.session import Session

AS_JSON = {"name": "as_json", "long": "json", "type": bool, "default": False, "help": "print JSON, for scripts"}


def most(number: int) -> dict[str, Any]:
    """The option for how many lines of a list are shown."""
    text = f"how many lines of each list are shown, 0 for all [default: {number}]"
    return {"name": "most", "short": "n", "type": int, "default": number, "help": text}


class Answering(OptionsAnywhere, DoitCmdBase):  # type: ignore[misc]  # doit has no types
    """Asks `answer`, and prints what it says."""

    def answer(self, session: Session, words: list[str], options: dict[str, Any]) -> tuple[Any, str, Iterable[str]]:
        """The answer as a dataclass, in words, and the names of the images that it is about; raises SlimError."""
        raise NotImplementedError

    def respond(self, words: list[str], **options: Any) -> int:
        """Prints the answer; the exit code."""
        from slimtasks.errors import SlimError, of_system
        from slimtasks.session import Session

        gc.disable()  # tens of thousands of records are made, and none is dropped before the end
        try:
            session = Session(Path(), os.environ, lambda line: None)
            answer, text, names = self.answer(session, words, options)
            notes = self._stale(session, names)
        except SlimError as error:
            raise InvalidCommand(str(error)) from None
        except OSError as error:
            raise InvalidCommand(str(of_system(error))) from None
        for note in notes:
            sys.stderr.write(f"{note}\n")
        return _write(_as_json(answer) if options["as_json"] else text)

    def _stale(self, session: Session, names: Iterable[str]) -> list[str]:
        """A line for each image that doit would make anew."""
        from slimtasks.tasks.staleness import stale

        tasks = {task.name: task for task in self.task_list}
        found = ((name, stale(name, session, tasks, self.dep_manager)) for name in dict.fromkeys(names))
        return [
            f"build/{name} is older than what it is made of: {task} would run again; `doit {name}` makes it anew"
            for name, task in found
            if task
        ]


def _as_json(answer: Any) -> str:
    from dataclasses import asdict

    return json.dumps(asdict(answer), indent=1)


def _write(text: str) -> int:
    """Bytes that are not UTF-8 go out as they came; a reader that goes, as behind `| head`, has seen enough."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "surrogateescape"))
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return 0


def slim_image(session: Session, command: str, name: str) -> Any:
    """The declared slim image; SlimError with what was meant where there is none of that name."""
    from slimtasks.errors import SlimError
    from slimtasks.spec.suggest import choice

    slim = [image.name for image in session.by_name.values() if image.kind == "slim"]
    if name in slim:
        return session.by_name[name]
    if name in session.by_name:
        kind = session.by_name[name].kind
        raise SlimError(f"{command}: {name} is of kind {kind}, nothing is selected in it", choice(slim))
    raise SlimError(f"{command}: no image is called {name}", choice(slim, name))
