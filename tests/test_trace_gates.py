"""Processes that end, or go on waiting, in their gates: what of that is a missed trace, and what is not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from traced import below, dump, probe

from slimtasks.engine.client import Engine
from slimtasks.engine.container import Container
from slimtasks.errors import EngineError, IncompleteTrace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.sidecar import Sidecar

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


@contextmanager
def stopped(sidecar: Sidecar) -> Iterator[None]:
    """While inside, the tracer does not get on, so that gates wait."""
    tracer = sidecar._container.pid()
    os.kill(tracer, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(tracer, signal.SIGCONT)


def waiting_gate(container: Container, besides: int = 0) -> int:
    """The host's number of the process of the container that waits in its gate, once it does.

    `besides`: one that was let go, but may not have got on yet.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                waits = (process / "comm").read_text() == "gate waits\n"
                if waits and container.id in (process / "cgroup").read_text() and int(process.name) != besides:
                    return int(process.name)
        time.sleep(0.02)
    raise TimeoutError("no gate waits")


END = {"killed with the container": None, "killed alone": signal.SIGKILL}


@pytest.mark.parametrize("number", END.values(), ids=END)
def test_a_command_that_ends_in_its_gate_is_nothing_missed(
    engine: Engine, sidecar: Sidecar, probe_image: str, number: int | None
) -> None:
    launcher = TracedLauncher(engine, sidecar)
    holds = probe(probe_image, "open /t/b say opened hold")
    with (
        launcher.create(holds, b"") as container,
        container.attach() as stream,
        ThreadPoolExecutor(1) as pool,
    ):
        launcher.start(container)
        assert stream.read(30) == (1, b"opened\n")
        with stopped(sidecar):
            command = pool.submit(launcher.exec, container, ("/probe", "open", "/t/a"), "", 30)
            gate = waiting_gate(container, container.pid())
            os.kill(gate, number) if number else container.kill()
        assert command.result().status == 137
    assert below(launcher.finish()) == dump("/t/b: read fanotify, read lookups")


def test_a_container_that_ends_in_its_gate_was_not_traced(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "hold"), b"") as container, ThreadPoolExecutor(1) as pool:
        with stopped(sidecar):
            start = pool.submit(launcher.start, container)
            waiting_gate(container)
            container.kill()
        with pytest.raises(EngineError, match="ended before it could be traced"):
            start.result()
    assert launcher.finish().containers == 0


def test_a_gate_that_somebody_else_opens_is_an_incomplete_trace(
    engine: Engine, sidecar: Sidecar, probe_image: str
) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "hold"), b"") as container, ThreadPoolExecutor(1) as pool:
        launcher.start(container)
        with stopped(sidecar):
            command = pool.submit(launcher.exec, container, ("/probe", "open", "/t/a"), "", 30)
            gate = waiting_gate(container, container.pid())
            os.kill(gate, signal.SIGURG)
            deadline = time.monotonic() + 30
            while Path(f"/proc/{gate}").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
        assert command.result().status == 0
    with pytest.raises(IncompleteTrace, match="a process left its gate before it was let go"):
        launcher.finish()


@pytest.mark.slow  # the tracer's patience is 30 s
def test_a_gate_that_waits_on_is_an_incomplete_trace(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "hold"), b"") as container, ThreadPoolExecutor(1) as pool:
        launcher.start(container)
        with stopped(sidecar):
            command = pool.submit(launcher.exec, container, ("/probe", "open", "/t/a"), "", 90)
            os.kill(waiting_gate(container, container.pid()), signal.SIGSTOP)
        with pytest.raises(IncompleteTrace, match="a process never left its gate"):
            command.result()
    with pytest.raises(IncompleteTrace, match="a process never left its gate"):
        launcher.finish()
