from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from slimtasks.spec.steps import Http, Tcp
from slimtasks.workload.failure import StepFailed
from slimtasks.workload.http import Answer, check_http, mismatches
from slimtasks.workload.tcp import check_tcp

pytestmark = pytest.mark.loopback

PAGE = Answer(200, "OK", (("Content-Type", "text/html"), ("ETag", '"1"')), b"<!DOCTYPE html>\r\n<p>hello\r\n")
ZIPPED = Answer(200, "OK", (("Content-Encoding", "gzip"),), gzip.compress(b"hello"))


@pytest.mark.parametrize(
    ("action", "answer", "wrong"),
    [
        (Http(), PAGE, ""),
        (Http(status=404), PAGE, "status 200 instead of 404"),
        (Http(headers=("content-type: text/html",), body=("/^<p>hello$/", "!absent")), PAGE, ""),
        (Http(headers=("Content-Type: text/css",)), PAGE, "headers: not met: Content-Type: text/css"),
        (Http(body=("bye", "!hello")), PAGE, "body: not met: bye | body: not met: !hello"),
        (Http(request_headers=("Accept-Encoding: gzip",), body=("hello",)), ZIPPED, ""),
        (Http(request_headers=("accept-encoding: br, gzip",), body=("bye",)), ZIPPED, "body: not met: bye"),
        (Http(body=("hello",)), ZIPPED, "body: not met: hello"),
        (Http(status=500, body=("x",)), PAGE, "status 200 instead of 500 | body: not met: x"),
        (Http(probe=True), replace(PAGE, status=302), ""),
        (Http(probe=True), replace(PAGE, status=404), "status 404 instead of 200 to 399"),
    ],
)
def test_mismatches(action: Http, answer: Answer, wrong: str) -> None:
    assert " | ".join(mismatches(action, answer)) == wrong


@contextmanager
def server(answer: bytes, close: bool = True) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """Serves one connection: takes what comes first, sends `answer`."""
    received: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            received.append(connection.recv(65536))
            while b"Content-Length: 3" in received[0] and not received[0].endswith("hé".encode()):
                received[0] += connection.recv(65536)
            connection.sendall(answer)
            if not close:
                done.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield ("127.0.0.1", listening.getsockname()[1]), received
        done.set()
        thread.join(10)


def test_a_probe_is_sent_until_the_answer_is_good() -> None:
    answers = [b"", b"HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"]

    def serve() -> None:
        for answer in answers:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        check_http(Http(probe=True), ("127.0.0.1", listening.getsockname()[1]), 10)
        thread.join(10)


def test_the_request_names_the_containers_port_not_the_published_one() -> None:
    with server(b"HTTP/1.1 204 No Content\r\n\r\n") as (address, received):
        action = Http(port=8080, path="/a?b", method="PUT", request_headers=("X-A: 1",), request_body="hé", status=204)
        check_http(action, address, 5)
    assert received[0].decode().splitlines() == [
        "PUT /a?b HTTP/1.1",
        "Host: localhost:8080",
        "Accept: */*",
        "User-Agent: slimtasks",
        "Connection: close",
        "Content-Length: 3",
        "X-A: 1",
        "",
        "hé",
    ]


def test_a_header_of_the_spec_replaces_the_usual_one() -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (address, received):
        check_http(Http(request_headers=("host: example.test", "User-Agent: probe")), address, 5)
    assert b"localhost" not in received[0] and b"host: example.test" in received[0]
    assert b"slimtasks" not in received[0]


@pytest.mark.parametrize(
    ("answer", "close", "what"),
    [
        (b"", True, "no answer: the connection was closed or refused"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", True, "no answer: the body ended 5 bytes early"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", False, "no whole answer after 0.3 s"),
        (b"SSH-2.0-x\r\n", True, "no answer: this is not HTTP: SSH-2.0-x"),
    ],
)
def test_answers_that_are_none(answer: bytes, close: bool, what: str) -> None:
    with server(answer, close) as (address, _), pytest.raises(StepFailed) as failure:
        check_http(Http(), address, 0.3)
    assert failure.value.what == what


