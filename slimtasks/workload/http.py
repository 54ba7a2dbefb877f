"""The step `http`: one request, and what its answer must be."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import zlib
from dataclasses import dataclass

from slimtasks.spec.steps import Http
from slimtasks.workload.clock import in_seconds
from slimtasks.workload.expect import shortened, text_of, unmet, unmet_headers
from slimtasks.workload.failure import StepFailed

BODY_LIMIT = 8 << 20  # bytes of a body that are kept; more is read and dropped
HEALTHY = range(200, 400)  # what a probe takes: kubernetes.io, "Configure Liveness, Readiness and Startup Probes"
PAUSE = 0.2  # seconds between two tries of a probe


@dataclass(frozen=True)
class Answer:
    """What a server sent back; redirects are not followed."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes  # at most BODY_LIMIT of it, as it came

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())


def check_http(action: Http, address: tuple[str, int], timeout: float) -> None:
    """Sends the request; StepFailed unless the answer is as `action` says within `timeout` seconds.

    A probe is sent again until it is.
    """
    deadline = time.monotonic() + timeout
    while action.probe and time.monotonic() < deadline - PAUSE:
        try:
            _check_once(action, address, deadline - time.monotonic())
            return
        except StepFailed:
            time.sleep(PAUSE)
    _check_once(action, address, max(PAUSE, deadline - time.monotonic()) if action.probe else timeout)


def _check_once(action: Http, address: tuple[str, int], timeout: float) -> None:
    try:
        answer = fetch(action, address, timeout)
    except TimeoutError:
        raise StepFailed(f"no whole answer after {in_seconds(timeout)}", sent=_sent(action)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StepFailed(f"no answer: {_cause(error)}", sent=_sent(action), hint=_hint(error)) from error
    wrong = mismatches(action, answer)
    if wrong:
        raise StepFailed(wrong[0], sent=_sent(action), expected="\n".join(wrong[1:]), came=_came(action, answer))


def mismatches(action: Http, answer: Answer) -> list[str]:
    """What of `answer` is not as `action` wants it, a sentence each."""
    wrong = []
    if answer.status not in (HEALTHY if action.probe else (action.status,)):
        wanted = f"{HEALTHY[0]} to {HEALTHY[-1]}" if action.probe else action.status
        wrong.append(f"status {answer.status} instead of {wanted}")
    wrong += [f"headers: not met: {source}" for source in unmet_headers(action.headers, answer.headers)]
    if action.body:
        wrong += [f"body: not met: {source}" for source in unmet(action.body, _text(action, answer))]
    return wrong


def fetch(action: Http, address: tuple[str, int], timeout: float) -> Answer:
    """What is answered to the request; raises OSError, HTTPException or ValueError."""
    deadline = time.monotonic() + timeout
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    headers = _request_headers(action)
    named = next(value for name, value in headers if name.lower() == "host")
    try:
        connection.sock = _connect(action, address, named, timeout)
        connection.putrequest(action.method, action.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(action.request_body.encode() or None)
        response = connection.getresponse()
        body = _body(response, deadline)
        return Answer(response.status, response.reason, tuple(response.getheaders()), body)
    finally:
        connection.close()


def _connect(action: Http, address: tuple[str, int], host: str, timeout: float) -> socket.socket:
    plain = socket.create_connection(address, timeout)
    if action.scheme != "https":
        return plain
    context = ssl.create_default_context()
    if action.allow_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(plain, server_hostname=host.rsplit(":", 1)[0].strip("[]"))
    except BaseException:
        plain.close()
        raise


def _request_headers(action: Http) -> list[tuple[str, str]]:
    """The headers of the spec, after a Host that doesn't change with the published port."""
    lines = (line.partition(":") for line in action.request_headers)
    given = [(name.strip(), value.strip()) for name, _, value in lines]
    names = {name.lower() for name, _ in given}
    usual = [("Host", _authority(action)), ("Accept", "*/*"), ("User-Agent", "slimtasks"), ("Connection", "close")]
    if action.request_body:
        usual.append(("Content-Length", str(len(action.request_body.encode()))))
    return [(name, value) for name, value in usual if name.lower() not in names] + given


def _authority(action: Http) -> str:
    default = 443 if action.scheme == "https" else 80
    return "localhost" if action.port == default else f"localhost:{action.port}"


def _body(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, read to its end; TimeoutError past `deadline`, IncompleteRead where it ends early."""
    kept = bytearray()
    while chunk := response.read1(1 << 16):
        kept += chunk[: max(0, BODY_LIMIT - len(kept))]
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:
        raise http.client.IncompleteRead(bytes(kept), response.length)
    return bytes(kept)


def _text(action: Http, answer: Answer) -> str:
    """The body as text, out of gzip where the request asked for that."""
    asked = " ".join(line.lower() for line in action.request_headers if line.lower().startswith("accept-encoding"))
    if "gzip" not in asked or answer.header("content-encoding").lower() != "gzip":
        return text_of(answer.body)
    try:
        return text_of(zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(answer.body, BODY_LIMIT))
    except zlib.error as error:
        raise StepFailed(f"the body is not gzip, as its Content-Encoding says: {error}", sent=_sent(action)) from error


def _sent(action: Http) -> str:
    lines = [f"{action.method} {action.scheme}://localhost:{action.port}{action.path}", *action.request_headers]
    return "\n".join([*lines, *([shortened(action.request_body)] if action.request_body else [])])


def _came(action: Http, answer: Answer) -> str:
    lines = [f"{answer.status} {answer.reason}", *(f"{name}: {value}" for name, value in answer.headers), ""]
    return "\n".join(lines) + shortened(_text(action, answer))


def _cause(error: Exception) -> str:
    if isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
        return "the connection was closed or refused"
    if isinstance(error, http.client.IncompleteRead):
        return f"the body ended {error.expected} bytes early"
    if isinstance(error, http.client.BadStatusLine):
        return f"this is not HTTP: {str(error).strip()}"
    return str(error) or type(error).__name__


def _hint(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "a certificate of its own making needs `allow-insecure: true`"
    if isinstance(error, ssl.SSLError):
        return "does this port speak TLS? If not, use `scheme: http`"
    return ""
