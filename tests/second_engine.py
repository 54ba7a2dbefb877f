"""A second container engine, as if on another machine: its own processes, network, mounts and images.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

_MACHINE = """\
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
ip link set lo up
exec dockerd --data-root "$1/data" -H "unix://$1/socket" >>"$1/log" 2>&1
"""


class SecondEngine:
    """A dockerd in namespaces of its own; `folder` is where it keeps all it has, over a restart too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = str(folder / "socket")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers."""
        if os.geteuid() or not shutil.which("dockerd"):
            pytest.skip("starts a second dockerd: needs root and Debian's docker.io")
        Path(self.socket).unlink(missing_ok=True)
        alone = ("unshare", "-m", "-n", "-p", "--fork", "--kill-child", "--mount-proc")
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        command = [*alone, "bash", "-c", _MACHINE, "machine", str(self.folder)]
        self._process = subprocess.Popen(command, env={**os.environ, "PATH": path}, start_new_session=True)
        deadline = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                pytest.fail(f"the second dockerd does not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """Of the process whose end ends all of it."""
        return self._process.pid if self._process else 0

    def kill(self) -> None:
        """As if its machine lost power."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def remove(self) -> None:
        """Kills it, and removes its images."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        from slimtasks.engine.client import Engine
        from slimtasks.errors import EngineError

        try:
            Engine(self.folder, {"DOCKER_HOST": f"unix://{self.socket}"}).ping()
        except EngineError:
            return False
        return True
