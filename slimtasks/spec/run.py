"""How a container of the image is started: a Compose service."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from slimtasks.spec.fields import (
    Bytes,
    Command,
    Exposed,
    OneOrMany,
    Pairs,
    Parsed,
    PortNumber,
    Seconds,
    TargetPath,
    Variables,
    Word,
    matching,
    one_or_many,
    spelled,
)
from slimtasks.spec.healthcheck import Healthcheck


@dataclass(frozen=True)
class Volume:
    """One mount. Its `source` is an absolute host path for bind, a name (or empty) for volume, empty for tmpfs."""

    target: TargetPath
    source: str = ""
    type: Literal["bind", "volume", "tmpfs"] = "volume"
    read_only: bool = False
    relative: bool = False  # written relative to its file, so the engine may have to be given a copy
    content: Pairs = ()  # files that it has from the start: name below `target`, or '.' for that itself, and text
    mode: int = 0o644  # of these
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = spelled("_", relative="@relative", content="@content", mode="@mode")


@dataclass(frozen=True)
class Port:
    """A port of the container, and where the user wants to see it on the host."""

    target: PortNumber
    published: str = ""  # a port or a range of the host; empty: any
    host_ip: str = ""
    protocol: Literal["tcp", "udp"] = "tcp"
    __pydantic_config__ = spelled("_")


@dataclass(frozen=True)
class Ulimit:
    """One resource limit; -1 is no limit."""

    name: str
    soft: int
    hard: int
    __pydantic_config__ = spelled("_", name="@name")


@dataclass(frozen=True)
class Dependency:
    """A service that has to be there before the container starts, and how far it has to be by then."""

    name: str
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"] = "service_started"
    __pydantic_config__ = spelled("_", name="@name")


_Capability = Annotated[str, Parsed(matching(r"[A-Z_]+", "a capability in capitals, such as NET_ADMIN, or ALL"))]
_Platform = Annotated[str, Parsed(matching(r"linux/[a-z0-9]+(/v[0-9]+)?", "linux/ARCHITECTURE, as in 'linux/arm64'"))]
_Signal = Annotated[str, Parsed(matching(r"(SIG)?[A-Z][A-Z0-9+-]*|[1-9][0-9]?", "a signal such as SIGTERM"))]


@dataclass(frozen=True)
class Run:
    """The keys of a Compose service that are known; None and empty leave it to the image or the engine."""

    command: Command | None = None
    entrypoint: Command | None = None
    environment: Variables = ()  # no value: taken from the caller, never written anywhere
    env_file: Annotated[tuple[Path, ...], Parsed(one_or_many)] = ()  # absolute host paths
    user: str = ""
    working_dir: str = ""
    volumes: tuple[Volume, ...] = ()
    tmpfs: OneOrMany = ()  # '/run' or '/run:size=1m,mode=700'
    ports: tuple[Port, ...] = ()
    expose: tuple[Exposed, ...] = ()  # '80/tcp'
    cap_add: tuple[_Capability, ...] = ()
    cap_drop: tuple[_Capability, ...] = ()
    security_opt: tuple[str, ...] = ()
    read_only: bool = False
    init: bool = False
    tty: bool = False
    stdin_open: bool = False
    hostname: str = ""
    extra_hosts: tuple[str, ...] = ()  # 'name:address'
    ulimits: tuple[Ulimit, ...] = ()
    shm_size: Bytes | None = None
    sysctls: Pairs = ()
    devices: tuple[Word, ...] = ()  # '/dev/fuse' or '/dev/a:/dev/b:rwm'
    mem_limit: Bytes | None = None
    stop_signal: _Signal = ""
    stop_grace_period: Seconds | None = None
    platform: _Platform = ""
    healthcheck: Healthcheck | None = None  # over the image's, where the container is tried
    depends_on: tuple[Dependency, ...] = ()  # on services
    aliases: tuple[str, ...] = ()  # more names that it has on the network
    __pydantic_config__ = spelled("_", aliases="@aliases")
