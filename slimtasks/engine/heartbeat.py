"""Notices an engine that no longer answers while we wait for it to say something."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slimtasks.errors import EngineError

INTERVAL = 30.0  # seconds


@contextmanager
def heartbeat(ping: Callable[[], None], abort: Callable[[], None], interval: float = INTERVAL) -> Iterator[None]:
    """Pings every `interval` seconds; calls `abort`, which has to wake up who waits, when two in a row fail."""
    done = threading.Event()

    def beat() -> None:
        failures = 0
        while not done.wait(interval):
            try:
                ping()
                failures = 0
            except EngineError:
                failures += 1
            if failures == 2 and not done.is_set():
                abort()
                return

    thread = threading.Thread(target=beat, name="engine heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
