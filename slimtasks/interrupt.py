"""SIGINT (Ctrl-C) and SIGTERM end a run in order: what it made in the engine goes, what it finished is kept."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

_came: list[int] = []  # numbers of the signals that came
_held = [0]  # how many `held` we are in


class Interrupted(KeyboardInterrupt):
    """A signal asks for the end.

    Not KeyboardInterrupt itself: once that has passed through an `exec` anywhere, Python ends by dying of SIGINT,
    however it was handled.
    """


def install() -> None:
    """From now on both signals raise Interrupted; one that is ignored, as below nohup, stays so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.excepthook = _last_words
    sys.unraisablehook = _lost


def check() -> None:
    """Raises Interrupted if a signal came: what one raises is lost in a destructor, and where all errors are caught."""
    if _came:
        raise Interrupted


def forget() -> None:
    """What came was waited for, and does not end the run: the next signal is the first."""
    _came.clear()


@contextmanager
def held() -> Iterator[None]:
    """While inside, a signal waits: an engine that was asked for something makes it, though nobody hears the answer.

    A second signal does not wait.
    """
    before = len(_came)
    _held[0] += 1
    try:
        yield
    finally:
        _held[0] -= 1
    if len(_came) > before:
        raise Interrupted


def _interrupt(number: int, frame: FrameType | None) -> None:
    _came.append(number)
    if not _held[0] or len(_came) > 1:
        raise Interrupted


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _lost(unraisable: sys.UnraisableHookArgs) -> None:
    """What was raised where nobody can hear it, as in a destructor; of an interrupt `check` tells."""
    if not isinstance(unraisable.exc_value, Interrupted):
        sys.__unraisablehook__(unraisable)
