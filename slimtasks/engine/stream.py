"""What an attached container or exec prints and is given, byte for byte."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import cast

from slimtasks.engine.failure import EngineTimeout, Gone, explained
from slimtasks.engine.pipe import Pipe
from slimtasks.engine.stopwatch import ENGINE, Stopwatch
from slimtasks.errors import EngineError

STDOUT, STDERR, _SYSTEM = 1, 2, 3
_HEADER = 8  # bytes: stream, three zeros, length (Engine API, ContainerAttach)
_SIZE = 256 * 1024
_HEARTBEAT = 30.0  # seconds of silence after which the engine is asked whether it still lives
_STDERR_KEPT = 64 * 1024


class Stream:
    """Frames of (1 for stdout or 2 for stderr, bytes), in order; with a tty all is 1.

    One thread may write while another reads. An engine that dies between two frames looks like the
    end of the program: ask the container or exec for its exit status afterwards, which tells.
    """

    def __init__(
        self,
        pipe: Pipe,
        *,
        tty: bool,
        alive: Callable[[], None],
        address: str,
        doing: str,
        clock: Stopwatch | None = None,
    ) -> None:
        self._pipe = pipe
        self._tty = tty
        self._alive = alive
        self._address = address
        self._doing = doing
        self._clock = clock or Stopwatch()
        self._buffer = memoryview(b"")
        self._kind = STDOUT
        self._left = 0  # bytes of the current frame still to come
        self._closed = False

    def read(self, timeout: float | None = None) -> tuple[int, bytes] | None:
        """The next piece of output, or None at the end.

        Raises EngineTimeout after `timeout` seconds, and may be called again then.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._tty:
            data = self._receive(deadline)
            return (STDOUT, data) if data else None
        while not self._left:
            if not self._header(deadline):
                return None
        if not self._buffer:
            self._buffer = memoryview(self._receive(deadline))
            if not self._buffer:
                raise self._cut()
        data, self._buffer = bytes(self._buffer[: self._left]), self._buffer[self._left :]
        self._left -= len(data)
        if self._kind == _SYSTEM:
            raise EngineError(f"{self._doing} failed: {data.decode(errors='replace').strip()}")
        return self._kind, data

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while (frame := self.read()) is not None:
            yield frame

    def read_all(self, limit: int | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        """All of stdout and stderr, of each the first `limit` bytes; the rest is read and dropped.

        Raises EngineTimeout where the end has not come after `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        outputs = {STDOUT: bytearray(), STDERR: bytearray()}
        while (frame := self.read(None if deadline is None else deadline - time.monotonic())) is not None:
            output = outputs.setdefault(frame[0], bytearray())
            output += frame[1] if limit is None else frame[1][: max(0, limit - len(output))]
        return bytes(outputs[STDOUT]), bytes(outputs[STDERR])

    def stdout(self) -> Stdout:
        """Stdout as a binary file; stderr gathers in its `stderr`."""
        return Stdout(self)

    def write(self, data: bytes) -> None:
        """Gives `data` to the program's stdin; waits until the engine has taken it."""
        with explained(self._address, self._doing), self._clock.on(ENGINE):
            self._pipe.send(data)

    def close_write(self) -> None:
        """Ends the program's stdin; its output can still be read."""
        with explained(self._address, self._doing):
            self._pipe.close_send()

    def close(self) -> None:
        if not self._closed:
            self._pipe.close()
            self._closed = True  # only now: interrupted before, it is closed again

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _header(self, deadline: float | None) -> bool:
        """Reads the next frame's header; False at the end."""
        while len(self._buffer) < _HEADER:
            data = self._receive(deadline)
            if not data and self._buffer:
                raise self._cut()
            if not data:
                return False
            self._buffer = memoryview(bytes(self._buffer) + data)
        self._kind = self._buffer[0] or STDOUT
        self._left = int.from_bytes(self._buffer[4:_HEADER], "big")
        self._buffer = self._buffer[_HEADER:]
        return True

    def _receive(self, deadline: float | None) -> bytes:
        while True:
            left = _HEARTBEAT if deadline is None else max(0.0, min(_HEARTBEAT, deadline - time.monotonic()))
            with explained(self._address, self._doing), self._clock.on(ENGINE):
                if self._pipe.ready(left):
                    return self._pipe.receive(_SIZE)
            if deadline is not None and time.monotonic() >= deadline:
                raise EngineTimeout(f"{self._doing}: not done in time")
            self._alive()

    def _cut(self) -> Gone:
        return Gone(
            f"the container engine at {self._address} went away while {self._doing}",
            "see the engine's log, start it again, then run the same command again",
        )


class Stdout(io.RawIOBase):
    """The stdout of a stream as a binary file, for tarfile and the like: wrap it in io.BufferedReader."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._data = memoryview(b"")
        self.stderr = b""  # its last 64 KiB

    def readable(self) -> bool:
        return True

    def piece(self) -> memoryview:
        """What comes next of it, as it came; empty at the end."""
        while not self._data:
            frame = self._stream.read()
            if frame is None:
                break
            if frame[0] == STDERR:
                self.stderr = (self.stderr + frame[1])[-_STDERR_KEPT:]
            else:
                self._data = memoryview(frame[1])
        data, self._data = self._data, memoryview(b"")
        return data

    def readinto(self, buffer: object) -> int:
        data = self.piece()
        view = memoryview(cast(bytearray, buffer))
        size = min(len(view), len(data))
        view[:size] = data[:size]
        self._data = data[size:]
        return size
