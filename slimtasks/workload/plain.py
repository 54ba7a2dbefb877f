"""Starts the containers of a workload as `docker run` would: nothing watches them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.workload.launcher import Exit

OUTPUT_LIMIT = 8 << 20  # bytes of stdout and of stderr that are kept; more is read and dropped


class PlainLauncher:
    """A Launcher that neither gates nor traces."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def create(self, config: ContainerConfig, files: bytes) -> Iterator[Container]:
        with self._engine.container(config) as container:
            if files:
                container.put(files)
            yield container

    def start(self, container: Container) -> None:
        container.start()

    def exec(self, container: Container, command: tuple[str, ...], user: str, timeout: float) -> Exit:
        return Exit(*container.exec(command, user=user).run(timeout=timeout, limit=OUTPUT_LIMIT))

    def run_to_end(self, container: Container, timeout: float) -> Exit:
        deadline = time.monotonic() + timeout
        with container.attach() as stream:
            container.start()
            stdout, stderr = stream.read_all(limit=OUTPUT_LIMIT, timeout=timeout)
        return Exit(container.wait(timeout=max(1.0, deadline - time.monotonic())), stdout, stderr)
