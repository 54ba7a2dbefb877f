"""Runs the probe under the tracer, and what was seen of it, as sorted lines.

PYTEST_DONT_REWRITE: modules import it before pytest could; what it asserts has its own message.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.recording import Recording
from slimtasks.trace.sidecar import Sidecar
from slimtasks.workload.launcher import run_to_end

LOOKUPS = {"strace": "lookups", "ebpf": "lookups", "notify": "lookups"}


def probe(image: str, line: str, **more: object) -> ContainerConfig:
    """A container of the probe that does what `line` says."""
    return ContainerConfig(image, entrypoint=("/probe",), command=tuple(line.split()), **more)  # type: ignore[arg-type]


def traced(engine: Engine, sidecar: Sidecar, *configs: ContainerConfig, files: bytes = b"") -> Recording:
    """Runs containers to their ends, one after the other."""
    launcher = TracedLauncher(engine, sidecar)
    for config in configs:
        with launcher.create(config, files) as container:
            done = run_to_end(launcher, container, 60)
            assert done.status == 0, done
    return launcher.finish()


def below(recording: Recording, folder: str = "/t/") -> list[str]:
    """What was used below a folder as sorted lines, e.g. 'read /t/a fanotify'; those of lookups are `lookups`."""
    used = [use for use in recording.uses if use.path.startswith(folder)]
    return sorted({f"{use.how} {use.path} {LOOKUPS.get(use.source, use.source)}" for use in used})


def dump(text: str) -> list[str]:
    """The lines of a table of 'path: how source, how source', in the order of `below`."""
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        path, _, ways = line.rpartition(": ")
        found += [f"{how} {path} {source}" for how, source in (way.split() for way in ways.split(", "))]
    return sorted(found)


@contextmanager
def paused(engine: Engine, sidecar: Sidecar) -> Iterator[None]:
    """The tracer does nothing while inside, and what it is told waits in the kernel."""
    path = f"/containers/{sidecar._container.id}"
    engine.connection.request("POST", f"{path}/pause", doing="pausing the tracer")
    try:
        yield
    finally:
        engine.connection.request("POST", f"{path}/unpause", doing="letting the tracer go on")


def wait_for_word(container: Container, word: bytes) -> None:
    """Returns once the container said it; fails after a minute."""
    deadline = time.monotonic() + 60
    while word not in container.logs():
        assert time.monotonic() < deadline, f"{container} did not say {word.decode()}"
        time.sleep(0.05)
