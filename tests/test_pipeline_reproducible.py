"""The same bits whoever makes an image, where and when; and `doit verify-reproducible`, which proves it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from oci_archives import config, docker_archive
from pipeline_repo import Repo, doit_in, fresh_tags
from tars import Item, d, f, link, tar

from slimtasks.engine.labels import checkout_key
from slimtasks.sources.tracer import shipped_tracer

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

SOCKET = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
PACKED = 1_200_000_000  # 2008
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


@pytest.fixture(autouse=True, scope="module")
def verify_reproducible_installed() -> None:
    """doit finds its commands in what is installed, not on PYTHONPATH."""
    if not entry_points(group="doit.COMMAND", name="verify-reproducible"):
        pytest.fail("slimtasks is not installed: `./run test`, or `pip install --no-deps -e .`", pytrace=False)


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


def dated(item: Item, mtime: int) -> Item:
    item[0].mtime = mtime
    return item


def foreign(repo: Repo, busybox: Path, tag: str, checkout: int) -> None:
    """Loads an image whose COPY layer has the mtimes of a checkout, as another builder makes it."""
    program = busybox.read_bytes()
    ground = tar(d("bin"), f("bin/busybox", program, 0o755), link("bin/sh", "busybox"), link("bin/cat", "busybox"))
    copied = tar(dated(d("app"), checkout), dated(f("app/data", "data\n"), checkout + 7))
    history = [{"created_by": "ADD rootfs.tar / # buildkit"}, {"created_by": "COPY app /app # buildkit"}]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    settings = {"Env": ["PATH=/bin"], "Cmd": ["cat", "/app/data"], "WorkingDir": "/app"}
    raw = config([ground, copied], history, architecture=machine, config=settings)
    repo.engine.load_stream(iter([docker_archive(ground, copied, raw_config=raw, tags=(tag,))]))


def packaged(repo: Repo, busybox: Path, tag: str) -> None:
    """Loads an image with a Debian package of 2008, installed in 2011."""
    layer = tar(
        *(d(name) for name in ("bin", "usr", "usr/share", "var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info")),
        *(f("bin/busybox", busybox.read_bytes(), 0o755), link("bin/cat", "busybox"), link("bin/ls", "busybox")),
        dated(f("usr/share/tiny", "tiny\n"), PACKED),
        dated(f("var/lib/dpkg/info/tiny.list", "/.\n/usr\n/usr/share\n/usr/share/tiny\n"), PACKED + 100_000_000),
        f("var/lib/dpkg/status", "Package: tiny\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n"),
        f("var/cache/x", "x" * 9999),
    )
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    raw = config([layer], architecture=machine, config={"Env": ["PATH=/bin"], "Cmd": ["cat", "/usr/share/tiny"]})
    repo.engine.load_stream(iter([docker_archive(layer, raw_config=raw, tags=(tag,))]))


def test_source_date_epoch_of_a_base_and_a_variant_leaves_a_package_its_own(repo: Repo, busybox: Path) -> None:
    packaged(repo, busybox, f"{repo.tags}/theirs:1")
    source = f"from: {{image: '{repo.tags}/theirs:1'}}\nworkload: [oneshot: {{command: [cat, /usr/share/tiny]}}]\n"
    flat = f"kind: base\ntags: [{repo.tags}/flat]\nsquash: {{remove: [/var/cache]}}\n"
    repo.write("images/flat/image.yaml", flat + source)
    more = f"tags: [{repo.tags}/data]\nunowned: traced\nfinal: {{variants: [debug]}}\n"
    repo.write("images/data/image.yaml", source.replace(f"{repo.tags}/theirs:1", "flat") + more)
    refused = repo.run("data", SOURCE_DATE_EPOCH="1700000000000")  # milliseconds
    assert (refused.status, refused.failed) == (1, ("base:flat",)), refused.output
    assert "SOURCE_DATE_EPOCH is '1700000000000'" in refused.output and "Traceback" not in refused.output
    build(repo, "data", SOURCE_DATE_EPOCH="1700000000")
    for image in ("flat", "data", "data-debug"):
        assert dates(repo, image) == {PACKED, 1_700_000_000}, image
        found = repo.engine.inspect_image(repo.result(image)["id"])
        assert found and found["Created"] == "2023-11-14T22:13:20Z", image
    again = repo.run("verify-reproducible", "data-debug", SOURCE_DATE_EPOCH="1700000000")
    assert (again.status, again.ran) == (0, ()), again.output
    assert f"the same {repo.result('data-debug')['config_digest']}" in again.output, again.output


def test_two_checkouts_whose_files_are_of_two_ages(make_repo: Callable[..., Repo], busybox: Path) -> None:
    """SOURCE_DATE_EPOCH lies after both, as a release's date does after those of what it is made of."""
    tags, found = fresh_tags(), []
    for folder, checkout in (("one", 1_100_000_000), ("two", 1_200_000_000)):
        repo = make_repo(folder, tags)
        foreign(repo, busybox, f"{tags}/theirs:1", checkout)
        repo.write(
            "images/data/image.yaml",
            f"tags: [{tags}/data]\nfrom: {{image: '{tags}/theirs:1'}}\n"
            "workload: [oneshot: {command: [cat, /app/data], stdout: [data]}]\n",
        )
        build(repo, "data", SOURCE_DATE_EPOCH="1700000000")
        found.append((bits(repo, "data"), json.loads(repo.path("build/data/fat.json").read_text())))
    (one, fat), (other, other_fat) = found
    assert fat["config_digest"] != other_fat["config_digest"] and fat["tree_digest"] == other_fat["tree_digest"]
    assert one == other


