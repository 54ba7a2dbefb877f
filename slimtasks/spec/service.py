"""A service: another container on the network of the image under test, which needs it (Compose's `services`)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated

from slimtasks.spec.fields import Parsed, Seconds, between, matching, spelled
from slimtasks.spec.run import Run

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
    """When a service is healthy; what is not said is as in its image."""

    test: Annotated[tuple[str, ...], Parsed(_test)] = ()
    interval: Seconds | None = None
    timeout: Seconds | None = None
    start_period: Seconds | None = None
    retries: Annotated[int, Parsed(between(1, 1000))] | None = None
    disable: bool = False
    __pydantic_config__ = spelled("_")


@dataclass(frozen=True)
class Service(Run):
    """How another image is started beside the one under test."""

    _: KW_ONLY
    image: Annotated[str, Parsed(matching(r"[^\s]+", "an image, as in 'postgres' or 'our/db:15'"))]
    healthcheck: Healthcheck | None = None
    name: str = ""
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = spelled("_", name="@name")
