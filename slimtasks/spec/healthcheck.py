"""When a container is healthy: Compose's `healthcheck`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from slimtasks.spec.fields import Parsed, Seconds, between, spelled

_WITH_COMMAND = ("CMD", "CMD-SHELL")


def _test(raw: object) -> object:
    """Compose's forms of a test: a string is for the shell, a list begins with CMD, CMD-SHELL or NONE."""
    if isinstance(raw, str) and raw.strip():
        return ("CMD-SHELL", raw)
    if isinstance(raw, list) and all(isinstance(word, str) for word in raw):
        kind, *command = raw or [""]
        if (kind in _WITH_COMMAND and command) or raw == ["NONE"]:
            return tuple(raw)
    raise ValueError("a command for the shell, or a list as in [CMD, pg_isready], [CMD-SHELL, pg_isready] or [NONE]")


@dataclass(frozen=True)
class Healthcheck:
    """How a container is asked whether it is healthy; what is not said is as in its image."""

    test: Annotated[tuple[str, ...], Parsed(_test)] = ()
    interval: Seconds | None = None
    timeout: Seconds | None = None
    start_period: Seconds | None = None
    retries: Annotated[int, Parsed(between(1, 1000))] | None = None
    disable: bool = False
    __pydantic_config__ = spelled("_")
