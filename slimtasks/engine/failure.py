"""How the engine fails, in words: the only place that knows the exceptions of the layers below."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from slimtasks.errors import EngineError, SlimError

_NOT_REACHED = (
    errno.ENOENT,
    errno.ECONNREFUSED,
    errno.EACCES,
    errno.EPERM,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENOTDIR,
)
_START = "start one, as `./run` does in a checkout of slimtasks; or set DOCKER_HOST to the address of one"
_AGAIN = "see the engine's log, start it again (`./run` does, where it is its own), then run the same command again"


class Refused(EngineError):
    """The engine answered with an error; `status` is HTTP's: 404 no such object, 409 in use."""

    def __init__(self, what: str, hint: str = "", *, status: int = 0) -> None:
        super().__init__(what, hint)
        self.status = status

    @property
    def reason(self) -> str:
        """What the engine said, without what it was asked for."""
        return self.what.partition(" failed: ")[2] or self.what


class Gone(EngineError):
    """The engine cannot be reached, or went away in the middle."""


class EngineTimeout(EngineError, TimeoutError):
    """What was waited for took longer than it may; the engine itself answers."""


@contextmanager
def explained(address: str, doing: str) -> Iterator[None]:
    """Turns whatever the SDK, requests, urllib3, http.client or a socket raises into an EngineError.

    `doing` ends the sentence "... while ...": 'starting container x'.
    """
    try:
        yield
    except SlimError:
        raise
    except Exception as error:
        failure = _translated(error, address, doing)
        if failure is None:
            raise
        raise failure from error


def _translated(error: Exception, address: str, doing: str) -> EngineError | None:
    package = type(error).__module__.partition(".")[0]
    if package == "docker":
        return _of_sdk(error, address, doing)
    if package not in ("requests", "urllib3", "http", "ssl") and not isinstance(error, OSError):
        return None
    causes = tuple(_causes(error))
    if any("Timeout" in type(cause).__name__ or isinstance(cause, TimeoutError) for cause in causes):
        return Gone(f"the container engine at {address} does not answer (while {doing})", _AGAIN)
    for cause in causes:
        if isinstance(cause, socket.gaierror) or (isinstance(cause, OSError) and cause.errno in _NOT_REACHED):
            return unreachable(address, cause)
    reason = next((text for cause in reversed(causes) if (text := _text(cause))), type(error).__name__)
    return Gone(f"the container engine at {address} went away while {doing}: {reason}", _AGAIN)


def _of_sdk(error: Exception, address: str, doing: str) -> EngineError:
    response = getattr(error, "response", None)
    if response is None:
        return Gone(f"the container engine at {address} cannot be used (while {doing}): {error}", _START)
    return refused(doing, str(getattr(error, "explanation", "") or error), response.status_code)


def unreachable(address: str, error: OSError) -> Gone:
    """The error for an engine to which no connection could be made."""
    hint = _START
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = "add yourself to the socket's group (`sudo usermod -aG docker $USER`, then log in again), or run as root"
    return Gone(f"no container engine answers at {address}: {_text(error)}", hint)


def refused(doing: str, reason: str, status: int) -> Refused:
    """The error for an answer with an HTTP status of 400 or more."""
    reason = cleaned(reason)
    hint = ""
    if "no space left on device" in reason:
        hint = "the engine's disk is full: `docker system df` says of what"
    elif "could not find an available" in reason or "fully subnetted" in reason:
        hint = "the engine has no address range left: remove networks that nothing uses (`docker network ls`)"
    elif "port is already allocated" in reason or "address already in use" in reason:
        hint = "another container or program has that port: stop it, or publish another one"
    elif "does not match the specified platform" in reason:
        hint = "`run: platform:` is for another machine than the image: correct it, or pull the image for that one"
    return Refused(f"{doing} failed: {reason}", hint, status=status)


def cleaned(reason: str) -> str:
    """The engine's reason without the names of the layers that it came through."""
    reason = reason.strip()
    for pattern in (
        r".*driver failed programming external connectivity on endpoint \S+ \(\w+\): ",
        r".*(?:starting container process caused|unable to start container process): ",
        r"^(?:Error response from daemon|failed to create (?:shim )?task|failed to create shim|"
        r"OCI runtime (?:create|exec) failed|(?:runc|crun) (?:create|exec) failed|exec failed|"
        r"rpc error: code = \w+ desc =): *",
    ):
        reason = re.sub(pattern, "", reason, flags=re.DOTALL)
    return re.sub(r": unknown$", "", reason).strip()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those inside it, outermost first; urllib3 hides them in `args` and `reason`."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or any(cause is other for other in seen):
            continue
        seen.append(cause)
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error)
