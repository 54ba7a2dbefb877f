"""One container, and what can be done with it."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, cast
from urllib.parse import quote
from weakref import WeakSet

from slimtasks.engine.body import CHUNK, buffered
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.connection import SILENCE, Connection
from slimtasks.engine.failure import EngineTimeout, Gone, Refused
from slimtasks.engine.stream import Stream
from slimtasks.errors import EngineError

_WAIT = 30.0  # seconds after which a wait is asked for again, so that a dead engine is noticed
_POLL = 0.02  # seconds between looks at what the engine brings up to date by itself


class Container:
    """A container of the engine, by its id."""

    def __init__(self, connection: Connection, identifier: str, config: ContainerConfig) -> None:
        self._connection = connection
        self.id = identifier
        self.config = config
        self.name = config.name
        self._path = f"/containers/{identifier}"
        self._streams: WeakSet[Stream] = WeakSet()  # that were opened; an interrupt may have kept one from being closed

    def start(self) -> None:
        """Starts it; raises Refused with the runtime's reason where its program cannot be run."""
        self._connection.request("POST", f"{self._path}/start", doing=f"starting {self}")

    def put(self, tar: bytes | BinaryIO | Iterable[bytes], path: str = "/") -> None:
        """Unpacks a tar below `path`, which has to exist; works before the start, owners and modes are the tar's."""
        self._connection.request(
            "PUT", f"{self._path}/archive", params={"path": path}, data=chunks(tar), doing=f"copying files into {self}"
        )

    @contextmanager
    def get(self, path: str) -> Iterator[BinaryIO]:
        """A tar of `path` as a stream; a symlink there is not followed."""
        doing = f"copying {path} out of {self}"
        params = {"path": path}
        with self._connection.streamed("GET", f"{self._path}/archive", params=params, doing=doing) as answer:
            yield buffered(answer, self._connection.address, doing, self._connection.clock)

    def read_file(self, path: str) -> bytes:
        """The content of one file; raises EngineError where `path` is no regular file."""
        with self.get(path) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is not None:
                    return content.read()
                break
        raise EngineError(f"{path} of {self} is no regular file")

    def attach(self) -> Stream:
        """What it prints, from now on: attach before the start to miss nothing. Its stdin too, where that is open."""
        params = {"stream": "1", "stdout": "1", "stderr": "1", "stdin": "1" if self.config.stdin_open else "0"}
        doing = f"reading the output of {self}"
        stream = self._connection.hijacked(f"{self._path}/attach", params=params, tty=self.config.tty, doing=doing)
        self._streams.add(stream)
        return stream

    def exec(
        self,
        command: Sequence[str],
        user: str = "",
        tty: bool = False,
        stdin: bool = False,
        env: Iterable[tuple[str, str]] = (),
        working_dir: str = "",
        privileged: bool = False,
    ) -> Exec:
        """Prepares `command` to run in the running container."""
        body = {
            "AttachStdout": True,
            "AttachStderr": True,
            "AttachStdin": stdin,
            "Tty": tty,
            "Cmd": list(command),
            "Env": [f"{name}={value}" for name, value in env],
            "User": user,
            "WorkingDir": working_dir,
            "Privileged": privileged,
        }
        doing = f"running {command[0]} in {self}"
        made = self._connection.json("POST", f"{self._path}/exec", body=body, doing=doing)
        return Exec(self._connection, made["Id"], tty, doing)

    def kill(self, signal: str = "KILL") -> None:
        """Sends a signal to its first process."""
        params = {"signal": signal}
        self._connection.request("POST", f"{self._path}/kill", params=params, doing=f"sending SIG{signal} to {self}")

    def stop(self, timeout: float | None = None) -> None:
        """Stops it as `docker stop` does; after `timeout` seconds (the container's own, if None) it is killed."""
        params = {} if timeout is None else {"t": str(max(0, round(timeout)))}
        silence = SILENCE if timeout is None else timeout + 180
        self._connection.request("POST", f"{self._path}/stop", params=params, timeout=silence, doing=f"stopping {self}")

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended; raises EngineTimeout after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        doing = f"waiting for {self} to end"
        while True:
            left = _WAIT if deadline is None else max(0.05, min(_WAIT, deadline - time.monotonic()))
            try:
                return self._wait(doing, left)
            except Gone:
                self._connection.ping()
            if deadline is not None and time.monotonic() >= deadline:
                raise EngineTimeout(f"{self} is still running after {timeout:g} s")

    def _wait(self, doing: str, silence: float) -> int:
        answer = self._connection.json("POST", f"{self._path}/wait", timeout=silence, doing=doing)
        if not answer or "StatusCode" not in answer:  # the engine is shutting down
            raise Gone(f"the container engine at {self._connection.address} gave no answer while {doing}")
        if error := (answer.get("Error") or {}).get("Message"):
            raise EngineError(f"{doing} failed: {error}")
        return int(answer["StatusCode"])

    def logs(self, tail: int = 100) -> bytes:
        """The last lines of both outputs, in order; nothing where the log driver is 'none'."""
        params = {"stdout": "1", "stderr": "1", "tail": str(tail)}
        try:
            data = self._connection.request(
                "GET", f"{self._path}/logs", params=params, doing=f"reading the logs of {self}"
            ).content
        except Refused as error:
            if "logging driver" in error.what:
                return b""
            raise
        return data if self.config.tty else b"".join(_frames(data))

    def inspect(self) -> dict[str, Any]:
        """What `docker inspect` prints of it."""
        return cast(dict[str, Any], self._connection.json("GET", f"{self._path}/json", doing=f"looking at {self}"))

    def running(self) -> bool:
        return bool(self.inspect()["State"]["Running"])

    def pid(self) -> int:
        """The pid of its first process in the engine's pid namespace; 0 where it does not run."""
        return int(self.inspect()["State"]["Pid"])

    def port(self, number: int, protocol: str = "tcp") -> tuple[str, int] | None:
        """Host and port where the running container's port is published, or None."""
        ports = self.inspect()["NetworkSettings"]["Ports"] or {}
        for binding in ports.get(f"{number}/{protocol}") or ():
            return str(binding["HostIp"] or "127.0.0.1"), int(binding["HostPort"])
        return None

    def ip(self, network: str = "") -> str:
        """Its address in a network, by default in its first one; empty where it has none."""
        networks = self.inspect()["NetworkSettings"]["Networks"] or {}
        for name, settings in sorted(networks.items()):
            if network in ("", name):
                return str(settings["IPAddress"])
        return ""

    def remove(self) -> None:
        """Kills and removes it with its anonymous volumes; quiet where it is gone already."""
        self.close_streams()
        remove_container(self._connection, self.id)

    def close_streams(self) -> None:
        """Ends what reads its output: the engine removes no container while somebody is slow to read that."""
        for stream in tuple(self._streams):
            stream.close()

    def __str__(self) -> str:
        return f"container {self.name or self.id[:12]}"


