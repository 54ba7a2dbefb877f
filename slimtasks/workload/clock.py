"""How long a workload may still take."""

from __future__ import annotations

import time


def in_seconds(timeout: float) -> str:
    """As messages tell it: '30 s', '0.7 s'."""
    return f"{round(timeout, 1):g} s"


class Clock:
    """What is left of the time of a whole workload, `limit` seconds."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._deadline = time.monotonic() + limit

    def left(self) -> float:
        """Seconds, never negative."""
        return max(0.0, self._deadline - time.monotonic())

    def note(self) -> str:
        """What an error says where nothing is left."""
        return "" if self.left() else f"the whole workload may take {in_seconds(self.limit)} (`trace: timeout:`)"
