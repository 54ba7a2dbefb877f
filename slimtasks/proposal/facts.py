"""What an image says of how it wants to be run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slimtasks.spec.run import Run
from slimtasks.workload.container_config import ports_of
from slimtasks.workload.readiness import health_command


@dataclass(frozen=True)
class Facts:
    """The part of an image's config that says how a container of it runs."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    volumes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()  # '80/tcp', by their numbers
    healthcheck: tuple[str, ...] = ()

    @property
    def tcp(self) -> tuple[int, ...]:
        """The numbers of its TCP ports."""
        return tuple(int(port.partition("/")[0]) for port in self.ports if port.endswith("/tcp"))

    @property
    def serves(self) -> bool:
        """Whether it says that it is a service."""
        return bool(self.ports or self.healthcheck)


def facts_of(config: Mapping[str, Any]) -> Facts:
    """Those of an image's `config` (OCI image-spec, config.md, and Docker's further fields)."""
    return Facts(
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        working_dir=config.get("WorkingDir") or "",
        volumes=tuple(sorted(config.get("Volumes") or ())),
        ports=_by_number(f"{number}/{protocol}" for number, protocol in ports_of(config)),
        healthcheck=health_command(config),
    )


def started_by(facts: Facts, run: Run) -> Facts:
    """The same where `run` of a spec starts it: an entrypoint takes the image's command away, as everywhere."""
    if run.entrypoint is not None:
        facts = replace(facts, entrypoint=run.entrypoint, command=())
    if run.command is not None:
        facts = replace(facts, command=run.command)
    ports = {*facts.ports, *run.expose, *(f"{port.target}/{port.protocol}" for port in run.ports)}
    return replace(facts, ports=_by_number(ports))


def _by_number(ports: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(ports, key=lambda port: (int(port.partition("/")[0]), port)))
