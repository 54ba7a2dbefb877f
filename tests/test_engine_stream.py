from __future__ import annotations

import io
import time

import pytest

from slimtasks.engine.failure import EngineTimeout, Gone
from slimtasks.engine.stream import Stream
from slimtasks.errors import EngineError


class Script:
    """A pipe that gives what it was told to, piece by piece; silent where a piece is None."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.pieces = list(pieces)

    def ready(self, timeout: float | None) -> bool:
        if self.pieces and self.pieces[0] is None:
            self.pieces.pop(0)
            time.sleep(min(timeout or 0, 0.02))
            return False
        return True

    def receive(self, size: int) -> bytes:
        return (self.pieces.pop(0) or b"") if self.pieces else b""

    def send(self, data: bytes) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    def close_send(self) -> None: ...

    def close(self) -> None: ...


def frame(kind: int, data: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def stream(*pieces: bytes | None, tty: bool = False) -> Stream:
    return Stream(Script(*pieces), tty=tty, alive=lambda: None, address="here", doing="reading")


def test_frames_are_told_apart_however_they_are_cut() -> None:
    whole = frame(1, b"out") + frame(2, b"err") + frame(1, b"") + frame(1, b"\xff\x00")
    for size in range(1, len(whole) + 1):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert stream(*pieces).read_all() == (b"out\xff\x00", b"err")


def test_a_tty_is_raw() -> None:
    assert list(stream(b"a", b"b", tty=True)) == [(1, b"a"), (1, b"b")]


def test_a_limit_keeps_the_beginning_and_reads_on() -> None:
    pipe = Script(frame(1, b"abcd"), frame(2, b"efgh"), frame(1, b"ij"))
    made = Stream(pipe, tty=False, alive=lambda: None, address="here", doing="reading")
    assert made.read_all(limit=3) == (b"abc", b"efg")
    assert pipe.pieces == []


@pytest.mark.parametrize("cut", [4, 9])
def test_an_end_inside_a_frame_is_an_engine_that_went_away(cut: int) -> None:
    with pytest.raises(Gone, match="went away while reading"):
        stream(frame(1, b"abcd")[:cut]).read_all()


def test_a_timeout_leaves_the_stream_usable() -> None:
    made = stream(frame(1, b"a")[:5], None, frame(1, b"a")[5:])
    with pytest.raises(EngineTimeout):
        made.read(timeout=0.01)
    assert made.read(timeout=5) == (1, b"a")
    assert made.read(timeout=5) is None


def test_silence_asks_whether_the_engine_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slimtasks.engine.stream._HEARTBEAT", 0.01)

    def dead() -> None:
        raise Gone("dead")

    made = Stream(Script(None), tty=False, alive=dead, address="here", doing="reading")
    with pytest.raises(Gone, match="dead"):
        made.read()


def test_a_broken_pipe_is_an_engine_error() -> None:
    with pytest.raises(Gone, match="went away while reading: broken pipe"):
        stream().write(b"x")


def test_the_engines_own_error_frame() -> None:
    with pytest.raises(EngineError, match="reading failed: disk on fire"):
        stream(frame(3, b"disk on fire\n")).read_all()


def test_stdout_as_a_file_keeps_stderr_apart() -> None:
    raw = stream(frame(1, b"ab"), frame(2, b"warning"), frame(1, b"cd")).stdout()
    assert io.BufferedReader(raw, 3).read() == b"abcd"
    assert raw.stderr == b"warning"
