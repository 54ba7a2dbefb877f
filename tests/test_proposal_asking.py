"""What a port answers, asked for the first time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from slimtasks.proposal.asking import ask
from slimtasks.proposal.seen import Answered

pytestmark = pytest.mark.loopback


@contextmanager
def served(answer: Callable[[bytes], bytes], greeting: bytes = b"") -> Iterator[tuple[str, int]]:
    """A server that greets, and sends `answer` of the first bytes that come, once for each connection."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.sendall(greeting)
                connection.sendall(answer(connection.recv(4096)))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def http(status: str, *headers: str) -> Callable[[bytes], bytes]:
    """Redirects from / alone."""

    def answer(request: bytes) -> bytes:
        if request.startswith(b"GET / "):
            return "\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""]).encode()
        return b"HTTP/1.1 204 No Content\r\n\r\n" if request.startswith(b"GET /") else b""

    return answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http("200 OK", "Content-Type: text/html; charset=utf-8"), Answered(80, "http", 200, "text/html")),
        (http("302 Found", "Location: /login?a=b"), Answered(80, "http", 302, "", "/login?a=b", 204)),
        (http("302 Found", "Location: http://localhost/in"), Answered(80, "http", 302, "", "/in", 204)),
        (http("301 Moved", "Location: https://localhost/in"), Answered(80, "http", 301)),
        (http("301 Moved", "Location: http://elsewhere/in"), Answered(80, "http", 301)),
        (http("301 Moved", "Location: http://[bad/in"), Answered(80, "http", 301)),
        (http("400 Bad Request"), Answered(80, "http", 400)),
        (http("999 None"), Answered(80)),
        (
            lambda said: b"+PONG\r\n" if said == b"PING\r\n" else b"-ERR\r\n",
            Answered(80, sent="PING\r\n", came="+PONG"),
        ),
        (
            lambda said: b"VERSION 1\r\n" if said == b"version\r\n" else b"ERROR\r\n",
            Answered(80, sent="version\r\n", came="VERSION"),
        ),
        (lambda said: said, Answered(80)),
        (lambda said: b"", Answered(80)),
    ],
)
def test_what_it_speaks(answer: Callable[[bytes], bytes], expected: Answered) -> None:
    with served(answer) as address:
        assert ask(80, address) == expected


def test_one_that_speaks_first_is_asked_nothing() -> None:
    with served(lambda said: b"", b"220 mail ESMTP\r\n") as address:
        assert ask(25, address) == Answered(25, came="220")
    with served(lambda said: b"", b"\x4a\x00\xff\x0a") as address:
        assert ask(3306, address) == Answered(3306, came="?")
