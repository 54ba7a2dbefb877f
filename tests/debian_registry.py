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
from collections.abc import Callable, Iterator, Sequence
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
Start = Callable[..., str]


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


@pytest.fixture
def start_registry(registry_program: str, tmp_path: Path) -> Iterator[Start]:
    """Starts one of these settings ('auth: ...' and so on; more of `http`); its 'host:port'."""
    with contextlib.ExitStack() as running:

        def start(settings: str = "", http: str = "") -> str:
            folder, port = tmp_path / f"registry-{time.monotonic_ns()}", free_port()
            folder.mkdir()
            written = folder / "config.yml"
            written.write_text(_SETTINGS.format(folder=folder, port=port, more=http) + settings)
            log = running.enter_context((folder / "log").open("wb"))
            process = subprocess.Popen([registry_program, "serve", str(written)], stdout=log, stderr=log)
            running.callback(process.wait)
            running.callback(process.terminate)
            wait_for(port)
            return f"127.0.0.1:{port}"

        yield start


@pytest.fixture
def registry(start_registry: Start) -> str:
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
