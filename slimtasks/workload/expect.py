"""What an output must have: goss' words "text", "!text", "/regex/", "!/regex/" held against it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slimtasks.spec.steps import Expectation


def unmet(expected: Iterable[str], text: str) -> tuple[str, ...]:
    """The expectations that `text` does not meet, as the spec has them, in its order."""
    return tuple(source for source in expected if not Expectation.parse(source).holds(text))


def unmet_headers(expected: Iterable[str], headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The same for lines 'Name: value'; the case of a text's name does not matter, that of its value does."""
    text = "\n".join(f"{name}: {value}" for name, value in headers)
    return tuple(source for source in expected if not _header(source).holds(text))


def _header(source: str) -> Expectation:
    expectation = Expectation.parse(source)
    name, colon, value = expectation.text.partition(":")
    if expectation.regex or not colon or not re.fullmatch(r"[\w-]+", name):
        return expectation
    regex = rf"^(?i:{re.escape(name)}):[ \t]*{re.escape(value.strip())}"
    return Expectation(regex, regex=True, negated=expectation.negated)


def is_negated(source: str) -> bool:
    """Whether it says what must be absent."""
    return Expectation.parse(source).negated


def text_of(data: bytes) -> str:
    """What expectations are held against: UTF-8, with CRLF as a line's end."""
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def shortened(text: str, limit: int = 600) -> str:
    """At most `limit` characters of `text`, and how much there is in all: more of its end, where errors stand."""
    if len(text) <= limit:
        return text
    first = limit // 3
    return f"{text[:first]}\n[... {len(text)} characters in all ...]\n{text[first - limit :]}"
