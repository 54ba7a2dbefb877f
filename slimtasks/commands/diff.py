"""doit diff: in what two images differ, or two traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from doit.exceptions import InvalidCommand

from slimtasks.commands.answering import AS_JSON, Answering, most

if TYPE_CHECKING:
    from slimtasks.session import Session


class Diff(Answering):
    """Answers from build/, from files, or from the engine."""

    doc_purpose = "say in what two images differ, or two traces"
    doc_usage = "A B"
    doc_description = (
        "A and B are images of this repo (NAME, NAME@fat), traces of them (NAME@trace, NAME@lock), files (image.tar, "
        "what `docker save` writes, a trace), or images of the engine by tag or id. Both are images, or both are "
        "traces. An engine is asked only for the last. Dates of files are not compared."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (AS_JSON, most(20))

    def _execute(self, as_json: bool, most: int, pos_args: list[str]) -> int:
        return self.respond(pos_args, as_json=as_json, most=most)

    def answer(self, session: Session, words: list[str], options: dict[str, Any]) -> tuple[Any, str, list[str]]:
        from slimtasks.answers.difference import difference
        from slimtasks.answers.difference_text import difference_text, trace_difference_text
        from slimtasks.answers.sides import TraceSide, TreeSide, sides
        from slimtasks.answers.trace_difference import trace_difference
        from slimtasks.errors import SlimError

        if len(words) != 2:
            raise InvalidCommand("diff: say which two, for example: doit diff before.tar nginx")
        before, after = sides(session, *words)
        names = [name for word in words if (name := word.partition("@")[0]) in session.by_name]
        if isinstance(before, TreeSide) and isinstance(after, TreeSide):
            images = difference(before, after)
            return images, difference_text(images, options["most"]), names
        if isinstance(before, TraceSide) and isinstance(after, TraceSide):
            traces = trace_difference(before, after)
            return traces, trace_difference_text(traces, options["most"]), names
        kinds = {
            word: "a trace" if isinstance(one, TraceSide) else "an image"
            for word, one in zip(words, (before, after), strict=True)
        }
        found = " and ".join(f"{word}, {kind}" for word, kind in kinds.items())
        raise SlimError(f"diff: found {found}", "give two images, or two traces (NAME@trace, NAME@lock)")
