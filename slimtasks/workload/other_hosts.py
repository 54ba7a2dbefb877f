"""Tells from what a program printed that it asked for another host in vain: a database, or the internet."""

from __future__ import annotations

import re

# What resolvers say in programs' messages: glibc, musl, busybox, Go, Node.js, Java.
_UNKNOWN = re.compile(
    r"name or service not known|name does not resolve|name resolution|no such host|bad address|unknown ?host"
    r"|could not resolve|getaddrinfo|no address associated",
    re.IGNORECASE,
)
_UNREACHED = re.compile(r"network is unreachable|no route to host|ENETUNREACH|EHOSTUNREACH", re.IGNORECASE)
HINT = (
    "it asks for another host, which its container cannot find: let it be one of `services:`, or give its address in "
    "`run: extra_hosts:`; if it is one of the internet, containers of this engine need a way there"
)


def is_unknown(printed: str) -> bool:
    """Whether a host's name was looked up in vain."""
    return bool(_UNKNOWN.search(printed))


def hint_for(printed: str) -> str:
    """What to do where another host was asked for in vain; empty where none was."""
    return HINT if is_unknown(printed) or _UNREACHED.search(printed) else ""
