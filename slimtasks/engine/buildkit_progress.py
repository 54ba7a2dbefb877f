"""BuildKit's progress, as the engine sends it: base64 of the protobuf StatusResponse (buildkit's control.proto)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TAIL = 40  # lines of output kept per step


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The (number, value) pairs of a protobuf message; stops where it is cut (protobuf.dev, Encoding)."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value: int | bytes
        if key & 7 == _VARINT:
            value, at = _varint(message, at)
        elif key & 7 == _BYTES:
            size, at = _varint(message, at)
            value, at = message[at : at + size], at + size
        elif key & 7 in (_FIXED64, _FIXED32):
            size = 8 if key & 7 == _FIXED64 else 4
            value, at = message[at : at + size], at + size
        else:
            return
        yield key >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value, at


@dataclass
class Step:
    """One vertex of the build: its instruction, what it printed, how it failed."""

    name: str = ""
    error: str = ""
    started: bool = False
    ended: bool = False
    output: list[str] = field(default_factory=list)  # its last lines
    partial: bytes = b""  # of a line whose end has not come yet


class Progress:
    """Gathers the steps of a build; `feed` returns the lines to show for what is new."""

    def __init__(self) -> None:
        self.steps: dict[bytes, Step] = {}  # by digest, in order of appearance

    def feed(self, aux: str) -> list[str]:
        """Takes one 'moby.buildkit.trace' message."""
        try:
            message = base64.b64decode(aux, validate=True)
        except (binascii.Error, ValueError):
            return []
        lines: list[str] = []
        for number, value in fields(message):
            if isinstance(value, bytes) and number == 1:
                lines += self._vertex(value)
            elif isinstance(value, bytes) and number == 3:
                lines += self._log(value)
        return lines

    def failed(self) -> Step | None:
        """The step that failed of itself, not because another one did."""
        failures = [step for step in self.steps.values() if step.error and "context canceled" not in step.error]
        return failures[-1] if failures else None

    def _vertex(self, message: bytes) -> list[str]:
        values = dict(fields(message))  # what may repeat, inputs, is not looked at
        step = self.steps.setdefault(_bytes(values.get(1)), Step())
        step.name = _text(values.get(3)) or step.name
        step.error = _text(values.get(7)) or step.error
        lines = []
        if (values.get(5) or values.get(4)) and not step.started:
            step.started = True
            lines.append(step.name + (" (cached)" if values.get(4) else ""))
        if values.get(6) and not step.ended:
            step.ended = True
            lines += self._line(step, step.partial) if step.partial else []
            step.partial = b""
        return lines

    def _log(self, message: bytes) -> list[str]:
        values = dict(fields(message))
        step = self.steps.setdefault(_bytes(values.get(1)), Step())
        *whole, step.partial = (step.partial + _bytes(values.get(4))).split(b"\n")
        return [line for data in whole for line in self._line(step, data)]

    def _line(self, step: Step, data: bytes) -> list[str]:
        line = data.decode(errors="replace").rstrip("\r").rpartition("\r")[2]  # of a redrawn line, its last state
        step.output = [*step.output[1 - _TAIL :], line]
        return [line]


def _bytes(value: int | bytes | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: int | bytes | None) -> str:
    return _bytes(value).decode(errors="replace")
