"""Reads an `env_file` as Compose does (docs.docker.com/compose/how-tos/environment-variables, "env file syntax")."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from slimtasks.errors import SlimError

_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[^\s=:#'\"]+)[ \t]*(?P<sign>[=:]?)[ \t]*")
_VALUES = {
    "'": re.compile(r"'(?P<value>(?:[^'\\]|\\.)*)'", re.DOTALL),
    '"': re.compile(r'"(?P<value>(?:[^"\\]|\\.)*)"', re.DOTALL),
}
_PLAIN = re.compile(r"(?P<value>[^\n]*?)(?=[ \t]+#|[ \t]*(?:\r?\n|\Z))")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_VARIABLE = re.compile(
    r"\\(?P<escape>.)|\$(?:\{(?P<braced>\w+)(?:(?P<operator>:?[-?+])(?P<word>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))"
)


def parse_env_file(text: str, name: str, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables that `text` sets, in its order; a name alone takes its value from `environ`, if it is there.

    `name` is the file's, for the error: SlimError with the line that cannot be read.
    """
    known = dict(environ)
    found = []
    for line, key, value, quote in _assignments(text, name):
        if value is None:
            if key in environ:
                found.append((key, environ[key]))
            continue
        known[key] = value if quote == "'" else _expand(value, known, bool(quote), f"{name}:{line}")
        found.append((key, known[key]))
    return tuple(found)


def _assignments(text: str, name: str) -> Iterator[tuple[int, str, str | None, str]]:
    """(line number, name, raw value or None, its quote) of each assignment."""
    position = 0
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        if not text[position:end].strip() or text[position:end].lstrip().startswith("#"):
            position = end + 1
            continue
        line = text.count("\n", 0, position) + 1
        match = _ASSIGNMENT.match(text, position, end)
        if not match:
            raise SlimError(f"{name}:{line}: not NAME=value: {text[position:end].strip()}")
        if not match["sign"]:
            yield line, match["name"], None, ""
            position = end + 1
            continue
        value, quote, position = _value(text, match.end(), f"{name}:{line}")
        yield line, match["name"], value, quote


def _value(text: str, position: int, where: str) -> tuple[str, str, int]:
    """The raw value that starts at `position`, its quote, and where the next line begins."""
    quote = text[position : position + 1]
    expression = _VALUES.get(quote)
    match = (expression or _PLAIN).match(text, position)
    if not match:
        raise SlimError(f"{where}: the quote {quote} is not closed")
    end = text.find("\n", match.end())
    return match["value"], quote if expression else "", len(text) if end < 0 else end + 1


def _expand(value: str, known: Mapping[str, str], quoted: bool, where: str) -> str:
    """`value` with its ${VARIABLES} and, where it was quoted, its escapes replaced."""

    def replacement(match: re.Match[str]) -> str:
        if match["escape"] is not None:
            return _ESCAPES.get(match["escape"], match[0]) if quoted else match[0]
        return _variable(match, known, where)

    return _VARIABLE.sub(replacement, value)


def _variable(match: re.Match[str], known: Mapping[str, str], where: str) -> str:
    name, operator, word = match["braced"] or match["bare"], match["operator"] or "", match["word"] or ""
    value = known.get(name)
    usable = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return word if usable else ""
    if operator.endswith("?") and not usable:
        raise SlimError(f"{where}: {name} is not set: {word or 'it is required'}", f"set {name} in the environment")
    return (value or "") if usable or not operator else word
