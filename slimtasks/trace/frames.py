"""The stream of frames that the tracer writes (programs/tracer.c)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD = struct.Struct("=cxHI")  # type, target, length; both ends of the stream are the engine's and ours: little-endian
BACKEND, ACCESS, LINE, FACT, MOUNT, STEP = b"B", b"A", b"S", b"P", b"M", b"N"
RELEASED, KILLED, INCOMPLETE, DONE = b"R", b"K", b"E", b"D"


@dataclass(frozen=True)
class Frame:
    """One message of the tracer about one container."""

    type: bytes
    target: int
    text: str  # bytes that are not UTF-8 as surrogate escapes

    @property
    def fields(self) -> list[str]:
        """What NUL separates."""
        return self.text.split("\0")


class Decoder:
    """Cuts a byte stream, however it comes in pieces, into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now."""
        self._rest += data
        at = 0
        while at + _HEAD.size <= len(self._rest):
            kind, target, length = _HEAD.unpack_from(self._rest, at)
            end = at + _HEAD.size + length
            if end > len(self._rest):
                break
            yield Frame(kind, target, self._rest[at + _HEAD.size : end].decode("utf-8", "surrogateescape"))
            at = end
        del self._rest[:at]
