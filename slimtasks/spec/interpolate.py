"""Replaces ${VAR} in strings as Compose does: https://docs.docker.com/reference/compose-file/interpolation/.

In a spec only `${...}` is replaced, never a bare `$VAR`, so that JSON, regular expressions and shell lines survive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_OPENING = re.compile(r"\$\$|\$\{")
_OPENING_OR_BARE = re.compile(r"\$\$|\$\{|\$(?=[A-Za-z_])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_FORMS = "${VAR}, ${VAR:-default}, ${VAR-default}, ${VAR:?why}, ${VAR:+other}, $$ for a plain $"


@dataclass
class Caller:
    """The caller's variables; remembers which were asked for, and which of them had no value and no default."""

    environ: Mapping[str, str]
    asked: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    bare: bool = False  # whether $VAR is one, too

    def get(self, name: str) -> str | None:
        self.asked.add(name)
        return self.environ.get(name)

    def fill(self, text: str) -> str:
        """The text with its variables filled in; raises ValueError where one is required or the syntax is wrong."""
        result, at = [], 0
        opening = _OPENING_OR_BARE if self.bare else _OPENING
        while match := opening.search(text, at):
            result.append(text[at : match.start()])
            if match[0] == "$$":
                result.append("$")
                at = match.end()
            elif match[0] == "$":
                name = _NAME.match(text, match.end())
                assert name
                result.append(self._value(name[0], "", ""))
                at = name.end()
            else:
                value, at = self._variable(text, match.end())
                result.append(value)
        result.append(text[at:])
        return "".join(result)

    def _variable(self, text: str, at: int) -> tuple[str, int]:
        """The value of the variable whose name starts at `at`, and where its '}' ends."""
        end = _closing(text, at)
        inside = text[at:end]
        name = _NAME.match(inside)
        operator = _OPERATOR.match(inside, name.end()) if name else None
        if not name or (not operator and name.end() != len(inside)):
            raise ValueError(f"found '${{{inside}}}'; allowed: {_FORMS}")
        rest = inside[operator.end() :] if operator else ""
        return self._value(name[0], operator[0] if operator else "", rest), end + 1

    def _value(self, name: str, operator: str, rest: str) -> str:
        value = self.get(name)
        is_set = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("-"):
            return value or "" if is_set else self.fill(rest)
        if operator.endswith("+"):
            return self.fill(rest) if is_set else ""
        if operator.endswith("?") and not is_set:
            why = self.fill(rest) or "it is not set"
            raise ValueError(f"the variable {name} is required: {why} (`export {name}=...` sets it)")
        if value is None:
            self.missing.add(name)
        return value or ""


def _closing(text: str, at: int) -> int:
    depth = 1
    for index in range(at, len(text)):
        if text[index] == "}":
            depth -= 1
        elif text.startswith("${", index):
            depth += 1
        if not depth:
            return index
    raise ValueError(f"found '${{{text[at:]}', without its closing brace; write $${{ for a plain ${{")
