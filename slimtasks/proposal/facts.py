"""What an image says of how it wants to be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    ports = (port if "/" in port else f"{port}/tcp" for port in config.get("ExposedPorts") or ())
    return Facts(
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        user=config.get("User") or "",
        working_dir=config.get("WorkingDir") or "",
        volumes=tuple(sorted(config.get("Volumes") or ())),
        ports=tuple(sorted(ports, key=lambda port: (int(port.partition("/")[0]), port))),
        healthcheck=health_command(config),
    )
