"""Debian's docker-registry on a loopback port, and a small built image that can be pushed there.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from oci_archives import config
from tars import d, f, tar

from slimtasks.oci.archive import write_image
from slimtasks.records import SlimImage, SlimLayer, write_json
from slimtasks.spec.model import From, Image
from slimtasks.workspace import Workspace

_SETTINGS = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/store}}}}
http: {{addr: '127.0.0.1:{port}'{more}}}
"""


@pytest.fixture(scope="session")
def registry_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program of Debian's package, which is unpacked only, since installed it starts a service."""
    there = shutil.which("docker-registry")
    if there:
        return there
    folder = tmp_path_factory.mktemp("registry")
    folder.chmod(0o755)
    subprocess.run(["apt-get", "-qq", "download", "docker-registry"], cwd=folder, check=True)
    subprocess.run(["dpkg", "-x", str(next(folder.glob("*.deb"))), "."], cwd=folder, check=True)
    return str(folder / "usr/bin/docker-registry")


class Registries:
    """Starts registries, each with a folder of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._running: dict[str, tuple[Path, subprocess.Popen[bytes]]] = {}

    def __call__(self, settings: str = "", http: str = "") -> str:
        """One of these settings ('auth: ...' and so on; more of `http`); its 'host:port'."""
        folder, port = self._folder / f"registry-{time.monotonic_ns()}", free_port()
        folder.mkdir()
        (folder / "config.yml").write_text(_SETTINGS.format(folder=folder, port=port, more=http) + settings)
        self._serve(f"127.0.0.1:{port}", folder)
        return f"127.0.0.1:{port}"

    def restart(self, host: str, folder: Path, settings: str = "") -> None:
        """One that was stopped, with more settings."""
        with (folder / "config.yml").open("a") as file:
            file.write(settings)
        self._serve(host, folder)

    def stop(self, host: str) -> Path:
        """Its folder, which stays."""
        folder, process = self._running.pop(host)
        process.terminate()
        process.wait()
        return folder

    def stop_all(self) -> None:
        for host in tuple(self._running):
            self.stop(host)

    def _serve(self, host: str, folder: Path) -> None:
        with (folder / "log").open("wb") as log:
            command = [self._program, "serve", str(folder / "config.yml")]
            self._running[host] = folder, subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(int(host.rpartition(":")[2]))


@pytest.fixture
def start_registry(registry_program: str, tmp_path: Path) -> Iterator[Registries]:
    registries = Registries(registry_program, tmp_path)
    yield registries
    registries.stop_all()


@pytest.fixture
def registry(start_registry: Registries) -> str:
    """One that takes anything of anybody."""
    return start_registry()


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on {port}")


def built(
    workspace: Workspace, name: str = "app", tags: Sequence[str] = ("our/app:7",), contents: Sequence[str] = "ab"
) -> Image:
    """An image as the stages leave it in build/, with a layer for each of the contents."""
    layers = [tar(d("data"), f(f"data/{number}", content * 9999)) for number, content in enumerate(contents)]
    ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    for diff_id, layer in zip(ids, layers, strict=True):
        workspace.layer(diff_id).parent.mkdir(parents=True, exist_ok=True)
        workspace.layer(diff_id).write_bytes(layer)
    files = workspace.image(name)
    files.folder.mkdir(parents=True)
    raw = config(layers)
    digests = write_image(files.archive, raw, [workspace.layer(diff_id) for diff_id in ids], tags)
    described = tuple(SlimLayer(diff_id, "application", 0, 0, 1) for diff_id in ids)
    write_json(files.image, SlimImage(digests[0], *digests, 0, len(ids), described, tuple(tags), "linux/amd64"))
    for path in files.of_sbom:
        write_json(path, {"file": path.name, "image": digests[0]})
    return Image(From(image="fat"), name=name, tags=tuple(tags))


def get(url: str, accept: str = "application/vnd.oci.image.manifest.v1+json") -> Any:
    """A document of a registry."""
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept})) as answer:
        return json.loads(answer.read())