class Exec:
    """One command in a running container."""

    def __init__(self, connection: Connection, identifier: str, tty: bool, doing: str) -> None:
        self._connection = connection
        self.id = identifier
        self._tty = tty
        self._doing = doing

    def start(self) -> Stream:
        """Starts it; the stream ends when nobody holds its outputs any longer."""
        body = {"Detach": False, "Tty": self._tty}
        return self._connection.hijacked(f"/exec/{self.id}/start", body=body, tty=self._tty, doing=self._doing)

    def pid(self, timeout: float = 10) -> int:
        """Its pid in the engine's pid namespace; 0 where it could not be started, or has ended. Start it first."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            state = self._inspect()
            if state["Pid"] or state["ExitCode"] is not None:
                return int(state["Pid"]) if state["Running"] else 0
            time.sleep(_POLL)
        raise EngineTimeout(f"{self._doing}: not started after {timeout:g} s")

    def exit_code(self, timeout: float = 10) -> int:
        """Its exit status; waits up to `timeout` seconds for the end. 126 or 127: it could not be started."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            state = self._inspect()
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
            time.sleep(_POLL)
        raise EngineTimeout(f"{self._doing}: still running after {timeout:g} s")

    def run(self, timeout: float | None = None, limit: int | None = None) -> tuple[int, bytes, bytes]:
        """Exit status, stdout and stderr, of each the first `limit` bytes; EngineTimeout after `timeout` seconds."""
        with self.start() as stream:
            stdout, stderr = stream.read_all(limit, timeout)
        return self.exit_code(), stdout, stderr

    def _inspect(self) -> dict[str, Any]:
        return cast(dict[str, Any], self._connection.json("GET", f"/exec/{self.id}/json", doing=self._doing))


def inspect_container(connection: Connection, ref: str) -> dict[str, Any] | None:
    """What `docker container inspect` prints of it, or None where there is none."""
    try:
        path = f"/containers/{quote(ref, safe='')}/json"
        found: dict[str, Any] = connection.json("GET", path, doing=f"looking at container {ref}")
    except Refused as error:
        if error.status == 404:
            return None
        raise
    return found


def remove_container(connection: Connection, identifier: str) -> bool:
    """Kills and removes a container with its anonymous volumes; False where it was gone already.

    Waits for a removal that someone else began.
    """
    params = {"force": "1", "v": "1"}
    doing = f"removing container {identifier[:40]}"
    deadline = time.monotonic() + 30
    while True:
        try:
            connection.request("DELETE", f"/containers/{identifier}", params=params, doing=doing)
            return True
        except Refused as error:
            if error.status == 404:
                return False
            if error.status != 409 or time.monotonic() > deadline:
                raise
        time.sleep(_POLL * 5)


def chunks(tar: bytes | BinaryIO | Iterable[bytes]) -> bytes | Iterable[bytes]:
    """What requests sends as it comes: of a file, pieces of 1 MiB."""
    if isinstance(tar, bytes) or not hasattr(tar, "read"):
        return tar
    return iter(lambda: tar.read(CHUNK), b"")


def _frames(data: bytes) -> Iterator[bytes]:
    offset = 0
    while offset + 8 <= len(data):
        end = offset + 8 + int.from_bytes(data[offset + 4 : offset + 8], "big")
        yield data[offset + 8 : end]
        offset = end