# The command


def images(repo: Repo) -> set[str]:
    """The tags of the repo's images in the engine, which others use at the same time, and of those that it holds."""
    tags = {tag for image in repo.engine.images() for tag in image["RepoTags"] or ()}
    return {tag for tag in tags if tag.startswith(repo.tags) or checkout_key(repo.root) in tag}


def test_verify_reproducible_proves_it_or_names_layer_path_and_field_and_leaves_nothing(repo: Repo) -> None:
    build(repo)
    made, listed = bits(repo), sorted(repo.path("build").rglob("*"))
    before = images(repo)
    with repo.created() as created:
        said = repo.run("verify-reproducible", "web")
    assert (said.status, said.ran) == (0, ()), said.output
    assert f"the same {made['config']}, manifest and {len(made['layers'])} layers" in said.output
    assert "another folder and umask, LC_ALL=C, TZ=XXX-14, PYTHONHASHSEED=1" in said.output
    tracer = shipped_tracer(repo.engine)  # has the program that takes the files out; nothing is traced or verified
    assert sorted(created) == sorted((tracer, repo.fat("web")))
    assert repo.left_over() == [] and images(repo) == before
    assert (bits(repo), sorted(repo.path("build").rglob("*"))) == (made, listed)
    assert repo.run("web").ran == ()

    # a layer that came out otherwise
    altered = alter(repo, made["layers"][0])
    layers = repo.path("build/web/layers.json")
    layers.write_text(layers.read_text().replace(made["layers"][0], altered))
    said = repo.run("verify-reproducible", "web")
    assert (said.status, said.ran) == (1, ("image:web",)), said.output
    assert f"layer 1: {altered} -> {made['layers'][0]}" in said.output
    assert "layer 1: /bin/busybox: mode 0700 -> 0755, mtime 77 -> 0" in said.output
    assert f"config digest: {bits(repo)['config']} -> {made['config']}" in said.output
    assert f"manifest digest: {bits(repo)['manifest']} -> {made['manifest']}" in said.output
    assert "fault of slimtasks" in said.output and "Traceback" not in said.output
    assert repo.left_over() == []


def alter(repo: Repo, diff_id: str) -> str:
    """Puts a layer into the store that differs in the mode and mtime of /bin/busybox; its diff ID."""
    store, buffer = repo.path("build/layers"), io.BytesIO()
    with tarfile.open(store / f"{diff_id[7:]}.tar") as old, tarfile.open(fileobj=buffer, mode="w") as new:
        for member in old:
            if member.name == "bin/busybox":
                member.mode, member.mtime = 0o700, 77
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    altered = hashlib.sha256(buffer.getvalue()).hexdigest()
    (store / f"{altered}.tar").write_bytes(buffer.getvalue())
    return f"sha256:{altered}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "verify-reproducible: which image? allowed: web"),
        (("nginx",), "verify-reproducible: nginx: not a slim image; allowed: web"),
        (("ground",), "verify-reproducible: ground: not a slim image; allowed: web"),
    ],
)
def test_a_name_that_is_none(repo: Repo, words: tuple[str, ...], said: str) -> None:
    result = repo.run("verify-reproducible", *words, DOCKER_HOST="unix:///nowhere.sock")
    assert (result.status, result.ran) == (3, ()) and said in result.output, result.output
