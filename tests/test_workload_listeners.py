from __future__ import annotations

import socket
from pathlib import Path

import pytest

from slimtasks.workload.listeners import Listener, parse_listeners

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 2 1 0 100 0 0 10 0
   2: 020011AC:0050 010011AC:D431 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 20 4 30 10 -1
   3: 020011AC:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1 0 100 0 0 10 0
   4: 0B00007F:9C4F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:18EB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   1: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   2: 0000000000000000FFFF00000100007F:0035 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
"""


@pytest.mark.skipif("__import__('sys').byteorder != 'little'")
def test_both_tables() -> None:
    shown = [f"{listener}{' loopback' * listener.loopback}" for listener in sorted(parse_listeners(TCP + TCP6))]
    assert shown == [
        "[::1]:25 loopback",
        "127.0.0.1:53 loopback",
        "0.0.0.0:80",
        "172.17.0.2:443",
        "127.0.0.1:5432 loopback",
        "[::]:6379",
    ]


@pytest.mark.loopback
def test_an_own_socket_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert Listener(port, "127.0.0.1") in parse_listeners(Path("/proc/self/net/tcp").read_text())
    assert Listener(port, "127.0.0.1") not in parse_listeners(Path("/proc/self/net/tcp").read_text())


def test_nothing_listens() -> None:
    assert parse_listeners("") == frozenset()
