"""A relay between an address of our own and the engine's socket, which can be cut at any moment."""

from __future__ import annotations

import socket
import ssl
import threading
from types import TracebackType

SOCKET = "/var/run/docker.sock"


class Relay:
    """Listens on a free port of 127.0.0.1 and carries each connection to a unix socket, half closes included."""

    def __init__(
        self,
        target: str = SOCKET,
        tls: ssl.SSLContext | None = None,
        cut_after: int | None = None,
        cut_on: tuple[bytes, int] = (b"", 0),
    ) -> None:
        self._target = target
        self._tls = tls
        self._cut_after = cut_after  # bytes of answers, all connections together
        self._carried = 0
        self._cut_on, self._times = cut_on  # what a request begins with, and the how manyeth such is the last
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends all connections, and takes no new ones."""
        self._shut(self._listener)
        for end in self._open:
            self._shut(end)

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                client = self._tls.wrap_socket(client, server_side=True) if self._tls else client
            except ssl.SSLError:
                continue
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:  # nobody is there any more
                self._shut(client)
                continue
            self._open += [client, server]
            threading.Thread(target=self._carry, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, True), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
                if self._cut_on and not answers and self._cut_on in data.split(b"\r\n", 1)[0]:
                    self._times -= 1
                    if not self._times:
                        self.cut()
                        return
                self._carried += len(data) if answers else 0
                if self._cut_after is not None and self._carried > self._cut_after:
                    self.cut()
                    return
            if isinstance(target, ssl.SSLSocket):
                self._shut(target)
            else:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            self._shut(source)
            self._shut(target)

    @staticmethod
    def _shut(end: socket.socket) -> None:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()
