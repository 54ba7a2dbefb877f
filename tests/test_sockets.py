"""Tests reach no socket that their marker does not name."""

from __future__ import annotations

import socket

import pytest


def test_an_unmarked_test_reaches_nothing() -> None:
    with pytest.raises(pytest.fail.Exception, match="connects to"):
        socket.create_connection(("127.0.0.1", 9), timeout=1)


@pytest.mark.loopback
def test_loopback_is_reached_but_no_engine_and_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(pytest.fail.Exception, match=r"docker\.sock"):
        client.connect("/var/run/docker.sock")
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match="192"):
        client.connect_ex(("192.0.2.1", 9))
