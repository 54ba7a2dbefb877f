"""Which lines a repair proposes: those without any of which the image would not pass, in as few trials as possible."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import pytest

from slimtasks.records import ImagePath
from slimtasks.repair.grouping import Part
from slimtasks.repair.lines import Line, Lost
from slimtasks.repair.search import Found, Outcome, search


@dataclass
class App:
    """Has steps; each asks for paths in turn, '?' before what it does without, '!' before what no file helps.

    Where a path is lacking the step fails, and what it asked for in vain until then is told. A path after '-' is one
    that a drop rule took.
    """

    steps: tuple[str, ...]
    tried_sets: list[str] = field(default_factory=list)

    def explained(self, lines: Collection[Line]) -> Outcome:
        there = {line.text for line in lines}
        for number, step in enumerate(self.steps, 1):
            lost: list[Lost] = []
            for word in step.split():
                path = word.lstrip("?!-")
                if word.startswith("!"):
                    return Outcome(f"step {number}", "fails", "no file helps", "", tuple(lost))
                if path not in there:
                    line = Line("drop", path, "image.yaml:1:1") if "-" in word else Line("keep", path)
                    lost.append((ImagePath(path), line))
                    if not word.startswith("?"):
                        return Outcome(f"step {number}", "fails", "asked in vain", "", tuple(lost))
        return Outcome()

    def tried(self, lines: Collection[Line]) -> str:
        self.tried_sets.append(" ".join(sorted(line.text for line in lines)))
        return self.explained(lines).step


def one_each(lost: Iterable[Lost]) -> tuple[Part, ...]:
    return tuple(Part(line, ((path, line),), 1) for path, line in lost)


def told(found: Found) -> str:
    lines = ", ".join(f"{line.key} {line.text}" for line in found.lines)
    return f"{lines or 'none'}; {found.last.step or 'passes'}; rounds {found.rounds}"


@pytest.mark.parametrize(
    ("steps", "expected", "tried"),
    [
        (("",), "none; passes; rounds 0", []),
        (("/a",), "keep /a; passes; rounds 1", []),
        (("/a /b",), "keep /a, keep /b; passes; rounds 2", ["/b"]),
        (("?/noise /a",), "keep /a; passes; rounds 1", ["/noise", "/a"]),
        (("/a", "?/noise /b"), "keep /a, keep /b; passes; rounds 2", None),
        (("?-/noise /a",), "keep /a; passes; rounds 1", ["/a"]),
        (("-/a",), "drop /a; passes; rounds 1", []),
        (("/a -/b",), "drop /b, keep /a; passes; rounds 2", None),
        (("!",), "none; step 1; rounds 0", []),
        (("?/noise !",), "none; step 1; rounds 1", []),
        (("?/noise /a", "!"), "keep /a; step 2; rounds 1", ["/noise", "/a"]),
        (("/a", "?/noise !"), "keep /a; step 2; rounds 2", []),
    ],
)
def test_what_is_proposed(steps: tuple[str, ...], expected: str, tried: list[str] | None) -> None:
    app = App(steps)
    assert told(search(app, one_each)) == expected
    if tried is not None:
        assert app.tried_sets == tried
