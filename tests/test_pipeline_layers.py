"""`doit relayer`, and what the images are with the lock that it writes."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

LOCK = "images/layers.lock"
MARK = b"\nslimtest-version "  # at the end of the program
STATUS = """\
Package: busybox
Status: install ok installed
Architecture: amd64
Version: {version}
"""


@pytest.fixture(autouse=True, scope="module")
def relayer_installed() -> None:
    """doit finds its commands in what is installed, not on PYTHONPATH."""
    if not entry_points(group="doit.COMMAND", name="relayer"):
        pytest.fail("slimtasks is not installed: `./run test`, or `pip install --no-deps -e .`", pytrace=False)


@pytest.fixture
def packaged(repo: Repo) -> Repo:
    """`web` and `other`, built on a ground in which busybox is a package."""
    repo.write("images/ground/root/var/lib/dpkg/info/busybox.list", "/.\n/bin\n/bin/busybox\n")
    install(repo, "1")
    repo.add_web("other")
    return repo


def install(repo: Repo, version: str) -> None:
    repo.write("images/ground/root/var/lib/dpkg/status", STATUS.format(version=version))
    busybox = repo.path("images/ground/root/bin/busybox")
    program = busybox.read_bytes()
    at = program.rfind(MARK)
    busybox.write_bytes(program[: at if at >= 0 else None] + MARK + version.encode())


def layers(repo: Repo, image: str) -> list[tuple[str, str]]:
    """Name and diff ID of each layer."""
    return [(layer["name"], layer["diff_id"]) for layer in repo.result(image)["layers"]]


def build(repo: Repo, *images: str) -> None:
    made = repo.run(*images)
    assert made.status == 0, made.output
    assert set(made.failed) == set()


def test_from_the_first_plan_to_an_image_more_and_an_update(packaged: Repo) -> None:
    repo = packaged
    build(repo, "web")
    plain = repo.result("web")
    assert [name for name, _ in layers(repo, "web")] == ["application", "customisation"]
    said = repo.run("relayer")
    assert said.status == 0 and "not built, so not planned for: other" in said.output
    assert "1 image built: nothing that several have in common is worth a layer" in said.output
    build(repo, "other")

    # what would be; nothing is written
    said = repo.run("relayer")
    assert (said.status, said.ran) == (0, ())
    assert "  root  busybox  2 images  1 file  " in said.output
    assert "digests that change: other, web" in said.output and "`doit relayer --yes` writes it" in said.output
    assert not repo.path(LOCK).exists() and repo.run("web", "other").ran == ()

    # written, and used
    assert "images/layers.lock is written" in repo.run("relayer", "--yes").output
    lock = repo.path(LOCK).read_text()
    assert lock.endswith("\n[root busybox]\ndeb/busybox:/bin/busybox\n")
    made = repo.run("web", "other")
    assert made.status == 0 and "layers:web" in made.ran and "trace:web" not in made.ran, made.output
    web, other = layers(repo, "web"), layers(repo, "other")
    assert [name for name, _ in web] == ["root", "application", "application", "customisation"]
    assert web[0] == other[0]
    assert repo.run("web", "other").ran == ()
    assert "images/layers.lock stays as it is" in repo.run("relayer", "--yes").output

    # an image more: it takes part, and changes nothing for the others
    before = repo.result("web"), repo.result("other")
    repo.add_web("third")
    build(repo, "third")
    assert layers(repo, "third")[0] == web[0]
    assert repo.run("web", "other").ran == () and (repo.result("web"), repo.result("other")) == before

    # a new busybox: the plan stands, its layer and what is told of packages are other ones, the rest is not
    install(repo, "2")
    build(repo, "web", "other")
    updated = layers(repo, "web")
    assert [a == b for a, b in zip(web, updated, strict=True)] == [False, False, True, True]
    assert updated[0] == layers(repo, "other")[0]
    assert repo.path(LOCK).read_text() == lock

    # without the lock all is as it was
    install(repo, "1")
    repo.path(LOCK).unlink()
    build(repo, "web")
    assert repo.result("web") == plain


@pytest.mark.parametrize(
    ("arguments", "lock", "status", "said"),
    [
        (("relayer", "web"), "", 3, "relayer: found 'web'; allowed: no names, it plans for all images"),
        (("relayer",), "shared = x\n", 1, f"{LOCK}:1: shared: found 'x'; allowed: a whole number"),
        (("relayer",), None, 0, "nothing is built, so there is nothing to plan"),
    ],
)
def test_how_relayer_ends_where_it_has_nothing_to_do(
    repo: Repo, arguments: tuple[str, ...], lock: str | None, status: int, said: str
) -> None:
    if lock is not None:
        repo.write(LOCK, lock)
    result = repo.run(*arguments, DOCKER_HOST="unix:///nowhere.sock")
    assert result.status == status and said in result.output, result.output
    assert "Traceback" not in result.output


def test_a_lock_that_is_none_fails_the_layers_alone(repo: Repo) -> None:
    repo.write(LOCK, "shared = 6\ndate = 0\n<<<<<<< HEAD\n")
    result = repo.run("web")
    assert (result.status, result.failed) == (1, ("layers:web",))
    assert f"{LOCK}:3: found '<<<<<<< HEAD'" in result.output
