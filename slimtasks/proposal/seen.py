"""What a container did that was started once, to see what it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answered:
    """How whoever listens on a TCP port answered."""

    port: int
    scheme: str = ""  # of HTTP: 'http' or 'https'; empty for what is none
    status: int = 0
    content_type: str = ""  # without its parameters
    leads_to: str = ""  # path of the same server that it redirects to
    led_to: int = 0  # the status of that
    sent: str = ""  # of what is no HTTP: what was sent ...
    came: str = ""  # ... and how the answer began


@dataclass(frozen=True)
class Told:
    """A command of the image that was told to say something of itself, and did."""

    arguments: tuple[str, ...]
    line: str  # the first one that it printed
    stream: str  # 'stdout' or 'stderr'


@dataclass(frozen=True)
class Seen:
    """The container, and whoever listened in it."""

    answers: tuple[Answered, ...] = ()  # by port
    inner: tuple[str, ...] = ()  # listeners that nobody outside can reach, as '127.0.0.1:80'
    status: int | None = None  # its exit status; None: it was running
    ending: str = ""  # 'with exit status 1'
    log: tuple[str, ...] = ()  # lines
    unhealthy: str = ""  # how its HEALTHCHECK failed; empty where it passed, or there is none
    told: Told | None = None
