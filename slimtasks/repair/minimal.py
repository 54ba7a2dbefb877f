"""The smallest set of lines that does, found by trying."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def minimal(items: Sequence[Item], does: Callable[[Sequence[Item]], bool]) -> tuple[Item, ...]:
    """Those of the items without any of which the others would not do; all of them do, none of them does not.

    Earlier ones are preferred. With k of n needed, some k * log2(n / k) trials (QuickXplain: Junker, AAAI 2004).
    """
    needed = _needed((), False, tuple(items), does)
    return tuple(item for item in items if item in needed)


def _needed(
    beside: tuple[Item, ...], grown: bool, items: tuple[Item, ...], does: Callable[[Sequence[Item]], bool]
) -> tuple[Item, ...]:
    """What is needed of the items beside others, which `grown` since all was tried with them."""
    if grown and does(beside):
        return ()
    if len(items) == 1:
        return items
    half = len(items) // 2
    first, second = items[:half], items[half:]
    of_second = _needed((*beside, *first), True, second, does)
    of_first = _needed((*beside, *of_second), bool(of_second), first, does)
    return (*of_first, *of_second)


def narrowed(items: Sequence[Item], does: Callable[[Sequence[Item]], bool]) -> Sequence[Item]:
    """A half of the items, a half of that, and so on, as long as one does."""
    while len(items) > 1:
        half = (len(items) + 1) // 2
        better = next((part for part in (items[:half], items[half:]) if does(part)), None)
        if better is None:
            return items
        items = better
    return items
