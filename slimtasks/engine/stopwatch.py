"""How long others took while we waited: the engine, the workload, a program of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

ENGINE, WORKLOAD, PROGRAMS = "engine", "workload", "programs"

T = TypeVar("T")


class Stopwatch(threading.local):
    """Seconds by what they were spent on, of each thread its own; of two at once the outer one counts."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}
        self._running = ""

    @property
    def spent(self) -> dict[str, float]:
        """The seconds so far."""
        return dict(self._spent)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Counts the time inside as spent on `what`."""
        if self._running:
            yield
            return
        self._running = what
        began = time.monotonic()
        try:
            yield
        finally:
            self._running = ""
            self._add(what, time.monotonic() - began)

    def each(self, what: str, items: Iterable[T]) -> Iterator[T]:
        """The items, the time that each is waited for being spent on `what`."""
        iterator = iter(items)
        while True:
            with self.on(what):
                found = next(iterator, self)
            if found is self:
                return
            yield found  # type: ignore[misc]  # the end mark is no item

    def ours(self, items: Iterable[T]) -> Iterator[T]:
        """Items that we make while somebody waits for them: that time is not spent on him."""
        iterator = iter(items)
        while True:
            began = time.monotonic()
            found = next(iterator, self)
            if self._running:
                self._add(self._running, began - time.monotonic())
            if found is self:
                return
            yield found  # type: ignore[misc]

    def _add(self, what: str, seconds: float) -> None:
        self._spent[what] = self._spent.get(what, 0.0) + seconds
