"""Disks that are full and engines that go, in the middle of a run: what is said and left, and the next run."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine_relay import Relay
from faults import SPEC, said
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = pytest.mark.engine

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs: needs root")


# The disk


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@root_only
@pytest.mark.parametrize(
    ("kib", "failed", "file"),
    [
        (20, "base:ground", "build/"),
        (2200, "base:ground", "build/"),
        (4200, "fat:web", "build/"),
        (6300, "context:web", "build/web/context.tar"),
        (8300, "image:web", "build/web/image.tar"),
    ],
)
def test_a_full_disk(make_repo: Callable[..., Repo], kib: int, failed: str, file: str) -> None:
    repo = make_repo()
    with small_disk(repo.path("build"), kib):
        result = repo.run()
        assert result.status == 1 and failed in result.failed, result.output
        assert "the disk is full: cannot write build/" in result.output and "Traceback" not in result.output
        assert file in result.output and "run the same command again" in result.output
        assert repo.left_over() == []
        subprocess.run(["mount", "-o", "remount,size=50m", str(repo.path("build"))], check=True)
        result = repo.run()
        assert (result.status, repo.left_over()) == (0, []), result.output


@root_only
def test_a_disk_with_no_room_for_doits_own_notes(make_repo: Callable[..., Repo], tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    with small_disk(tmp_path / "repo", 50_000):
        repo = make_repo()
        assert repo.run("list").status == 0  # it has made .doit.db
        used = int(subprocess.check_output(["du", "-sk", str(repo.root)]).split()[0])
        subprocess.run(["mount", "-o", f"remount,size={used + 4 * 1024}k", str(repo.root)], check=True)
        repo.path("filler").write_bytes(bytes(4 * 1024 * 1024))
        result = repo.run()
        assert result.status in (1, 3) and "Traceback" not in result.output, result.output
        assert " -> " in result.output
        repo.path("filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=50m", str(repo.root)], check=True)
        result = repo.run()
        assert (result.status, repo.left_over()) == (0, []), result.output


def test_folders_that_may_not_be_written(site: Repo) -> None:
    site.path("build").chmod(0o555)
    site.append(SPEC, "keep: [/bin/ls]\n")
    result = site.run_as_nobody_special()
    site.path("build").chmod(0o755)
    assert result.status == 1 and "Traceback" not in result.output, result.output
    assert result.output.count(": permission denied\n      -> see whose it is") == 1
    site.root.chmod(0o555)
    result = site.run_as_nobody_special()
    site.root.chmod(0o755)
    if not os.access(site.path(".doit.db"), os.W_OK):
        assert (result.status, result.ran) == (3, ()), result.output
    assert "Traceback" not in result.output


# The engine


def test_no_engine_is_said_once(site: Repo) -> None:
    for name in ("one", "two"):
        site.write(f"images/{name}/image.yaml", f"kind: base\nfrom: {{dockerfile: Dockerfile}}\ntags: [x/{name}]\n")
        site.write(f"images/{name}/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    address = f"unix://{site.root}/absent"
    result = site.run(DOCKER_HOST=address)
    assert result.status == 1, result.output
    said(result, f"no container engine answers at {address} (DOCKER_HOST): no such file or directory")


def test_no_engine_at_a_port_and_no_address(site: Repo) -> None:
    result = site.run(DOCKER_HOST="tcp://127.0.0.1:1")
    assert result.status == 1
    said(result, "no container engine answers at tcp://127.0.0.1:1 (DOCKER_HOST): connection refused")
    result = site.run(DOCKER_HOST="bogus://x")
    assert result.status == 1
    said(result, "DOCKER_HOST says 'bogus://x', which is no address of a container engine")


def test_an_engine_that_one_may_not_use(site: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(site.root)  # an address may have 107 bytes only
        listener.bind("socket")
        listener.listen()
        site.path("socket").chmod(0)
        result = site.run_as_nobody_special(DOCKER_HOST=f"unix://{site.root}/socket")
    site.path("socket").unlink()
    assert result.status == 1, result.output
    said(result, ": permission denied", "-> add yourself to the socket's group")


CUTS = (
    ("base:ground", b"/build?", 1),
    ("verify:ground", b"/start", 1),
    ("fat:web", b"/build?", 1),
    ("trace:web", b"/containers/create", 3),
    ("select:web", b"/containers/json", 1),
    ("layers:web", b"/attach", 1),
    ("image:web", b"/images/load", 1),
    ("verify:web", b"/start", 2),
)


def test_an_engine_that_goes_in_the_middle_of_each_stage(make_repo: Callable[..., Repo]) -> None:
    repo = make_repo()
    for task, request, times in CUTS:
        with Relay(cut_on=(request, times)) as relay:
            result = repo.run(task, DOCKER_HOST=relay.address)
        assert (result.status, result.failed) == (1, (task,)), f"{task}: {result.output}"
        gone = (
            f"the container engine at {relay.address} (DOCKER_HOST) ",
            f"no container engine answers at {relay.address}",
        )
        assert sum(result.output.count(text) for text in gone) == 1, f"{task}: {result.output}"
        assert "Traceback" not in result.output and result.output.count("      -> ") == 1, f"{task}: {result.output}"
        assert [left for left in repo.left_over() if left.startswith(("file", "scratch"))] == []
        result = repo.run(task)
        assert (result.status, repo.left_over()) == (0, []), f"{task}: {result.output}"
    assert repo.run().status == 0
