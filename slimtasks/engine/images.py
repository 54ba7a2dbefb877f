"""Images as streams: saved, loaded, pulled."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from slimtasks.engine.body import CHUNK, buffered
from slimtasks.engine.build import json_lines
from slimtasks.engine.connection import SILENCE, Connection
from slimtasks.engine.failure import Refused, cleaned, explained
from slimtasks.engine.stopwatch import ENGINE
from slimtasks.errors import EngineError

_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")


def image_path(ref: str) -> str:
    """The API's path of an image."""
    return "/images/" + quote(ref, safe="/:@")


def inspect_image(connection: Connection, ref: str) -> dict[str, Any] | None:
    """What `docker image inspect` prints of it, or None where there is none."""
    try:
        found: dict[str, Any] = connection.json("GET", f"{image_path(ref)}/json", doing=f"looking at image {ref}")
    except Refused as error:
        if error.status == 404:
            return None
        raise
    return found


@contextmanager
def save(connection: Connection, ref: str) -> Iterator[BinaryIO]:
    """The image as `docker save` writes it, while it comes."""
    doing = f"saving image {ref}"
    with connection.streamed("GET", f"{image_path(ref)}/get", timeout=SILENCE, doing=doing) as answer:
        yield buffered(answer, connection.address, doing, connection.clock)


def load_stream(connection: Connection, chunks: Iterable[bytes], name: str) -> str:
    """Loads an archive that comes in pieces; the image's id, the last one's where it has several."""
    doing = f"loading {name}"
    loaded: list[str] = []
    with connection.streamed(
        "POST", "/images/load", params={"quiet": "1"}, data=chunks, timeout=SILENCE, doing=doing
    ) as answer:
        for message in connection.clock.each(ENGINE, json_lines(answer)):
            if "error" in message:
                raise EngineError(
                    f"{doing} failed: {cleaned(str(message['error']))}", _load_hint(str(message["error"]))
                )
            loaded += _LOADED.findall(str(message.get("stream", "")))
    if not loaded:
        raise EngineError(f"{doing} failed: the engine found no image in it")
    return identity(connection, loaded[-1])


def pull(connection: Connection, ref: str, platform: str, progress: Callable[[str], None]) -> str:
    """Pulls an image with the credentials that `docker login` stored; its id."""
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(ref)
    doing = f"pulling {ref}"
    try:
        with explained(connection.address, doing):
            lines = connection.session().pull(
                repository, tag=tag or "latest", stream=True, decode=True, platform=platform or None
            )
            for message in connection.clock.each(ENGINE, lines):
                if "error" in message:
                    raise Refused(f"{doing} failed: {cleaned(str(message['error']))}")
                if "progressDetail" not in message or not message["progressDetail"]:
                    progress(" ".join(str(message[key]) for key in ("id", "status") if message.get(key)))
    except Refused as error:
        lacking = "" if inspect_image(connection, ref) else "is not in the engine and "
        raise EngineError(
            f"the image {ref} {lacking}cannot be pulled: {error.reason}",
            "check its name and the network, `docker login` where the registry wants it, or load it with `docker load`",
        ) from error
    return identity(connection, ref)


def identity(connection: Connection, ref: str) -> str:
    """The id of an image that has to be there."""
    found = inspect_image(connection, ref)
    if found is None:
        raise EngineError(f"the engine has no image {ref} right after it took it", "is something else removing images?")
    return str(found["Id"])


def pieces(path: Path) -> Iterator[bytes]:
    """A file as `load_stream` takes it; raises EngineError where it cannot be read."""
    try:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
    except OSError as error:
        raise EngineError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _load_hint(reason: str) -> str:
    return "the engine's disk is full: `docker system df` says of what" if "no space left" in reason else ""
