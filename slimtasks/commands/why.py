"""doit why: why a path is in a slim image, or why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from doit import doit_cmd
from doit.exceptions import InvalidCommand

from slimtasks.commands.answering import AS_JSON, Answering, most, slim_image

if TYPE_CHECKING:
    from slimtasks.session import Session


class Why(Answering):
    """Answers from build/NAME."""

    doc_purpose = "say why a path is in a slim image, or which line of its spec would keep it"
    doc_usage = "NAME PATH"
    doc_description = (
        "PATH is a file, a directory, or a pattern as in a spec (in quotes: '/usr/lib/**/*.so'). Symlinks are "
        "followed. Nothing is run, and no engine is asked."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (AS_JSON, most(10))

    def _execute(self, as_json: bool, most: int, pos_args: list[str]) -> int:
        return self.respond(pos_args, as_json=as_json, most=most)

    def answer(self, session: Session, words: list[str], options: dict[str, Any]) -> tuple[Any, str, list[str]]:
        from slimtasks.answers.built import Built
        from slimtasks.answers.why import why
        from slimtasks.answers.why_text import why_text

        taken = (doit_cmd._CMDLINE_VARS or {}).items()  # to doit, a=b sets a variable
        words = [*words, *(f"{name}={value}" for name, value in taken)]
        if len(words) != 2:
            raise InvalidCommand("why: say of which image and path, for example: doit why nginx /etc/passwd")
        found = why(Built(slim_image(session, "why", words[0]), session.workspace), words[1])
        return found, why_text(found, options["most"]), words[:1]
