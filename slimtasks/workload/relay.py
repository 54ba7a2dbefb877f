"""The way to a container on another machine: a helper container in its network namespace, and `relay` in that."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from types import TracebackType

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.engine.stream import Stream
from slimtasks.errors import EngineError
from slimtasks.workload.listeners import Listener, parse_listeners

RELAY = "/relay"
IDLE = ("/gate", RELAY)  # the gate waits for a signal that nobody sends
TIMEOUT = 30.0  # seconds for a helper's own command


class RelayReach:
    """A Reach: each connection to a local port is carried by a `relay` in the helper container, over its stdio."""

    def __init__(self, engine: Engine, container: Container, tracer_image: str) -> None:
        self._engine = engine
        self._container = container
        self._image = tracer_image
        self._helper: Container | None = None
        self._bridges: dict[int, _Bridge] = {}
        self._open = ExitStack()

    def __enter__(self) -> RelayReach:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def address(self, port: int) -> tuple[str, int]:
        if port not in self._bridges:
            host = self._container.ip() or "127.0.0.1"  # as an outsider: what listens on loopback only is not reached
            bridge = _Bridge(self._helping(), (RELAY, host, str(port)))
            self._open.callback(bridge.close)
            self._bridges[port] = bridge
        return self._bridges[port].address

    def listeners(self) -> frozenset[Listener]:
        try:
            _, table, _ = self._helping().exec((RELAY, "--listening")).run(timeout=TIMEOUT)
        except EngineError:
            if self._container.running():
                raise
            return frozenset()
        return parse_listeners(table.decode())

    def _helping(self) -> Container:
        if self._helper is None:
            if not self._image:
                what = f"the engine at {self._engine.connection.address} is on another machine: its containers' ports"
                raise EngineError(f"{what} can be reached only with the tracer image, which was not built")
            config = ContainerConfig(
                image=self._image,
                entrypoint=IDLE,
                command=(),
                network=f"container:{self._container.id}",
                log_driver="none",
                healthcheck=False,
            )
            helper = self._open.enter_context(self._engine.container(config))
            helper.start()
            self._helper = helper
        return self._helper


class _Bridge:
    """A listening socket of this machine; each of its connections becomes one command in the helper container."""

    def __init__(self, helper: Container, command: tuple[str, ...]) -> None:
        self._helper = helper
        self._command = command
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = ("127.0.0.1", self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        try:
            self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        except OSError:
            pass
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._carry, args=(connection,), daemon=True).start()

    def _carry(self, connection: socket.socket) -> None:
        """One connection, both ways, until the container's side ends."""
        with connection:
            try:
                with self._helper.exec(self._command, stdin=True).start() as stream:
                    threading.Thread(target=_upstream, args=(connection, stream), daemon=True).start()
                    for channel, data in stream:
                        if channel == 1:
                            connection.sendall(data)
            except (OSError, EngineError):
                pass  # the tester sees a connection that was closed, and says so
            finally:
                _shutdown(connection)


def _upstream(connection: socket.socket, stream: Stream) -> None:
    try:
        while data := connection.recv(1 << 16):
            stream.write(data)
        stream.close_write()
    except (OSError, EngineError, ValueError):
        pass  # the other direction ends it


def _shutdown(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
