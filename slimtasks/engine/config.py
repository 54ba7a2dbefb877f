"""How a container is made: our words, and the Engine API's body for them (ContainerCreate)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mount:
    """Something mounted at `target`: a path of the engine's host, or a volume by name ('' for an anonymous one)."""

    source: str
    target: str
    read_only: bool = False
    no_copy: bool = False  # of a volume: leave out what the image has at `target`


@dataclass(frozen=True)
class Ulimit:
    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class Port:
    """A port of the container, published on the engine's host; `host_port` 0 is any free one."""

    number: int
    protocol: str = "tcp"
    host_ip: str = "127.0.0.1"
    host_port: int = 0

    @property
    def key(self) -> str:
        return f"{self.number}/{self.protocol}"


@dataclass(frozen=True)
class ContainerConfig:
    """All that a container is made from; a default leaves it to the image, or to the engine."""

    image: str
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None  # where empty, and no entrypoint is given, the engine takes the image's
    env: tuple[tuple[str, str | None], ...] = ()  # a value of None is left out
    user: str = ""
    working_dir: str = ""
    binds: tuple[Mount, ...] = ()
    volumes: tuple[Mount, ...] = ()
    tmpfs: tuple[tuple[str, str], ...] = ()  # (path, mount options)
    published: tuple[Port, ...] = ()
    exposed: tuple[str, ...] = ()  # '80/tcp'
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    read_only: bool = False
    privileged: bool = False
    init: bool | None = None
    tty: bool = False
    stdin_open: bool = False
    stdin_once: bool = False  # stdin ends when the attached stream is half closed
    hostname: str = ""
    extra_hosts: tuple[str, ...] = ()  # 'name:address'
    ulimits: tuple[Ulimit, ...] = ()
    shm_size: int = 0  # bytes
    sysctls: tuple[tuple[str, str], ...] = ()
    devices: tuple[str, ...] = ()  # '/dev/x[:/dev/y[:rwm]]'
    mem_limit: int = 0  # bytes
    stop_signal: str = ""
    stop_timeout: int | None = None  # seconds
    platform: str = ""
    network: str = ""  # '', 'none', 'host', 'container:ID' or a network's name
    network_aliases: tuple[str, ...] = ()
    pid_mode: str = ""
    userns_mode: str = ""
    ipc_mode: str = ""
    group_add: tuple[str, ...] = ()
    log_driver: str = ""
    healthcheck: bool = True  # False: the image's HEALTHCHECK is not run
    labels: tuple[tuple[str, str], ...] = ()
    name: str = ""


def body(config: ContainerConfig, labels: dict[str, str]) -> dict[str, Any]:
    """The body of POST /containers/create."""
    result = _filled(
        Image=config.image,
        Entrypoint=None
        if config.entrypoint is None
        else list(config.entrypoint) or [""],  # [""] takes the image's away
        Cmd=None if config.command is None else list(config.command),
        Env=[f"{name}={value}" for name, value in config.env if value is not None],
        User=config.user,
        WorkingDir=config.working_dir,
        Hostname=config.hostname,
        Tty=config.tty,
        OpenStdin=config.stdin_open,
        StdinOnce=config.stdin_once,
        StopSignal=config.stop_signal,
        StopTimeout=config.stop_timeout,
        ExposedPorts={key: {} for key in (*config.exposed, *(port.key for port in config.published))},
    )
    if not config.healthcheck:
        result["Healthcheck"] = {"Test": ["NONE"]}
    result["Labels"] = {**dict(config.labels), **labels}
    result["HostConfig"] = _host_config(config)
    if config.network_aliases:
        endpoint = {"Aliases": list(config.network_aliases)}
        result["NetworkingConfig"] = {"EndpointsConfig": {config.network: endpoint}}
    return result


def _host_config(config: ContainerConfig) -> dict[str, Any]:
    return _filled(
        Mounts=[*map(_bind, config.binds), *map(_volume, config.volumes)],
        Tmpfs=dict(config.tmpfs),
        PortBindings=_port_bindings(config.published),
        CapAdd=list(config.cap_add),
        CapDrop=list(config.cap_drop),
        SecurityOpt=list(config.security_opt),
        ReadonlyRootfs=config.read_only,
        Privileged=config.privileged,
        Init=config.init,
        ExtraHosts=list(config.extra_hosts),
        Ulimits=[{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in config.ulimits],
        ShmSize=config.shm_size,
        Sysctls=dict(config.sysctls),
        Devices=[_device(device) for device in config.devices],
        Memory=config.mem_limit,
        NetworkMode=config.network,
        PidMode=config.pid_mode,
        UsernsMode=config.userns_mode,
        IpcMode=config.ipc_mode,
        GroupAdd=list(config.group_add),
        LogConfig={"Type": config.log_driver} if config.log_driver else None,
    )


def _filled(**fields: Any) -> dict[str, Any]:
    """The fields less those that say nothing; an empty entrypoint or command says something."""
    meant = {"Entrypoint", "Cmd", "Init", "StopTimeout"}
    return {key: value for key, value in fields.items() if (value is not None if key in meant else value)}


def _bind(mount: Mount) -> dict[str, Any]:
    return {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def _volume(mount: Mount) -> dict[str, Any]:
    options = {"VolumeOptions": {"NoCopy": True}} if mount.no_copy else {}
    source = {"Source": mount.source} if mount.source else {}
    return {"Type": "volume", **source, "Target": mount.target, "ReadOnly": mount.read_only, **options}


def _port_bindings(ports: tuple[Port, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        host = {"HostIp": port.host_ip, "HostPort": str(port.host_port or "")}
        bindings.setdefault(port.key, []).append(host)
    return bindings


def _device(device: str) -> dict[str, str]:
    parts = device.split(":")
    inside = parts[1] if len(parts) > 1 and parts[1] else parts[0]
    permissions = parts[2] if len(parts) > 2 else "rwm"
    return {"PathOnHost": parts[0], "PathInContainer": inside, "CgroupPermissions": permissions}
