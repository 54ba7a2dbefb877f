"""Answers as people read them: at most 80 columns as long as paths allow it, the same on a terminal and in a pipe."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TypeVar

from slimtasks.records import bare_name
from slimtasks.sizes import size_text
from slimtasks.terminal import shown

WIDTH = 80
_SIZE_WIDTH = 8  # of '121.3 MB'

T = TypeVar("T")


def wrapped(text: str, indent: str, following: str) -> str:
    """The text in lines of 80 columns, never broken inside of a word."""
    return textwrap.fill(
        shown(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def sized(size: int) -> str:
    """The size, right-aligned."""
    return size_text(size).rjust(_SIZE_WIDTH)


def signed(size: int) -> str:
    """A difference of sizes with its sign: '+12 B', '-3.4 kB', '0 B'."""
    return f"{'+' if size > 0 else '-' if size < 0 else ''}{size_text(abs(size))}"


def first(items: Sequence[T], most: int) -> Sequence[T]:
    """As many as are shown; 0 for all."""
    return items[:most] if most else items


def rest(items: Sequence[object], most: int, indent: str = "  ") -> Iterator[str]:
    """A line for those that are not shown."""
    if most and len(items) > most:
        yield f"{indent}and {len(items) - most} more (-n 0 shows all)"


def plain(package: str) -> str:
    """The package as its distribution calls it."""
    return bare_name(package) if package else "no package"
