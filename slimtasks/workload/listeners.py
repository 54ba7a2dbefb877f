"""Who listens in a network namespace: reads /proc/PID/net/tcp and tcp6 (proc(5))."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass

_LISTEN = "0A"  # TCP_LISTEN of include/net/tcp_states.h
_RESOLVER = "127.0.0.11"  # the engine's own, in each container of a network


@dataclass(frozen=True, order=True)
class Listener:
    """A TCP socket in state LISTEN."""

    port: int
    address: str  # '0.0.0.0', '::', '10.0.0.2', ...; an IPv4 address that is mapped into IPv6 as IPv4

    @property
    def loopback(self) -> bool:
        """Nothing outside its network namespace reaches it."""
        return ipaddress.ip_address(self.address).is_loopback

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_listeners(text: str) -> frozenset[Listener]:
    """The listeners in the content of `tcp`, of `tcp6`, or of both one after the other; header lines are skipped.

    The engine's resolver is none: nobody of the container has started it.
    """
    rows = (line.split() for line in text.splitlines())
    found = (_listener(row[1]) for row in rows if len(row) > 3 and row[3] == _LISTEN)
    return frozenset(listener for listener in found if listener.address != _RESOLVER)


def _listener(local: str) -> Listener:
    address, _, port = local.partition(":")
    words = (int(address[i : i + 8], 16) for i in range(0, len(address), 8))
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)  # each word is in the host's byte order
    found = ipaddress.ip_address(packed)
    return Listener(int(port, 16), str(getattr(found, "ipv4_mapped", None) or found))
