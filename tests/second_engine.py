"""A second container engine, as if on another machine: its own processes, network, mounts and images.

Benchmarks start it, too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

_MACHINE = """\
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
ip link set lo up
exec dockerd --data-root "$1/data" -H "unix://$1/socket" ${2:+--storage-driver "$2"}
"""


def lacking(storage_driver: str = "") -> str:
    """What keeps this machine from starting one, in words; empty where nothing does."""
    if os.geteuid() or not shutil.which("dockerd"):
        return "starts a second dockerd: needs root and Debian's docker.io"
    if storage_driver == "fuse-overlayfs" and not shutil.which("fuse-overlayfs"):
        return "the storage driver fuse-overlayfs needs Debian's packages fuse-overlayfs and fuse3"
    return ""


class SecondEngine:
    """A dockerd in namespaces of its own; `folder` is where it keeps all it has, over a restart too."""

    def __init__(self, folder: Path, storage_driver: str = "") -> None:
        self.folder = folder
        self.socket = str(folder / "socket")
        self._storage_driver = storage_driver  # empty for what dockerd takes by itself
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers; raises RuntimeError, with its log, where it ends or does not answer for a minute."""
        Path(self.socket).unlink(missing_ok=True)
        alone = ("unshare", "-m", "-n", "-p", "--fork", "--kill-child", "--mount-proc")
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        command = [*alone, "bash", "-c", _MACHINE, "machine", str(self.folder), self._storage_driver]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, "PATH": path}, start_new_session=True, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                raise RuntimeError(f"the second dockerd does not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """Of the process whose end ends all of it."""
        return self._process.pid if self._process else 0

    def kill(self) -> None:
        """As if its machine lost power; returns once none of its processes is left."""
        if self._process and self._process.poll() is None:
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            for pid in children or [str(self.pid)]:  # the first one inside is gone only after all the others
                os.kill(int(pid), signal.SIGKILL)
            self._process.wait()

    def remove(self) -> None:
        """Kills it, and removes its images."""
        self.kill()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        from slimtasks.engine.client import Engine
        from slimtasks.errors import EngineError

        try:
            Engine(self.folder, {"DOCKER_HOST": f"unix://{self.socket}"}).ping()
        except EngineError:
            return False
        return True
