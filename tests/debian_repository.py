"""A repository of small packages, made by Debian's own tools, out of which mmdebstrap makes a tree in a second."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

SUITE = "small"
_DATE = {"SOURCE_DATE_EPOCH": "1700000000"}
_PROGRAMS = ("/usr/bin/dpkg", "/usr/bin/dpkg-deb", "/usr/bin/dpkg-split", "/usr/bin/dpkg-query", "/bin/tar")
_APPLETS = (
    "sh",
    "rm",
    "cat",
    "ls",
    "chmod",
    "chown",
    "mkdir",
    "mv",
    "ln",
    "sed",
    "grep",
    "true",
    "test",
    "env",
    "diff",
)
_CONTROL = """\
Package: {name}
Version: {version}
Architecture: {architecture}
{more}Maintainer: none <none@example.org>
Description: for tests
"""


class Repository:
    """Has the essential package `ground`, with all that a bootstrap runs, and what is published."""

    def __init__(self, folder: Path, busybox: Path) -> None:
        self.folder = folder
        self.architecture = _output("dpkg", "--print-architecture")
        tree = folder.parent / "ground"
        for program in _PROGRAMS:
            linked = [word for word in _output("ldd", program).split() if word.startswith("/")]
            for path in (program, *linked):
                _install(Path(path), tree)
        _install(busybox, tree, "bin/busybox")
        for name in _APPLETS:
            (tree / "bin" / name).symlink_to("busybox")
        (tree / "sbin").mkdir()
        for name in ("ldconfig", "start-stop-daemon"):
            (tree / "sbin" / name).write_text("#!/bin/sh\n")
            (tree / "sbin" / name).chmod(0o755)
        (tree / "etc").mkdir(exist_ok=True)
        folder.mkdir()
        self._pack(tree, "ground", "1", self.architecture, "Essential: yes\n")
        self._index()

    @property
    def mirror(self) -> str:
        """As `from.bootstrap.mirror` has it."""
        return f"deb [trusted=yes] copy://{self.folder} {SUITE} main"

    def publish(self, name: str, version: str) -> None:
        """The package in that version, and in no other."""
        for path in self.folder.glob(f"{name}_*.deb"):
            path.unlink()
        tree = self.folder.parent / f"{name}-{version}"
        (tree / "usr/share").mkdir(parents=True, exist_ok=True)
        (tree / "usr/share" / name).write_text(f"{version}\n")
        self._pack(tree, name, version, "all")
        self._index()

    def _pack(self, tree: Path, name: str, version: str, architecture: str, more: str = "") -> None:
        (tree / "DEBIAN").mkdir(exist_ok=True)
        control = _CONTROL.format(name=name, version=version, architecture=architecture, more=more)
        (tree / "DEBIAN/control").write_text(control)
        _output("dpkg-deb", "-Znone", "--root-owner-group", "-b", str(tree), str(self.folder / f"{name}_{version}.deb"))

    def _index(self) -> None:
        place = f"main/binary-{self.architecture}/Packages"
        packages = self.folder / "dists" / SUITE / place
        packages.parent.mkdir(parents=True, exist_ok=True)
        text = _output("dpkg-scanpackages", "-m", ".", cwd=self.folder) + "\n\n"
        packages.write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        (self.folder / "dists" / SUITE / "Release").write_text(
            f"Suite: {SUITE}\nCodename: {SUITE}\nComponents: main\nArchitectures: {self.architecture}\n"
            f"Date: Tue, 14 Nov 2023 22:13:20 UTC\nSHA256:\n {digest} {len(text)} {place}\n"
        )


def _install(path: Path, tree: Path, name: str = "") -> None:
    target = tree / (name or str(path).lstrip("/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


def _output(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **_DATE}, capture_output=True, text=True, check=True)
    return done.stdout.strip()
