"""Who owns what we make in an engine, written on it, so that whatever a killed run left can be told apart."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

PREFIX = "io.github.slimtasks."
RUN = PREFIX + "run"
OWNER = PREFIX + "owner"
CHECKOUT = PREFIX + "checkout"
TEMPORARY = "slimtasks.local/"  # the start of every temporary tag


@dataclass(frozen=True)
class Owner:
    """One process, told apart from all others ever: proc_pid_stat(5), pid_namespaces(7)."""

    boot: str  # of this kernel
    namespace: str  # inode of the pid namespace
    pid: str
    start: str  # clock ticks after boot

    @staticmethod
    def current() -> Owner:
        """This process; asked afresh each time, since a fork is another owner."""
        return Owner(_boot(), _namespace(), str(os.getpid()), _start(os.getpid()))

    @staticmethod
    def parse(text: str) -> Owner | None:
        """The owner that `str` wrote, or None where it is none."""
        parts = text.split(".")
        return Owner(*parts) if len(parts) == 4 and all(parts) and parts[2].isdigit() else None

    def here(self) -> bool:
        """Whether it runs, or ran, where we can see it: on this boot, in our pid namespace."""
        return (self.boot, self.namespace) == (_boot(), _namespace())

    def alive(self) -> bool | None:
        """Whether the process is still there; None where it is not ours to know."""
        return _start(int(self.pid)) == self.start if self.here() else None

    def __str__(self) -> str:
        return ".".join((self.boot, self.namespace, self.pid, self.start))


def checkout_key(checkout: Path) -> str:
    """A short hash of this machine and the checkout's absolute path: two machines may have the same paths."""
    text = f"{_machine()}\0{checkout.absolute()}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def labels(checkout: Path, run: str) -> dict[str, str]:
    """The labels of every container, volume and network of ours."""
    return {RUN: run, OWNER: str(Owner.current()), CHECKOUT: checkout_key(checkout)}


def temporary_tag(kind: str, name: str, checkout: Path, run: str) -> str:
    """A tag that holds an image while it is being made: 'slimtasks.local/build/nginx:CHECKOUT.OWNER.RUN'."""
    repository = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "image"
    return f"{TEMPORARY}{kind}/{repository}:{checkout_key(checkout)}.{Owner.current()}.{run}"


def is_left_over(owner: str, checkout: str, here: Path) -> bool:
    """Whether the owner is dead for sure: a process of this boot that ended, or our checkout's of an earlier boot."""
    process = Owner.parse(owner)
    if process is None:
        return False
    alive = process.alive()
    if alive is not None:
        return not alive
    return process.boot != _boot() and checkout == checkout_key(here)


def tag_left_over(tag: str, here: Path) -> bool:
    """Whether a tag is one of our temporary ones and its owner is dead for sure."""
    if not tag.startswith(TEMPORARY):
        return False
    checkout, _, rest = tag.rpartition(":")[2].partition(".")
    return is_left_over(rest.rpartition(".")[0], checkout, here)


def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id").replace("-", "")[:16] or "none"


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return "none"


def _start(pid: int) -> str:
    """Field 22 of /proc/PID/stat; empty for a process that is not there, or is a zombie."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if fields:
        return "" if fields[0] in "ZX" else fields[19]
    if Path("/proc/self").is_dir():
        return ""
    try:  # no procfs: then a number that was used again counts as alive, which errs on the safe side
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "0"


def _machine() -> str:
    return f"{socket.gethostname()}\0{_read('/etc/machine-id')}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
