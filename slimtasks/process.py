"""Runs commands of this machine: the only user of subprocess."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from slimtasks.errors import SlimError

_PATIENCE = 5.0  # seconds from SIGTERM to SIGKILL


@dataclass(frozen=True)
class Completed:
    """How a command ended: its exit status (128 + N after signal N) and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes


class CommandNotFound(SlimError):
    """The program is not installed."""


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    timeout: float | None = None,
    check: bool = True,
    hint: str = "",
    progress: Callable[[str], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> Completed:
    """Runs `command` with exactly the environment `env`, for at most `timeout` seconds.

    `progress` gets the lines of stderr as they come; the command inherits the file descriptors `pass_fds`.

    Raises CommandNotFound where the program is missing; SlimError where it takes too long and,
    with `check`, where it fails, with a command line that can be pasted and the end of stderr.
    The command gets a process group of its own, ended as a whole on a timeout or an exception.
    """
    line = shlex.join(command)
    try:
        process = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except FileNotFoundError as error:
        raise CommandNotFound(f"cannot run {command[0]}: no such program", hint) from error
    except OSError as error:
        raise SlimError(f"cannot run {line}: {error.strerror}", hint) from error
    seen: list[bytes] = []
    try:
        if progress:
            seen = _follow(process, progress)
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise SlimError(f"{line}: not done after {timeout:g} s", hint) from None
    finally:
        if process.returncode is None:
            _end_group(process)
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    err = b"".join(seen) + (err or b"")
    if check and status:
        raise SlimError(f"{line}: {_ending(process.returncode)}{_tail(err)}", hint)
    return Completed(status, out or b"", err)


def _follow(process: subprocess.Popen[bytes], progress: Callable[[str], None]) -> list[bytes]:
    seen = []
    for raw in process.stderr or ():
        seen.append(raw)
        progress(raw.decode(errors="replace").rstrip())
    return seen


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, upon which mmdebstrap removes the tree that it was making, then SIGKILL."""
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.communicate(timeout=patience)
            return
        except subprocess.TimeoutExpired:
            continue


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"killed by {signal.Signals(-returncode).name}"
    return f"exit status {returncode}"


def _tail(stderr: bytes | None, lines: int = 20) -> str:
    text = (stderr or b"").decode(errors="replace").strip()
    return "\n" + "\n".join(text.splitlines()[-lines:]) if text else ""
