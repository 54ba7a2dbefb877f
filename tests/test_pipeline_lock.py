"""`doit lock`: a trace that is committed, and what a checkout that has it does."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import pytest
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

LOCK = "images/web/trace.lock.jsonl"
STAMPED = """\
ARG BUILD
RUN head -c 9 /dev/urandom >/etc/stamp && cp /etc/stamp /etc/stamp.$BUILD
COPY stamped /bin/server
"""


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    """doit finds its commands in what is installed, not on PYTHONPATH."""
    if not entry_points(group="doit.COMMAND", name="lock"):
        pytest.fail("slimtasks is not installed: `./run test`, or `pip install --no-deps -e .`", pytrace=False)


def stamped(repo: Repo) -> None:
    """Makes each build of web, in spite of the cache, one with other content in a file that its server reads."""
    server = repo.path("images/web/server").read_text().replace("\ntrap", "\ncat /etc/stamp >/dev/null\ntrap")
    repo.write("images/web/stamped", server).chmod(0o755)
    repo.append("images/web/Dockerfile", STAMPED)
    build_again(repo, 0)


def build_again(repo: Repo, number: int) -> None:
    path = repo.path("images/web/image.yaml")
    line = f"from: {{dockerfile: Dockerfile, args: {{BUILD: '{number}'}}}}\n"
    path.write_text("".join(line if x.startswith("from:") else x for x in path.read_text().splitlines(True)))


def test_a_lock_from_the_first_trace_to_the_day_it_does_not_fit(repo: Repo) -> None:
    stamped(repo)
    made = repo.run("lock", "web")
    assert (made.status, made.ran[-2:]) == (0, ("fat:web", "lock:web")), made.output
    assert f"{LOCK}: needs " in made.output and " (traced before)" not in made.output
    lock = repo.path(LOCK).read_bytes()

    # nothing is traced, nor started but to verify
    with repo.created() as created:
        assert repo.run("trace:web").ran == ("trace:web",)
    assert created == []
    assert repo.run("web").status == 0
    locked = repo.result("web")
    assert repo.run("web").ran == ()

    # the image is the same as without the lock, whose trace was made before
    repo.path(LOCK).unlink()
    result = repo.run("web")
    assert "(traced before)" in result.output and repo.result("web") == locked
    again = repo.run("lock", "web")
    assert again.ran == ("lock:web",) and " (traced before)" in again.output
    assert repo.path(LOCK).read_bytes() == lock

    # another build of the same Dockerfile
    build_again(repo, 1)
    result = repo.run("web")
    assert result.status == 0, result.output
    assert ", from trace.lock.jsonl; changed since: no package (1 file)" in result.output
    assert repo.path(LOCK).read_bytes() == lock

    # another workload: told, and left to the user
    repo.append("images/web/image.yaml", "  - exec: {command: [cat, /etc/passwd], stdout: [root]}\n")
    result = repo.run("trace:web")
    assert "workload in the spec changed since: `doit lock web` traces that" in result.output

    # an image that lacks what the lock needs
    repo.append("images/web/Dockerfile", "RUN mv /etc/stamp /etc/stomp && sed -i s/stamp/stomp/ /bin/server\n")
    result = repo.run("web")
    assert (result.status, result.failed) == (1, ("trace:web",))
    assert f"{LOCK} does not fit this image, which lacks 1 of the " in result.output
    assert "\n      no package: /etc/stamp\n" in result.output
    assert "-> `doit lock web` traces the image as it is now and writes the lock anew; " in result.output
    assert repo.run("lock", "web").ran == ("lock:web",)
    assert repo.run("web").status == 0
    assert {"/etc/stomp", "/etc/passwd"} <= {json.loads(line).get("path") for line in repo.path(LOCK).open()}
    assert repo.left_over() == []


def test_a_lock_that_was_edited(repo: Repo) -> None:
    assert repo.run("lock", "web").status == 0
    repo.run("trace:web")
    head, *lines = repo.path(LOCK).read_text().splitlines(True)
    line = '{"how":"read","path":"/bin/false","sources":["by hand"],"steps":[0],"type":"file"}\n'
    count = f'"lines":{len(lines)}'
    repo.write(LOCK, "".join([head.replace(count, f'"lines":{len(lines) + 1}'), line, *lines]))
    assert repo.run("trace:web").ran == ("trace:web",)
    assert '"path":"/bin/false"' in repo.path("build/web/trace.jsonl").read_text()
    repo.write(LOCK, "".join([head, "<<<<<<< HEAD\n", *lines]))
    result = repo.run("trace:web")
    assert (result.status, result.failed) == (1, ("trace:web",))
    assert (
        f"{LOCK}:2: found '<<<<<<< HEAD'; allowed: a JSON object\n      -> `doit lock web` writes it" in result.output
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "ERROR: lock: which image? allowed: web\n"),
        (("webb", "ground"), "ERROR: lock: webb, ground: not an image that is traced; did you mean web? allowed: "),
    ],
)
def test_what_cannot_be_locked(repo: Repo, arguments: tuple[str, ...], said: str) -> None:
    result = repo.run("lock", *arguments, DOCKER_HOST="unix:///nowhere.sock")
    assert result.status == 3 and said in result.output, result.output
    assert not repo.path(LOCK).exists()


def test_help(repo: Repo) -> None:
    assert "lock NAME..." in repo.run("help", "lock").output
    assert "lock  " in repo.run("help").output
