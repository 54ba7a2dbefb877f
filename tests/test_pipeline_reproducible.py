"""The same bits whoever makes an image, where and when."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pipeline_repo import Repo, doit_in, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

SOCKET = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
LATER = """\
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LATER = 3 * 86400 + 12345 };

int clock_gettime(clockid_t clock, struct timespec *now) {
    int status = (int)syscall(SYS_clock_gettime, clock, now);
    if (!status && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += LATER;
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (result) *result = exact.tv_sec;
    return exact.tv_sec;
}
"""


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library for LD_PRELOAD: the programs that have it think that it is three days later."""
    folder = tmp_path_factory.mktemp("later")
    folder.joinpath("later.c").write_text(LATER)
    made = folder / "later.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(made), "later.c"]
    subprocess.run(command, cwd=folder, check=True)
    asked = [sys.executable, "-c", "import time; print(time.time())"]
    told = subprocess.run(asked, env={**os.environ, "LD_PRELOAD": str(made)}, stdout=subprocess.PIPE, check=True)
    assert float(told.stdout) > time.time() + 3 * 86400
    return made


def bits(repo: Repo, image: str = "web") -> dict[str, Any]:
    """All that has to be the same."""
    made = repo.result(image)
    return {
        "config": made["config_digest"],
        "manifest": made["manifest_digest"],
        "layers": [layer["diff_id"] for layer in made["layers"]],
    }


def dates(repo: Repo, image: str = "web") -> set[int]:
    """The mtimes in all layers."""
    found: set[int] = set()
    for layer in repo.result(image)["layers"]:
        with tarfile.open(repo.path("build/layers") / f"{layer['diff_id'].removeprefix('sha256:')}.tar") as members:
            found.update(int(member.mtime) for member in members)
    return found


def build(repo: Repo, *images: str, **variables: str) -> None:
    made = repo.run(*(images or ("web",)), **variables)
    assert made.status == 0, made.output


def test_another_folder_umask_locale_time_zone_hash_seed_and_day(
    make_repo: Callable[..., Repo], later: Path, tmp_path: Path
) -> None:
    tags = fresh_tags()
    one = make_repo("one", tags)
    build(one, LC_ALL="C.UTF-8", TZ="UTC", PYTHONHASHSEED="1")
    before = os.umask(0o077)
    try:
        other = make_repo("a folder/with a longer name/two", tags)
        for path in other.root.rglob("*"):
            os.utime(path, (1_234_567_890, 1_234_567_890), follow_symlinks=False)
        build(other, LC_ALL="C", TZ="XXX-14", PYTHONHASHSEED="4242", LD_PRELOAD=str(later))
    finally:
        os.umask(before)
    assert bits(other) == bits(one)
    assert other.path("build/web/image.tar").read_bytes() == one.path("build/web/image.tar").read_bytes()
    assert other.path("build/web/context.tar").read_bytes() == one.path("build/web/context.tar").read_bytes()


@pytest.fixture
def strangers_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that anybody can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="slimtest-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_another_user(repo: Repo, strangers_folder: Path, busybox: Path) -> None:
    """One who may use the engine by its group alone, and owns nothing but his checkout; he reads slimtasks anywhere."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    build(repo)
    other = Repo(strangers_folder / "repo", busybox, repo.tags)
    user, group = 54321, SOCKET.stat().st_gid
    assert SOCKET.stat().st_mode & 0o060 == 0o060, f"{SOCKET} is its owner's alone"
    for path in (strangers_folder, *strangers_folder.rglob("*")):
        os.chown(path, user, group, follow_symlinks=False)
    caps = "+dac_read_search"
    rights = (f"--inh-caps={caps}", f"--ambient-caps={caps}")
    become = ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *rights, "--")
    try:
        made = doit_in(other.root, "web", before=become, variables={"HOME": str(strangers_folder)})
        assert made.status == 0, made.output
        assert other.path("build/web/image.tar").stat().st_uid == user
        assert bits(other) == bits(repo)
    finally:
        other.remove_images()


def test_source_date_epoch_is_the_date_of_all_that_no_package_brought(make_repo: Callable[..., Repo]) -> None:
    tags = fresh_tags()
    one, other = make_repo("one", tags), make_repo("two", tags)
    build(one)
    plain = bits(one)
    assert dates(one) == {0}
    build(one, SOURCE_DATE_EPOCH="1000000000")
    build(other, SOURCE_DATE_EPOCH="1000000000")
    assert bits(one) == bits(other)
    assert dates(one) == {1_000_000_000}
    image = one.engine.inspect_image(one.result("web")["id"])
    assert image and image["Created"] == "2001-09-09T01:46:40Z"
    assert bits(one)["config"] != plain["config"] and set(bits(one)["layers"]).isdisjoint(plain["layers"])
    build(one)
    assert bits(one) == plain
