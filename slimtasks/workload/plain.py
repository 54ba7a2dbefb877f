"""Starts the containers of a workload as `docker run` would: nothing watches them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.workload.launcher import OUTPUT_LIMIT, Exit


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

    def step(self, number: int) -> None:
        pass

    def exec(self, container: Container, command: tuple[str, ...], user: str, timeout: float) -> Exit:
        return Exit(*container.exec(command, user=user).run(timeout=timeout, limit=OUTPUT_LIMIT))
