"""What is used while nobody reads: all of it is told later, or the trace is not complete and says so."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from trace_images import with_backend
from traced import paused, probe, wait_for_word

from slimtasks.engine.client import Engine
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.recording import Recording

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]

OPENS, MISSES = "/t/many/", "/t/none/"
INOTIFY = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
RING = 16 << 20  # bytes for what eBPF tells (lookups.bpf.c), of which the shortest event takes more than 64


def used_unread(engine: Engine, tracer_image: str, image: str, backend: str, verb: str, number: int) -> Recording:
    """What is told of a container that opens (or misses) that many files while the tracer stands still."""
    with with_backend(engine, tracer_image, backend, allow_incomplete=True) as sidecar:
        launcher = TracedLauncher(engine, sidecar)
        line = f"mkdir /t/many await {verb} {number} say done hold"
        with launcher.create(probe(image, line), b"") as container:
            launcher.start(container)
            wait_for_word(container, b"awaits")
            launcher.step(1)  # all that was before has been read
            with paused(engine, sidecar):
                container.kill("USR1")
                if backend == "strace":  # who is traced waits for its tracer
                    time.sleep(1)
                    assert b"done" not in container.logs()
                else:
                    wait_for_word(container, b"done")
            wait_for_word(container, b"done")
            container.kill()
        return launcher.finish()


def told(recording: Recording, folder: str) -> set[str]:
    return {use.path for use in recording.uses if use.path.startswith(folder)}


def numbered(folder: str, number: int) -> set[str]:
    return {f"{folder}{i}" for i in range(number)}


NOTHING_LOST = {
    "fanotify": ("many", OPENS, 40_000),  # its queue has no limit but memory
    "ebpf": ("misses", MISSES, 40_000),
    "strace": ("misses", MISSES, 10_000),  # more than its pipe holds
}


@pytest.mark.parametrize("backend", NOTHING_LOST)
def test_what_finds_room_is_told(engine: Engine, tracer_image: str, probe_image: str, backend: str) -> None:
    verb, folder, number = NOTHING_LOST[backend]
    recording = used_unread(engine, tracer_image, probe_image, backend, verb, number)
    assert told(recording, folder) == numbered(folder, number)
    assert recording.incomplete == ()


def test_what_finds_no_room_in_the_ring_is_counted(engine: Engine, tracer_image: str, probe_image: str) -> None:
    """Both sides: what was told, and what the kernel counted as lost, is what there was."""
    number = RING // 64
    recording = used_unread(engine, tracer_image, probe_image, "ebpf", "misses", number)
    found = told(recording, MISSES)
    lost = [re.fullmatch(r"ebpf had no room for (\d+) events", reason) for reason in recording.incomplete]
    assert [len(found) + int(match[1]) for match in lost if match] == [number], recording.incomplete
    assert 0 < len(found) < number
    assert found == numbered(MISSES, len(found))  # and what was lost is the last


def test_what_finds_no_room_in_the_queue_of_inotify(engine: Engine, tracer_image: str, probe_image: str) -> None:
    number = INOTIFY + 1000
    recording = used_unread(engine, tracer_image, probe_image, "inotify", "many", number)
    found = told(recording, OPENS)
    assert 0 < len(found) < number
    assert recording.incomplete == ("the kernel's queue of opened files ran over",)
