"""How the tester reaches a container's ports, wherever its engine is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from slimtasks.engine.client import Engine
from slimtasks.engine.container import Container
from slimtasks.workload.listeners import Listener, parse_listeners


class Reach(Protocol):
    """The way to the network namespace of one running container."""

    def address(self, port: int) -> tuple[str, int]:
        """Host and port of this machine that lead to the container's TCP `port`."""

    def listeners(self) -> frozenset[Listener]:
        """Who listens in the container's network namespace now; nobody once it has ended."""


def reachable(listeners: frozenset[Listener]) -> frozenset[int]:
    """The ports that somebody outside the namespace can connect to."""
    return frozenset(listener.port for listener in listeners if not listener.loopback)


@contextmanager
def reach(engine: Engine, container: Container, tracer_image: str) -> Iterator[Reach]:
    """The way to the running `container`: direct where it is proven to be on this machine, else by a helper container.

    `tracer_image` has the program `relay`; without it ("") an engine whose socket is here is taken to be here.
    """
    if engine.info.local:
        pid = container.pid()
        if not tracer_image or (pid and _is_here(container, pid)):
            yield LocalReach(container, pid)
            return
    from slimtasks.workload.relay import RelayReach

    with RelayReach(engine, container, tracer_image) as relayed:
        yield relayed


class LocalReach:
    """By published ports of 127.0.0.1, and by /proc: the container runs on this very machine."""

    def __init__(self, container: Container, pid: int) -> None:
        self._container = container
        self._net = Path(f"/proc/{pid}/net")

    def address(self, port: int) -> tuple[str, int]:
        found = self._container.port(port)
        if not found:
            raise LookupError(f"port {port} is not published")
        return found

    def listeners(self) -> frozenset[Listener]:
        return parse_listeners(_table(self._net / "tcp") + _table(self._net / "tcp6"))


def _is_here(container: Container, pid: int) -> bool:
    """Whether process `pid` here is in that container, and its published ports are opened in our own namespace.

    A socket of this machine may lead to an engine in a VM, or in namespaces of its own.
    """
    if container.id not in _table(Path(f"/proc/{pid}/cgroup")):
        return False
    here = {listener.port for listener in parse_listeners(_table(Path("/proc/self/net/tcp")))}
    published = (container.port(port.number, port.protocol) for port in container.config.published)
    return all(found and found[1] in here for found in published)


def _table(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended, or IPv6 is off
        return ""
