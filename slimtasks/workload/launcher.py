"""How the containers of a workload get started: plain here, under a tracer in `trace`."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container

OUTPUT_LIMIT = 8 << 20  # bytes of stdout and of stderr that are kept; more is read and dropped


@dataclass(frozen=True)
class Exit:
    """How a command in a container ended: its exit status and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes  # empty with a tty, where both arrive as stdout


class Launcher(Protocol):
    """Creates, starts and enters the containers that run the image under test.

    `timeout` is in seconds; what is not done by then raises TimeoutError, and the process may go on
    running: the container is removed soon after. A container is used by one thread at a time.
    """

    def create(self, config: ContainerConfig, files: bytes) -> AbstractContextManager[Container]:
        """A container, not started, with the tar `files` (b"" for none) unpacked at its `/`; removed at the end."""

    def start(self, container: Container) -> None:
        """Starts what `create` gave; returns when the entrypoint runs (traced: is let go by the gate)."""

    def step(self, number: int) -> None:
        """Says which step of the workload begins (0: the start); what the containers do from now on is for it."""

    def exec(self, container: Container, command: tuple[str, ...], user: str, timeout: float) -> Exit:
        """Runs `command` in the running container to its end; `user` empty: the container's own."""


def run_to_end(launcher: Launcher, container: Container, timeout: float) -> Exit:
    """Attaches to what `create` gave, then starts it and waits for its end."""
    deadline = time.monotonic() + timeout
    with container.attach() as stream:
        launcher.start(container)
        stdout, stderr = stream.read_all(OUTPUT_LIMIT, timeout)
    return Exit(container.wait(max(1.0, deadline - time.monotonic())), stdout, stderr)
