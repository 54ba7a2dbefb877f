"""The body of an answer as a binary file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

from slimtasks.engine.failure import explained
from slimtasks.engine.stopwatch import ENGINE, Stopwatch

if TYPE_CHECKING:
    import requests

CHUNK = 1024 * 1024


class Body(io.RawIOBase):
    """Reads the body of an answer as it comes; a connection that breaks is an EngineError."""

    def __init__(self, answer: requests.Response, address: str, doing: str, clock: Stopwatch) -> None:
        self._answer = answer
        self._address = address
        self._doing = doing
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        with explained(self._address, self._doing), self._clock.on(ENGINE):
            data: bytes = self._answer.raw.read(len(view))
        view[: len(data)] = data
        return len(data)


def buffered(answer: requests.Response, address: str, doing: str, clock: Stopwatch) -> io.BufferedReader:
    """The body as a file that reads in pieces of 1 MiB."""
    return io.BufferedReader(Body(answer, address, doing, clock), CHUNK)
