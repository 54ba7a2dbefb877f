"""Builds image configs (OCI image-spec, config.md, and Docker's further fields): same input, same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from slimtasks.oci.document import json_bytes

KIND_LABEL = "io.github.slimtasks.kind"
"""The one label that every image of ours has: base, build or slim."""

_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"
_CARRIED = (
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
)


@dataclass(frozen=True)
class Overrides:
    """What `final` of a spec says of the config. None: as the fat image has it; pairs and ports add to it."""

    user: str | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    working_dir: str | None = None
    stop_signal: str | None = None
    healthcheck: tuple[str, ...] | None = None  # (): none
    expose: tuple[str, ...] = ()  # '80' or '53/udp'
    environment: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


NO_OVERRIDES = Overrides()


def image_config(
    fat: Mapping[str, Any],
    layers: Sequence[tuple[str, str]],
    *,
    kind: str,
    created: int,
    overrides: Overrides = NO_OVERRIDES,
    base_name: str = "",
    base_digest: str = "",
) -> bytes:
    """The config of an image of ours made of `layers`: (diff ID, created_by), lowest first; its sha256 is its digest.

    `fat` is a whole image config; `created` counts seconds since 1970; `base_name` and `base_digest` are OCI's
    annotations of that name. What the fat image has of these labels is left behind.
    """
    time = timestamp(created)
    config = {
        "architecture": fat.get("architecture") or "amd64",
        "config": _run_config(fat.get("config") or {}, kind, overrides, base_name, base_digest),
        "created": time,
        "history": [{"created": time, "created_by": created_by} for _, created_by in layers],
        "os": fat.get("os") or "linux",
        "rootfs": {"type": "layers", "diff_ids": [diff_id for diff_id, _ in layers]},
    }
    if fat.get("variant"):
        config["variant"] = fat["variant"]
    return json_bytes(config)


def with_healthcheck(config: Mapping[str, Any], command: tuple[str, ...] | None) -> dict[str, Any]:
    """An image's `Config` with that command for its HEALTHCHECK, whose times stay; (): with none, None: as it is."""
    if command is None:
        return dict(config)
    check = {"Healthcheck": {**(config.get("Healthcheck") or {}), "Test": ["CMD", *command]}} if command else {}
    return {**{key: value for key, value in config.items() if key != "Healthcheck"}, **check}


def timestamp(seconds: int) -> str:
    """RFC 3339 in UTC, as Docker writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(timestamp: str) -> int:
    """Its opposite, of what `timestamp` has written."""
    return int(datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S%z").timestamp())


def _run_config(
    fat: Mapping[str, Any], kind: str, overrides: Overrides, base_name: str, base_digest: str
) -> dict[str, Any]:
    config = with_healthcheck({key: fat[key] for key in _CARRIED if fat.get(key)}, overrides.healthcheck)
    for key, value in (
        ("User", overrides.user),
        ("Cmd", overrides.command),
        ("Entrypoint", overrides.entrypoint),
        ("WorkingDir", overrides.working_dir),
        ("StopSignal", overrides.stop_signal),
    ):
        if value is not None:
            config[key] = list(value) if isinstance(value, tuple) else value
    config["Env"] = _environment(config.get("Env", ()), overrides.environment)
    config["ExposedPorts"] = {**config.get("ExposedPorts", {}), **{_port(port): {} for port in overrides.expose}}
    config["Labels"] = _labels(config.get("Labels", {}), kind, overrides, base_name, base_digest)
    return {key: value for key, value in config.items() if value}


def _environment(fat: Sequence[str], added: Sequence[tuple[str, str]]) -> list[str]:
    """The fat image's variables in their order, then the new ones; a changed one stays where it is."""
    variables = dict(variable.partition("=")[::2] for variable in fat)
    variables.update(added)
    return [f"{name}={value}" for name, value in variables.items()]


def _labels(
    fat: Mapping[str, str], kind: str, overrides: Overrides, base_name: str, base_digest: str
) -> dict[str, str]:
    ours = {KIND_LABEL, _BASE_NAME, _BASE_DIGEST}
    labels = {name: value for name, value in fat.items() if name not in ours}
    if base_name:
        labels[_BASE_NAME] = base_name
    if base_digest:
        labels[_BASE_DIGEST] = base_digest
    return {**labels, **dict(overrides.labels), KIND_LABEL: kind}


def _port(port: str) -> str:
    return port if "/" in port else f"{port}/tcp"
