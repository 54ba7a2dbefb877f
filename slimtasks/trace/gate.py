"""The gate: a small program that holds a container, or a command in it, until the tracer is attached."""

from __future__ import annotations

import io
import tarfile
from typing import Any

GATE = "/.slimtasks-gate"  # where it is in a traced container; the programs' Makefile says so too
OURS = "/.slimtasks-"  # what we put into a container begins with this


def is_ours(path: str) -> bool:
    """Whether the path is a tool of ours, not the image's."""
    return path.startswith(OURS)


def gated(command: tuple[str, ...]) -> tuple[str, ...]:
    """The command that waits in the gate and then becomes `command`."""
    return (GATE, *command)


def started_command(
    image: dict[str, Any], entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None
) -> tuple[str, ...]:
    """What a container of `image` (as `docker inspect` prints it) runs, given what its creator says.

    As Docker does it: an entrypoint that is given takes the image's command away.
    """
    config = image.get("Config") or {}
    if entrypoint is not None:
        return (*entrypoint, *(command or ()))
    return (*(config.get("Entrypoint") or ()), *(command or config.get("Cmd") or ()))


def tar_of(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A tar of root's files: path -> (content, mode)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, (content, mode) in sorted(files.items()):
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
