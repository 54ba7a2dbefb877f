"""Where the container engine is: found as the docker command finds it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimtasks.errors import EngineError

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_SCHEMES = ("unix", "tcp", "ssh", "http", "https", "npipe")


@dataclass(frozen=True)
class Tls:
    """Paths of the PEM files for an engine behind TLS; empty where there is none."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True


@dataclass(frozen=True)
class Endpoint:
    """An engine's address, as in 'unix:///var/run/docker.sock', and what named it."""

    address: str
    source: str  # as in 'DOCKER_HOST', for messages
    context: str = "default"  # the docker context
    tls: Tls | None = None

    @property
    def scheme(self) -> str:
        return self.address.partition("://")[0]

    @property
    def local(self) -> bool:
        """Whether the engine is reached by a socket of this machine, so that its published loopback ports are ours."""
        return self.scheme in ("unix", "npipe")

    @property
    def socket_path(self) -> str:
        """The path of a unix socket."""
        return "/" + self.address.removeprefix("unix://").lstrip("/")

    def host_port(self) -> tuple[str, int]:
        """Host and port of a tcp address."""
        from urllib.parse import urlsplit

        parts = urlsplit(self.address)
        return parts.hostname or "127.0.0.1", parts.port or (2376 if self.tls else 2375)

    def __str__(self) -> str:
        return f"{self.address} ({self.source})"


def endpoint(environ: Mapping[str, str]) -> Endpoint:
    """DOCKER_HOST, else DOCKER_CONTEXT, else the configuration's currentContext, else the default socket.

    Raises EngineError where the address makes no sense or the context does not exist.
    """
    if host := environ.get("DOCKER_HOST"):
        return Endpoint(_address(host, "DOCKER_HOST"), "DOCKER_HOST", tls=_environment_tls(environ))
    folder = Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or Path.home(), ".docker"))
    name, source = environ.get("DOCKER_CONTEXT", ""), "DOCKER_CONTEXT"
    if not name:
        name, source = _current_context(folder / "config.json"), str(folder / "config.json")
    if not name or name == "default":
        return Endpoint(DEFAULT_ADDRESS, "the default")
    return _of_context(folder, name, source)


def _address(host: str, source: str) -> str:
    address = host if "://" in host else f"unix://{host}" if host.startswith("/") else f"tcp://{host}"
    scheme, _, rest = address.partition("://")
    if scheme not in _SCHEMES or not rest:
        raise EngineError(
            f"{source} says {host!r}, which is no address of a container engine",
            "write it as unix:///path/to/socket, tcp://host:port or ssh://user@host",
        )
    return address.rstrip("/") if scheme == "tcp" else address


def _environment_tls(environ: Mapping[str, str]) -> Tls | None:
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    folder = environ.get("DOCKER_CERT_PATH") or environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    return _tls(Path(folder), verify)


def _tls(folder: Path, verify: bool) -> Tls:
    ca, cert, key = (str(path) if (path := folder / f"{name}.pem").exists() else "" for name in ("ca", "cert", "key"))
    return Tls(ca, cert, key, verify)


def _current_context(config: Path) -> str:
    try:
        data = json.loads(config.read_bytes())
    except (OSError, ValueError):
        return ""  # the docker command, too, goes on without
    name = data.get("currentContext", "") if isinstance(data, dict) else ""
    return name if isinstance(name, str) else ""


def _of_context(folder: Path, name: str, source: str) -> Endpoint:
    """The endpoint of a context; docker keeps it below contexts/ by the SHA-256 of its name."""
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / key / "meta.json"
    try:
        docker: dict[str, Any] = json.loads(meta.read_bytes())["Endpoints"]["docker"]
        host = docker["Host"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(
            f"the docker context {name!r} (from {source}) cannot be read: {error}",
            "see `docker context ls`, or set DOCKER_HOST to the engine's address",
        ) from error
    certificates = folder / "contexts" / "tls" / key / "docker"
    tls = _tls(certificates, not docker.get("SkipTLSVerify")) if certificates.is_dir() else None
    return Endpoint(_address(host, f"context {name}"), f"context {name}", name, tls)
