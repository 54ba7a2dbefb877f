"""Which images the engine has: one request, without the SDK, for runs that have nothing else to ask."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping

from slimtasks.engine.endpoint import Endpoint, endpoint
from slimtasks.engine.failure import Gone, explained, refused

_TIMEOUT = 30.0  # seconds
_DOING = "listing images"


def images(environ: Mapping[str, str] = os.environ) -> dict[str, tuple[str, ...]]:
    """The tags of each of the engine's images by its id ('sha256:...'), less the classic builder's intermediate ones.

    Raises EngineError where the engine cannot be reached.
    """
    where = endpoint(environ)
    if where.tls or where.scheme not in ("unix", "tcp"):
        from slimtasks.engine.connection import Connection

        found = Connection(where).json("GET", "/images/json", doing=_DOING)
    else:
        with explained(str(where), _DOING):
            found = json.loads(_get(where, "/images/json"))
    return {image["Id"]: tuple(image["RepoTags"] or ()) for image in found}


def _get(where: Endpoint, path: str) -> bytes:
    """The body of the answer; HTTP/1.0, so that it comes unchunked and ends where the connection does."""
    with _connected(where) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            status = answer.readline().split(maxsplit=2)
            length = -1
            while header := answer.readline().strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            body = answer.read()
    if len(status) < 2 or (0 <= length != len(body)):
        raise Gone(f"the container engine at {where} went away while {_DOING}", "run the same command again")
    if status[1] != b"200":
        raise refused(_DOING, body.decode(errors="replace"), int(status[1]))
    return body


def _connected(where: Endpoint) -> socket.socket:
    if where.scheme == "tcp":
        return socket.create_connection(where.host_port(), _TIMEOUT)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_TIMEOUT)
        connection.connect(where.socket_path)
    except BaseException:
        connection.close()
        raise
    return connection
