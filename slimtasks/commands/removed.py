"""doit removed: what a slim image has no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from doit.exceptions import InvalidCommand

from slimtasks.commands.answering import AS_JSON, Answering, most, slim_image

if TYPE_CHECKING:
    from slimtasks.session import Session

_FILES = {"name": "files", "long": "files", "type": bool, "default": False, "help": "list files instead of packages"}
_PACKAGE = {"name": "package", "long": "package", "type": str, "default": "", "help": "of this package alone"}


class Removed(Answering):
    """Answers from build/NAME."""

    doc_purpose = "list what a slim image has no longer, by package, largest first"
    doc_usage = "NAME [--files] [--package PACKAGE] [-n NUMBER]"
    doc_description = "Nothing is run, and no engine is asked."
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (AS_JSON, most(20), _FILES, _PACKAGE)

    def _execute(self, as_json: bool, most: int, files: bool, package: str, pos_args: list[str]) -> int:
        return self.respond(pos_args, as_json=as_json, most=most, files=files, package=package)

    def answer(self, session: Session, words: list[str], options: dict[str, Any]) -> tuple[Any, str, list[str]]:
        from slimtasks.answers.built import Built
        from slimtasks.answers.removed import removed
        from slimtasks.answers.removed_text import removed_text

        if len(words) != 1:
            raise InvalidCommand("removed: say of which image, for example: doit removed nginx -n 10")
        image = slim_image(session, "removed", words[0])
        found = removed(Built(image, session.workspace), options["package"])
        files = bool(options["files"] or options["package"])
        toml = image.file.suffix == ".toml"
        return found, removed_text(found, options["most"], files=files, toml=toml), words
