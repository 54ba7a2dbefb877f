"""Asks whoever listens on a TCP port what it speaks."""

from __future__ import annotations

import http.client
import re
import socket
from urllib.parse import urlsplit

from slimtasks.proposal.seen import Answered
from slimtasks.spec.steps import Http
from slimtasks.workload.http import Answer, fetch

_GREETING = 0.5  # seconds in which a server speaks first, if it does
_ANSWER = 10.0  # seconds for an answer
_LIMIT = 200  # bytes that are read of what is no HTTP
_WORDS = (("PING\r\n", "+PONG"), ("version\r\n", "VERSION"))
"""What servers without a greeting are asked, and how the answer begins of one that understands: Redis, memcached."""


def ask(port: int, address: tuple[str, int]) -> Answered:
    """How the server at `address`, which leads to the container's `port`, answers."""
    came = _exchange(address, "", _GREETING)
    if came:
        return Answered(port, came=_first_word(came))
    found = _http(port, address, "http")
    if found is None or found.status == 400:  # the answer of many to HTTP on a port for TLS
        found = _http(port, address, "https") or found
    if found:
        return found
    for sent, expected in _WORDS:
        if _exchange(address, sent, _GREETING).startswith(expected.encode()):
            return Answered(port, sent=sent, came=expected)
    return Answered(port)


def _http(port: int, address: tuple[str, int], scheme: str) -> Answered | None:
    answer = _got(port, address, scheme, "/")
    if answer is None or not 100 <= answer.status <= 599:
        return None
    leads_to = _on_the_same(answer.header("location"), scheme, port) if 300 <= answer.status < 400 else ""
    further = _got(port, address, scheme, leads_to) if leads_to else None
    return Answered(
        port,
        scheme,
        answer.status,
        answer.header("content-type").partition(";")[0].strip(),
        leads_to if further else "",
        further.status if further else 0,
    )


def _got(port: int, address: tuple[str, int], scheme: str, path: str) -> Answer | None:
    """What is answered to a GET; None for no HTTP."""
    request = Http(port=port, path=path, scheme="https" if scheme == "https" else "http", allow_insecure=True)
    try:
        return fetch(request, address, _ANSWER)
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _on_the_same(location: str, scheme: str, port: int) -> str:
    """The path that a redirect leads to; empty where that is another server, or what it was."""
    try:
        parts = urlsplit(location)
        there = parts.port or (port if not parts.netloc else {"http": 80, "https": 443}[scheme])
    except ValueError:  # no address
        return ""
    same = parts.hostname in (None, "localhost") and parts.scheme in ("", scheme) and there == port
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return path if same and path != "/" and re.fullmatch(r"/[^\s]*", path) else ""


def _exchange(address: tuple[str, int], sent: str, timeout: float) -> bytes:
    """How the answer begins; empty for none in `timeout` seconds."""
    try:
        with socket.create_connection(address, _ANSWER) as connection:
            connection.sendall(sent.encode())
            connection.settimeout(timeout)
            return connection.recv(_LIMIT)
    except OSError:
        return b""


def _first_word(came: bytes) -> str:
    """Of a greeting in letters; '?' for one in a language of machines."""
    text = came.decode("ascii", "replace").split()
    return text[0] if text and text[0].isprintable() and "\ufffd" not in text[0] else "?"