def test_a_wrong_answer_shows_what_was_sent_expected_and_came() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nServer: x\r\n\r\ngone"
    with server(answer) as (address, _), pytest.raises(StepFailed) as failure:
        check_http(Http(path="/p", body=("here",)), address, 5)
    assert failure.value.text() == (
        "status 404 instead of 200\n"
        "  sent:     GET http://localhost:80/p\n"
        "  expected: body: not met: here\n"
        "  came:     404 Not Found\n"
        "    Content-Length: 4\n"
        "    Server: x\n"
        "    gone"
    )


def test_no_tls_where_it_is_expected() -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (address, _), pytest.raises(StepFailed) as failure:
        check_http(Http(scheme="https", port=443, allow_insecure=True), address, 5)
    assert "scheme: http" in failure.value.hint


@pytest.mark.parametrize(
    ("expect", "close", "what"),
    [
        (("+PONG",), False, ""),
        (("+PONG", "!ERR"), False, ""),
        (("!ERR",), False, ""),
        (("!ERR",), True, ""),
        ((), True, ""),
        (("/^.PONG$/",), True, ""),
        (("+PING",), True, "not met when the connection was closed: +PING"),
        (("+PING",), False, "not met after 0.4 s: +PING"),
        (("!PONG",), True, "not met when the connection was closed: !PONG"),
        (("+PONG", "!PO"), False, "not met in what came: !PO"),
    ],
)
def test_tcp(expect: tuple[str, ...], close: bool, what: str) -> None:
    with server(b"+PONG\r\n", close) as (address, received):
        try:
            check_tcp(Tcp(port=6379, send="PING\r\n", expect=expect), address, 0.4)
            came = ""
        except StepFailed as failure:
            came = failure.what
    assert came == what
    assert received in ([b"PING\r\n"], [b""])


def test_tcp_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = ("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(StepFailed, match="no connection: Connection refused"):
        check_tcp(Tcp(port=1), address, 1)


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[str, int]]:
    """Serves one TLS connection with a certificate that nobody trusts."""
    pem = folder / "server.pem"
    pem.write_text(UNTRUSTED)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(65536)
            wrapped.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "127.0.0.1", listening.getsockname()[1]
        thread.join(10)


def test_https_with_an_untrusted_certificate(tmp_path: Path) -> None:
    action = Http(scheme="https", port=443, body=("secret",))
    with tls_server(tmp_path) as address:
        check_http(replace(action, allow_insecure=True), address, 5)
    with tls_server(tmp_path) as address, pytest.raises(StepFailed, match="certificate verify failed") as failure:
        check_http(action, address, 5)
    assert "allow-insecure" in failure.value.hint


UNTRUSTED = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgteixG7O4La3mcPhU
o6nZ6sCTRkpHOSnmOBQ+kN8AHQuhRANCAAQwUQs80H8Z9F497ZaX5TDorCmhLl9V
v4Dn5ZYAPMhJaJOtDJyUnpylvhKdSLysMO/6254HRNSQebYM6sWK9AdI
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBljCCATugAwIBAgIUS77fI4QTcHlyl4Kmscz4SUFGxY0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDAzNDMzNloYDzIxMjYxMDMx
MDM0MzM2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQwUQs80H8Z9F497ZaX5TDorCmhLl9Vv4Dn5ZYAPMhJaJOtDJyUnpyl
vhKdSLysMO/6254HRNSQebYM6sWK9AdIo2kwZzAdBgNVHQ4EFgQUgR0hiq2qItC6
EabCO4ZP2Ka36TowHwYDVR0jBBgwFoAUgR0hiq2qItC6EabCO4ZP2Ka36TowDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SQAwRgIhAIUb7xZOzfR6IlfD8KeLTMXrzqcNKcUjkwwskmwayoBIAiEAkWv7eJRb
fDRdbeYhhnxytGv8iefK22GvKreYSmYGK98=
-----END CERTIFICATE-----
"""
