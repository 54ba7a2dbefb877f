"""The two directions of a hijacked connection, taken out of the hands of http.client."""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import requests


class Pipe(Protocol):
    """A byte stream each way."""

    def ready(self, timeout: float | None) -> bool:
        """Whether bytes, or the end, can be received without waiting longer than `timeout` seconds."""

    def receive(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""

    def send(self, data: bytes) -> None: ...

    def close_send(self) -> None:
        """Ends our direction; the other one stays."""

    def close(self) -> None: ...


class SocketPipe:
    """A unix, tcp or TLS socket; `early` came in the same packet as the answer's headers."""

    def __init__(self, connection: socket.socket, answer: requests.Response, early: bytes) -> None:
        self._socket = connection
        self._answer = answer  # its end would close the socket
        self._early = early

    def ready(self, timeout: float | None) -> bool:
        if self._early or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return True
        return _readable(self._socket.fileno(), timeout)

    def receive(self, size: int) -> bytes:
        if self._early:
            early, self._early = self._early[:size], self._early[size:]
            return early
        return self._socket.recv(size)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def close_send(self) -> None:
        if isinstance(self._socket, ssl.SSLSocket):
            self._early += _close_notify(self._socket)
        else:
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was first
        self._answer.close()


class ProcessPipe:
    """Stdin and stdout of the ssh that the SDK started for this connection."""

    def __init__(self, process: Any, answer: requests.Response, early: bytes) -> None:
        self._process = process
        self._answer = answer
        self._early = early

    def ready(self, timeout: float | None) -> bool:
        return bool(self._early) or _readable(self._process.stdout.fileno(), timeout)

    def receive(self, size: int) -> bytes:
        if self._early:
            early, self._early = self._early[:size], self._early[size:]
            return early
        return os.read(self._process.stdout.fileno(), size)

    def send(self, data: bytes) -> None:
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def close_send(self) -> None:
        self._process.stdin.close()

    def close(self) -> None:
        try:
            self._process.stdin.close()  # or the SDK would write to it once more
        except OSError:
            pass  # the other side was first
        self._process.terminate()
        self._process.wait()
        self._answer.close()


def taken_over(answer: requests.Response) -> Pipe:
    """The connection behind an answer whose body was not read.

    The SDK's own way takes the socket and forgets what http.client had read ahead, which loses the
    first output of a quick exec.
    """
    reader: Any = answer.raw._fp.fp  # type: ignore[union-attr]  # io.BufferedReader; no public way leads to it
    channel = getattr(reader, "channel", None)
    if channel is not None:
        descriptor = channel.proc.stdout.fileno()
        os.set_blocking(descriptor, False)
        early = bytes(reader.peek())
        os.set_blocking(descriptor, True)
        return ProcessPipe(channel.proc, answer, early)
    connection: socket.socket = reader.raw._sock
    connection.setblocking(False)
    try:
        early = bytes(reader.peek())
    except ssl.SSLWantReadError:
        early = b""
    connection.setblocking(True)
    return SocketPipe(connection, answer, early)


def _close_notify(connection: ssl.SSLSocket) -> bytes:
    """Ends our direction of TLS, and returns what was decrypted by then.

    SSLSocket.shutdown ends the other's decryption too, and unwrap waits for its end. What both call also reads, to see
    the other's end, and drops what comes before that. So it gets another descriptor for that moment, on which nothing
    comes, and what it writes there is sent by us.
    """
    taken = b"".join(iter(lambda: connection.recv(connection.pending()) if connection.pending() else b"", b""))
    number = connection.fileno()
    instead, written = socket.socketpair()
    with instead, written, socket.socket(fileno=os.dup(number)) as real:
        connection.setblocking(False)
        instead.setblocking(False)
        os.dup2(instead.fileno(), number, inheritable=False)
        try:
            connection._sslobj.shutdown()  # type: ignore[attr-defined]
        except ssl.SSLError:
            pass  # nothing came, as was meant
        finally:
            os.dup2(real.fileno(), number, inheritable=False)
        connection.setblocking(True)
        written.setblocking(False)
        try:
            real.sendall(written.recv(4096))
        except BlockingIOError:
            pass  # the other side was first, so there is nothing to say
    return taken


def _readable(descriptor: int, timeout: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if timeout is None else max(0, timeout) * 1000))


def without_timeout(answer: requests.Response) -> Callable[[], None]:
    """Lets an answer's body be silent as long as it likes; returns what ends, in another thread, the wait for it."""
    reader: Any = answer.raw._fp.fp  # type: ignore[union-attr]
    channel = getattr(reader, "channel", None)
    if channel is not None:
        return cast("Callable[[], None]", channel.proc.terminate)
    connection: socket.socket = reader.raw._sock
    connection.settimeout(None)

    def abort() -> None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already

    return abort
