"""An engine, and a small image in it, for the tests that need one; nothing is pulled.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from oci_archives import config, docker_archive
from tars import Item, d, f, link, tar

from slimtasks.engine.client import Engine
from slimtasks.oci.config import KIND_LABEL

APPLETS = (
    *("cat", "chmod", "cp", "echo", "env", "false", "head", "httpd", "id", "ln", "ls", "mkdir", "nc", "ps", "pwd"),
    *("rm", "sh", "sleep", "stat", "touch", "true", "tty", "uname", "wget", "yes"),
)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of this machine, for an empty checkout of its own."""
    made = Engine(tmp_path_factory.mktemp("checkout"))
    made.ping()
    yield made


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static busybox: this machine's, or the one of Debian's package."""
    for path in (Path("/bin/busybox"), Path("/usr/bin/busybox")):
        if path.exists() and b"/ld-linux" not in (content := path.read_bytes()) and b"/ld-musl" not in content:
            return path
    folder = tmp_path_factory.mktemp("busybox")
    folder.chmod(0o777)  # apt drops its rights for the download
    subprocess.run(["apt-get", "download", "-q", "busybox-static"], cwd=folder, check=True)
    package = next(folder.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "tree")], check=True)
    return next(path for path in (folder / "tree").rglob("busybox") if path.is_file() and path.parent.name == "bin")


@pytest.fixture(scope="session")
def tiny_image(engine: Engine, busybox: Path) -> Iterator[str]:
    """The tag of an image of 2 MB with a busybox: /bin/sh, cat, sleep, nc, httpd, ..., and a folder /tmp."""
    tag = engine.temporary_tag("test", "tiny")
    engine.load_stream(iter([image_of(tag, tree(busybox))]))
    yield tag
    engine.untag(tag)


def tree(busybox: Path, *more: Item) -> bytes:
    """The layer of the tiny image, as a tar; `more` is put beside it."""
    return tar(
        *(d(name, 0o1777 if name == "tmp" else 0o755) for name in ("bin", "etc", "tmp")),
        f("bin/busybox", busybox.read_bytes(), 0o755),
        f("etc/passwd", "root:x:0:0::/:/bin/sh\nother:x:1000:1000::/:/bin/sh\n"),
        *(link(f"bin/{name}", "busybox") for name in APPLETS),
        *more,
    )


def image_of(tag: str, layer: bytes, settings: dict[str, object] | None = None, architecture: str = "") -> bytes:
    """A docker-archive of one layer; `settings` are those of its config's `config`; for this machine unless said."""
    machine = os.uname().machine
    raw = config(
        [layer],
        [{"created": "1980-01-02T00:00:00Z"}],
        architecture=architecture or {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
        created="1980-01-02T00:00:00Z",
        config={"Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": {KIND_LABEL: "test"}, **(settings or {})},
    )
    return docker_archive(layer, raw_config=raw, tags=(tag,))
