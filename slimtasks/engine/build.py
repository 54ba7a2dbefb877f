"""Builds an image from a Dockerfile: by BuildKit, by buildx where a build needs it, else by the classic builder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimtasks.engine.build_failure import build_failure
from slimtasks.engine.buildkit_progress import Progress
from slimtasks.engine.connection import SILENCE, Connection
from slimtasks.engine.context import ContextFile, read_member, tar_chunks
from slimtasks.engine.failure import Gone, Refused
from slimtasks.engine.heartbeat import heartbeat
from slimtasks.engine.stopwatch import ENGINE
from slimtasks.errors import BuildError, EngineError

if TYPE_CHECKING:
    import requests

_NO_BUILDKIT = re.compile(r"buildkit.*not supported|not support.*buildkit|invalid version|unsupported.*version", re.I)
_TAIL = 40  # lines of the classic builder's output kept for an error


@dataclass(frozen=True)
class Build:
    """What is built, and how; `tag` holds the result from its first moment on."""

    context: Path | Sequence[ContextFile]  # a tar, or its files
    tag: str
    dockerfile: str = "Dockerfile"  # its name in the context
    args: tuple[tuple[str, str], ...] = ()
    target: str = ""
    platform: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    cache_from: tuple[str, ...] = ()
    no_cache: bool = False
    pull: bool = False
    network: str = ""
    secrets: tuple[str, ...] = ()  # as of `docker buildx build --secret`
    ssh: tuple[str, ...] = ()  # as of `docker buildx build --ssh`
    name: str = ""  # what messages call the image
    file: str = ""  # what they call the Dockerfile; its name in the context unless said

    def __str__(self) -> str:
        return self.name or self.tag


class _NoBuildKit(Exception):
    """This engine builds with the classic builder only."""


def build_image(connection: Connection, build: Build, progress: Callable[[str], None]) -> str:
    """Builds with BuildKit, else with the classic builder; the image's id. Raises BuildError.

    Lines of progress come as they arise.
    """
    dockerfile = read_member(build.context, build.dockerfile)
    if dockerfile is None:
        raise BuildError(f"{build}: the build context has no {build.dockerfile}", "see `dockerfile:` and .dockerignore")
    text = dockerfile.decode(errors="replace")
    try:
        return _Run(connection, build, text, progress, buildkit=True).result()
    except _NoBuildKit:
        progress("this engine has no BuildKit: building with the classic builder")
        return _Run(connection, build, text, progress, buildkit=False).result()


class _Run:
    """One request to POST /build, and the answer as it comes (Engine API, ImageBuild)."""

    def __init__(
        self, connection: Connection, build: Build, dockerfile: str, show: Callable[[str], None], *, buildkit: bool
    ) -> None:
        self._connection = connection
        self._build = build
        self._dockerfile = dockerfile
        self._show = show
        self._buildkit = buildkit
        self._progress = Progress()
        self._output: list[str] = []  # of the classic builder, its last lines
        self._id = ""

    def result(self) -> str:
        doing = f"building {self._build}"
        try:
            with self._connection.streamed(
                "POST",
                "/build",
                params=_parameters(self._build, self._buildkit),
                data=tar_chunks(self._build.context),
                headers={} if self._buildkit else _registry_credentials(self._connection),
                timeout=SILENCE,
                doing=doing,
            ) as answer:
                self._follow(answer)
        except Refused as error:
            if self._buildkit and _NO_BUILDKIT.search(error.what):
                raise _NoBuildKit from error
            raise self._failure(error.what) from error
        if not self._id:
            raise Gone(
                f"the container engine at {self._connection.address} went away while {doing}",
                "see the engine's log, start it again, then run the same command again",
            )
        return self._id

    def _follow(self, answer: requests.Response) -> None:
        from slimtasks.engine.pipe import without_timeout

        with heartbeat(self._connection.ping, without_timeout(answer)):
            for message in self._connection.clock.each(ENGINE, json_lines(answer)):
                self._message(message)

    def _message(self, message: dict[str, Any]) -> None:
        if "error" in message or "errorDetail" in message:
            reason = str((message.get("errorDetail") or {}).get("message") or message.get("error"))
            if self._buildkit and _NO_BUILDKIT.search(reason):
                raise _NoBuildKit
            raise self._failure(reason)
        if message.get("id") == "moby.buildkit.trace":
            for line in self._progress.feed(str(message.get("aux", ""))):
                self._show(line)
        elif isinstance(message.get("aux"), dict):
            self._id = message["aux"].get("ID") or self._id
        elif text := str(message.get("stream") or message.get("status") or "").rstrip():
            self._output = [*self._output, *text.splitlines()][-_TAIL:]
            self._show(text)

    def _failure(self, reason: str) -> BuildError:
        return build_failure(
            str(self._build),
            self._build.file or self._build.dockerfile,
            self._dockerfile,
            reason,
            self._progress,
            self._output,
        )


def _parameters(build: Build, buildkit: bool) -> dict[str, str]:
    values = {
        "version": "2" if buildkit else "1",
        "t": build.tag,
        "dockerfile": build.dockerfile,
        "target": build.target,
        "platform": build.platform,
        "networkmode": build.network,
        "buildargs": json.dumps(dict(build.args)) if build.args else "",
        "labels": json.dumps(dict(build.labels)) if build.labels else "",
        "cachefrom": json.dumps(build.cache_from) if build.cache_from else "",
        "nocache": "1" if build.no_cache else "",
        "pull": "1" if build.pull else "",
        "rm": "1",
        "forcerm": "1",
    }
    return {key: value for key, value in values.items() if value}


def _registry_credentials(connection: Connection) -> dict[str, str]:
    """The X-Registry-Config header: what `docker login` stored, for base images that need it."""
    from docker import auth
    from docker.errors import DockerException

    configs = getattr(connection.session(), "_auth_configs", None)
    try:
        known = configs.get_all_credentials() if configs else {}
    except DockerException:  # a credential helper that is missing must not stop a build that may not need it
        return {}
    return {"X-Registry-Config": auth.encode_header(known).decode()} if known else {}


def json_lines(answer: requests.Response) -> Iterator[dict[str, Any]]:
    """The JSON objects of an answer, one a line, as they come."""
    rest = b""
    for piece in answer.raw.stream(64 * 1024, decode_content=True):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
    if rest.strip():
        try:
            yield json.loads(rest)
        except ValueError as error:
            raise EngineError(f"the engine's answer is cut: {rest[:80]!r}") from error
