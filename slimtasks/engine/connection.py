"""Requests to the engine through the docker SDK's session, which is imported and opened at the first one."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slimtasks.engine.endpoint import Endpoint
from slimtasks.engine.failure import Gone, Refused, explained, refused
from slimtasks.engine.stopwatch import ENGINE, Stopwatch
from slimtasks.errors import EngineError

if TYPE_CHECKING:
    import requests
    from docker import APIClient

    from slimtasks.engine.stream import Stream

CONNECT = 10.0  # seconds to get a connection, and for a ping
ANSWER = 180.0  # seconds without a word from the engine, for what it does at once
SILENCE = 3600.0  # the same for what copies whole images before it says anything (load, save)
_NEWEST_TRIED, _OLDEST_TRIED = (1, 44), (1, 40)

Body = bytes | Iterable[bytes]


@dataclass(frozen=True)
class Info:
    """What the engine says of itself."""

    version: str
    api_version: str  # the one spoken with it
    architecture: str  # Go's name: 'amd64'
    os: str
    driver: str  # storage driver
    local: bool  # reached by a socket of this machine
    name: str
    kernel: str
    security_options: tuple[str, ...]

    @property
    def userns(self) -> bool:
        """Whether containers run in a user namespace of their own (userns-remap)."""
        return any("name=userns" in option for option in self.security_options)


class Connection:
    """One engine, asked over HTTP. Opened at the first request, and once more in a process forked since."""

    def __init__(self, endpoint: Endpoint, clock: Stopwatch | None = None) -> None:
        self.endpoint = endpoint
        self.clock = clock or Stopwatch()
        self.address = str(endpoint)
        self._lock = threading.Lock()
        self._session: APIClient | None = None
        self._process = 0
        self._version: dict[str, Any] = {}
        self._info: Info | None = None

    def session(self) -> APIClient:
        """The SDK's client, its API version agreed with the engine."""
        with self._lock:
            if self._session is None or self._process != os.getpid():
                with explained(self.address, "opening a connection"):
                    api = _opened(self.endpoint, _OLDEST_TRIED)
                    with self.clock.on(ENGINE):
                        self._version = _get_version(api)
                    self._session = _opened(self.endpoint, self._agreed())
                self._process = os.getpid()
            return self._session

    def _agreed(self) -> tuple[int, int]:
        newest, oldest = (_pair(self._version.get(key, "")) for key in ("ApiVersion", "MinAPIVersion"))
        if newest < _OLDEST_TRIED:
            raise EngineError(
                f"the container engine at {self.address} is too old: it is {self._version.get('Version')}",
                "Docker 19.03 or newer is needed",
            )
        return max(min(newest, _NEWEST_TRIED), oldest)

    def request(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        data: Body | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        timeout: float = ANSWER,
    ) -> requests.Response:
        """The engine's answer; `body` is sent as JSON, `data` as a tar. `doing` as in 'starting container x'.

        Raises Refused for an HTTP status of 400 or more, Gone where there is no answer. `timeout` is
        for each silence, in seconds.
        """
        api = self.session()
        sent = {"Accept-Encoding": "identity", **(headers or {})}  # the engine would gzip what is copied out
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        elif data is not None:
            data = data if isinstance(data, bytes) else self.clock.ours(data)  # requests takes a list for a form
            sent["Content-Type"] = "application/x-tar"
        with explained(self.address, doing), self.clock.on(ENGINE):
            url = f"{api.base_url}/v{api.api_version}{path}"
            answer = api.request(
                method, url, params=params, data=data, headers=sent, stream=stream, timeout=(CONNECT, timeout)
            )
            if answer.status_code >= 400:
                raise _refusal(answer, doing)
            return answer

    def json(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON; None where it has no body."""
        answer = self.request(method, path, **options)
        return json.loads(answer.content) if answer.content else None

    def delete(self, path: str, *, doing: str, params: Mapping[str, str] | None = None) -> bool:
        """Deletes something; False where it is gone already, in use, or being deleted by someone else."""
        try:
            self.request("DELETE", path, doing=doing, params=params)
        except Refused as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    @contextmanager
    def streamed(self, method: str, path: str, *, doing: str, **options: Any) -> Iterator[requests.Response]:
        """The answer, its body unread; the connection is closed at the end, read or not."""
        answer = self.request(method, path, doing=doing, stream=True, **options)
        try:
            with explained(self.address, doing):
                yield answer
        finally:
            answer.close()

    def hijacked(self, path: str, *, doing: str, tty: bool, **options: Any) -> Stream:
        """The raw connection that attach and exec turn into."""
        from slimtasks.engine.pipe import taken_over
        from slimtasks.engine.stream import Stream

        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        answer = self.request("POST", path, doing=doing, headers=headers, stream=True, **options)
        with explained(self.address, doing):
            pipe = taken_over(answer)
        return Stream(pipe, tty=tty, alive=self.ping, address=self.address, doing=doing, clock=self.clock)

    def ping(self) -> None:
        """Raises Gone where the engine does not answer within 10 s."""
        self.request("GET", "/_ping", doing="asking whether it is there", timeout=CONNECT)

    @property
    def info(self) -> Info:
        if self._info is None:
            self.session()
            said = self.json("GET", "/info", doing="asking the engine about itself")
            self._info = _info(said, self._version, self.session().api_version, self.endpoint.local)
        return self._info


def _opened(endpoint: Endpoint, version: tuple[int, int]) -> APIClient:
    from docker import APIClient
    from docker.tls import TLSConfig

    tls: TLSConfig | bool = False
    if endpoint.tls:
        pair = (endpoint.tls.cert, endpoint.tls.key) if endpoint.tls.cert else None
        tls = TLSConfig(client_cert=pair, ca_cert=endpoint.tls.ca or None, verify=endpoint.tls.verify)
    if endpoint.scheme == "ssh":
        _need_paramiko(endpoint)
    address = "unix://" + endpoint.socket_path if endpoint.scheme == "unix" else endpoint.address
    number = f"{version[0]}.{version[1]}"
    api = APIClient(base_url=address, version=number, tls=tls, timeout=int(ANSWER), use_ssh_client=True)
    api.trust_env = False  # a proxy for the web is none for the engine
    api.headers["Accept-Encoding"] = "identity"  # engines gzip what comes out of a container, which only costs time
    if endpoint.scheme in ("tcp", "http", "https"):
        _keep_alive(api)
    return api


def _need_paramiko(endpoint: Endpoint) -> None:
    try:
        import paramiko  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        raise EngineError(
            f"the container engine at {endpoint} is behind ssh, for which the docker SDK needs paramiko",
            "pip install 'docker[ssh]'",
        ) from error


def _keep_alive(api: APIClient) -> None:
    """Makes the kernel notice a host that went away without a word, within about two minutes."""
    import socket

    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection

    options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))

    class KeepAliveAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, socket_options=options, **kwargs)

    for prefix in ("http://", "https://"):
        api.mount(prefix, KeepAliveAdapter())


def _get_version(api: APIClient) -> dict[str, Any]:
    answer = api.get(f"{api.base_url}/version", timeout=(CONNECT, ANSWER))
    if answer.status_code >= 400:
        raise _refusal(answer, "asking for the engine's version")
    version = answer.json()
    if not isinstance(version, dict) or "ApiVersion" not in version:
        raise Gone(f"what answers at {api.base_url} is no container engine", "set DOCKER_HOST to the address of one")
    return version


def _refusal(answer: requests.Response, doing: str) -> Refused:
    try:
        reason = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        reason = answer.text or answer.reason
    return refused(doing, str(reason), answer.status_code)


def _pair(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _info(said: dict[str, Any], version: dict[str, Any], api_version: str, local: bool) -> Info:
    return Info(
        version=version.get("Version", ""),
        api_version=api_version,
        architecture=version.get("Arch", ""),
        os=version.get("Os", ""),
        driver=said.get("Driver", ""),
        local=local,
        name=said.get("Name", ""),
        kernel=said.get("KernelVersion", ""),
        security_options=tuple(sorted(said.get("SecurityOptions") or ())),
    )
