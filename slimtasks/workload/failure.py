"""A step that did not go as the spec says, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PartResult:
    """One test of a step that has several."""

    name: str
    where: str
    seconds: float
    failure: str = ""


class StepFailed(Exception):
    """One step failed: `what` in a line, and where there are any, what was sent, expected and what came."""

    def __init__(
        self,
        what: str,
        *,
        sent: str = "",
        expected: str = "",
        came: str = "",
        hint: str = "",
        parts: tuple[PartResult, ...] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.sent = sent
        self.expected = expected
        self.came = came
        self.hint = hint
        self.parts = parts  # of the step, those that went well too

    def text(self) -> str:
        """`what`, and the rest below it, indented."""
        parts = (("sent", self.sent), ("expected", self.expected), ("came", self.came))
        return "\n".join([self.what, *(_part(name, text) for name, text in parts if text)])


def _part(name: str, text: str) -> str:
    first, *rest = text.strip("\n").splitlines() or [""]
    return "\n".join([f"  {name + ':':<9} {first}", *(f"    {line}" for line in rest)])
