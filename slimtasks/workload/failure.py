"""A step that did not go as the spec says, and how that is told."""

from __future__ import annotations


class StepFailed(Exception):
    """One step failed: `what` in a line, and where there are any, what was sent, expected and what came."""

    def __init__(self, what: str, *, sent: str = "", expected: str = "", came: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.sent = sent
        self.expected = expected
        self.came = came
        self.hint = hint

    def text(self) -> str:
        """`what`, and the rest below it, indented."""
        parts = (("sent", self.sent), ("expected", self.expected), ("came", self.came))
        return "\n".join([self.what, *(_part(name, text) for name, text in parts if text)])


def _part(name: str, text: str) -> str:
    first, *rest = text.strip("\n").splitlines() or [""]
    return "\n".join([f"  {name + ':':<9} {first}", *(f"    {line}" for line in rest)])
