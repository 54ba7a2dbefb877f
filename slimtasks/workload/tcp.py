"""The step `tcp`: bytes sent to a port, and what must come back."""

from __future__ import annotations

import socket
import time

from slimtasks.spec.steps import Tcp
from slimtasks.workload.clock import in_seconds
from slimtasks.workload.expect import is_negated, shortened, text_of, unmet
from slimtasks.workload.failure import StepFailed

SILENCE = 0.5  # seconds without a byte after which an answer that only has to lack something counts as whole
LIMIT = 1 << 20  # bytes of an answer that are waited for


def check_tcp(action: Tcp, address: tuple[str, int], timeout: float) -> None:
    """Sends and reads until every expectation is met; StepFailed where one is not within `timeout` seconds."""
    received = bytearray()
    ended = ""
    try:
        with socket.create_connection(address, timeout) as connection:
            connection.sendall(action.send.encode())
            ended = _receive(connection, action.expect, received, time.monotonic() + timeout)
    except TimeoutError:
        ended = f"after {in_seconds(timeout)}"
    except OSError as error:
        ended = f"when the connection failed: {error.strerror or error}"
        if not action.expect:
            raise StepFailed(f"no connection: {error.strerror or error}", sent=_sent(action)) from error
    wrong = unmet(action.expect, text_of(bytes(received)))
    if wrong:
        came = shortened(text_of(bytes(received))) or "nothing"
        raise StepFailed(f"not met {ended}: {wrong[0]}", sent=_sent(action), expected="\n".join(wrong), came=came)


def _receive(connection: socket.socket, expected: tuple[str, ...], received: bytearray, deadline: float) -> str:
    """Reads into `received` for as long as more can matter; says what ended it."""
    must = [source for source in expected if not is_negated(source)]
    if not expected:
        return ""
    while len(received) < LIMIT:
        if must and not unmet(must, text_of(bytes(received))):
            return "in what came"
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left if must else min(left, SILENCE))
        try:
            chunk = connection.recv(1 << 16)
        except TimeoutError:
            if must:
                raise
            return "in what came"
        if not chunk:
            return "when the connection was closed"
        received += chunk
    return f"in the first {LIMIT} bytes"


def _sent(action: Tcp) -> str:
    return f"to port {action.port}: {shortened(repr(action.send), 200)}"
