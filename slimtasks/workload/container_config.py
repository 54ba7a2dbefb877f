"""How the engine is asked for a container: the Compose keys of `run` over an image's config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slimtasks.engine.config import ContainerConfig, Ulimit
from slimtasks.errors import SlimError
from slimtasks.spec.env_file import parse_env_file
from slimtasks.spec.port_range import port_range
from slimtasks.spec.run import Run, Volume
from slimtasks.spec.steps import Http, Step, Tcp, Wait
from slimtasks.workload.volumes import Volumes

_LAST_PORT = 65535


def container_config(
    run: Run,
    file: Path,
    image_id: str,
    volumes: Volumes,
    environ: Mapping[str, str],
    *,
    command: tuple[str, ...] | None = None,
    more_volumes: tuple[Volume, ...] = (),
) -> ContainerConfig:
    """A container of `image_id` as `run` in `file` says; `command` replaces its arguments, the entrypoint stays.

    Its HEALTHCHECK is not left to the engine: `readiness` runs it, so that it is traced and not polled slowly.
    """
    mounted = {volume.target: volume for volume in (*run.volumes, *more_volumes)}  # a step's beat those of `run`
    wanted = tuple(mounted.values())
    return ContainerConfig(
        image=image_id,
        entrypoint=run.entrypoint,
        command=run.command if command is None else command,
        env=environment(run, file, environ),
        user=run.user,
        working_dir=run.working_dir,
        binds=volumes.binds(wanted),
        volumes=volumes.mounts(wanted),
        tmpfs=_tmpfs(run, wanted),
        exposed=tuple(sorted({*run.expose, *(f"{port.target}/{port.protocol}" for port in run.ports)})),
        cap_add=run.cap_add,
        cap_drop=run.cap_drop,
        security_opt=run.security_opt,
        read_only=run.read_only,
        init=run.init or None,
        tty=run.tty,
        stdin_open=run.stdin_open,
        hostname=run.hostname,
        extra_hosts=run.extra_hosts,
        ulimits=tuple(Ulimit(limit.name, limit.soft, limit.hard) for limit in run.ulimits),
        shm_size=run.shm_size or 0,
        sysctls=run.sysctls,
        devices=run.devices,
        mem_limit=run.mem_limit or 0,
        stop_signal=run.stop_signal,
        platform=run.platform,
        healthcheck=False,
    )


def environment(run: Run, file: Path, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What the container gets of env_file and environment, sorted; SlimError where the caller has to set a variable."""
    found: dict[str, str] = {}
    for path in run.env_file:
        found.update(parse_env_file(_content(file, path), path.name, environ))
    for name, value in run.environment:
        if value is None and name not in environ:
            what = f"{_place(file, name)}: environment: {name} has no value, and is not set in the environment"
            raise SlimError(what, f"export {name}=..., or give it a value in the spec")
        found[name] = environ[name] if value is None else value
    return tuple(sorted(found.items()))


def exposed_ports(run: Run, config: Mapping[str, Any]) -> frozenset[int]:
    """The TCP ports that the image's config, `expose` and `ports` name."""
    spelled = (entry.partition("/") for entry in run.expose)
    named = {*ports_of(config), *((int(number), protocol) for number, _, protocol in spelled)}
    named |= {(port.target, port.protocol) for port in run.ports}
    return frozenset(number for number, protocol in named if protocol == "tcp")


def ports_of(config: Mapping[str, Any]) -> frozenset[tuple[int, str]]:
    """(number, protocol) of each port that the image's config exposes.

    Builders write one for each of a range, but a config may have '8000-8010/tcp', or what is no port: engines start a
    container of it as if it was not there.
    """
    entries = (entry.partition("/") for entry in config.get("ExposedPorts") or ())
    return frozenset(
        (number, protocol.lower() or "tcp")
        for written, _, protocol in entries
        for number in port_range(written if "-" in written else f"{written}-{written}")
        if 1 <= number <= _LAST_PORT
    )


def used_ports(steps: Iterable[Step]) -> frozenset[int]:
    """The TCP ports that the steps talk to or wait for."""
    actions = [step.action for step in steps]
    return frozenset(action.port for action in actions if isinstance(action, (Http, Tcp, Wait)) and action.port)


def _tmpfs(run: Run, volumes: Iterable[Volume]) -> tuple[tuple[str, str], ...]:
    given = (entry.partition(":") for entry in run.tmpfs)
    return (*((path, options) for path, _, options in given), *((v.target, "") for v in volumes if v.type == "tmpfs"))


def _content(file: Path, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SlimError(f"{file}: env_file: cannot read {path}: {error}") from error


def _place(file: Path, name: str) -> str:
    """File and line of the variable in the spec, as far as its text shows it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    pattern = re.compile(rf"(^|[^\w]){re.escape(name)}(?!\w)")
    numbers = [number for number, line in enumerate(lines, 1) if pattern.search(line)]
    return f"{file}:{numbers[0]}" if numbers else str(file)
