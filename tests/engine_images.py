"""An engine, and a small image in it, for the tests that need one; nothing is pulled.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    engine.load_stream(iter([archive(tag, tree(busybox))]))
    yield tag
    engine.untag(tag)


def tree(busybox: Path) -> bytes:
    """The layer of the tiny image, as a tar."""
    members = [folder("bin"), folder("etc"), folder("tmp", 0o1777)]
    members.append((entry("bin/busybox", mode=0o755), busybox.read_bytes()))
    members.append((entry("etc/passwd"), b"root:x:0:0::/:/bin/sh\nother:x:1000:1000::/:/bin/sh\n"))
    for name in APPLETS:
        member = entry(f"bin/{name}")
        member.type, member.linkname = tarfile.SYMTYPE, "busybox"
        members.append((member, b""))
    return tar(members)


def archive(tag: str, layer: bytes, config: dict[str, object] | None = None) -> bytes:
    """A docker-archive of one layer."""
    settings = {"Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": {KIND_LABEL: "test"}, **(config or {})}
    image = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "created": "1980-01-02T00:00:00Z",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": "1980-01-02T00:00:00Z"}],
    }
    content = json.dumps(image).encode()
    name = hashlib.sha256(content).hexdigest()
    manifest = [{"Config": f"{name}.json", "RepoTags": [tag], "Layers": ["layer/layer.tar"]}]
    return tar(
        [
            (entry(f"{name}.json"), content),
            folder("layer"),
            (entry("layer/layer.tar"), layer),
            (entry("manifest.json"), json.dumps(manifest).encode()),
        ]
    )


def entry(name: str, mode: int = 0o644, uid: int = 0) -> tarfile.TarInfo:
    """A regular file for `tar`."""
    member = tarfile.TarInfo(name)
    member.mode, member.uid, member.gid = mode, uid, uid
    return member


def folder(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    """A directory for `tar`."""
    member = entry(name, mode)
    member.type = tarfile.DIRTYPE
    return member, b""


def tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A tar of these members; regular files get the size of their content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        for member, content in members:
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def files(**contents: bytes) -> bytes:
    """A tar of files in one folder."""
    return tar([(entry(name), content) for name, content in contents.items()])
