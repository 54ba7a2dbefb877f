"""Runs that are killed or interrupted at each stage: the same command then goes on, to the same result."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest
from pipeline_repo import STAGES, Repo, Result, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

TASKS = ("base:ground", "sbom:ground", "verify:ground", *(f"{stage}:web" for stage in STAGES if stage != "base"))
IMAGES = ("ground", "web")


@dataclass(frozen=True)
class Undisturbed:
    """A repo, and what a run that nobody disturbed makes of it."""

    repo: Repo
    digests: dict[str, str]  # the config digest of each image
    seconds: dict[str, float]  # of each task


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Undisturbed]:
    repo = Repo(tmp_path_factory.mktemp("killed"), busybox, fresh_tags())
    result = repo.run()
    assert (result.status, result.ran) == (0, TASKS), result.output
    yield Undisturbed(repo, digests(repo), seconds(repo))
    repo.remove_images()


def digests(repo: Repo) -> dict[str, str]:
    return {image: repo.result(image)["config_digest"] for image in IMAGES}


def seconds(repo: Repo) -> dict[str, float]:
    costs = {image: json.loads(repo.path(f"build/{image}/costs.json").read_text()) for image in IMAGES}
    return {f"{stage}:{image}": cost["seconds"] for image in IMAGES for stage, cost in costs[image].items()}


def disturb(repo: Repo, task: str, number: int, delay: float) -> Result:
    """Starts doit, and sends it a signal some seconds after the task has begun."""
    stage, _, image = task.partition(":")
    mark = repo.path(f"build/{image}/{stage}.unfinished")
    mark.unlink(missing_ok=True)
    process = repo.start()
    deadline = time.monotonic() + 300
    while not mark.exists() and process.poll() is None:
        assert time.monotonic() < deadline, f"{task} has not begun"
        time.sleep(0.0003)
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=300)
    return Result(process.returncode, output)


def finished(before: set[str], result: Result) -> set[str]:
    """All tasks that are done now; none of those before has run again."""
    assert not before & set(result.ran), f"what was finished runs again\n{result.output}"
    return before | set(result.ran)


@pytest.mark.parametrize("part", [0.0, 0.4, 0.8])
def test_killed_in_each_stage(undisturbed: Undisturbed, part: float) -> None:
    repo = undisturbed.repo
    assert repo.run("clean").status == 0
    done: set[str] = set()
    for task in TASKS:
        if task not in done:
            killed = disturb(repo, task, signal.SIGKILL, part * undisturbed.seconds[task])
            # its line is on the screen just before its state is on the disk
            done = finished(done, killed) - set(killed.ran[-1:])
    result = repo.run()
    assert result.status == 0, result.output
    assert digests(repo) == undisturbed.digests
    assert [repo.tagged(image) for image in IMAGES] == [repo.result(image)["id"] for image in IMAGES]
    assert repo.left_over() == []
    assert repo.run().ran == ()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("part", [0.0, 0.5])
def test_interrupted_in_each_stage(undisturbed: Undisturbed, number: int, part: float) -> None:
    repo = undisturbed.repo
    assert repo.run("clean").status == 0
    done: set[str] = set()
    for task in TASKS:
        if task in done:
            continue
        result = disturb(repo, task, number, part * undisturbed.seconds[task])
        done = finished(done, result)
        assert "Traceback" not in result.output and "xception" not in result.output, result.output
        if done != set(TASKS):
            assert result.status == 1, result.output
            # the shortest tasks are over before the signal comes, and then it was in none
            said = "interrupted" if task in done else f"interrupted in {task};"
            assert result.output.splitlines()[-1].startswith(said)
        assert repo.left_over() == []
    assert repo.run().status == 0
    assert digests(repo) == undisturbed.digests
    assert repo.left_over() == []


class Bootstrapping:
    """A repo with a base of Debian's packages, of which nothing is built, and where its trees are made."""

    def __init__(self, repo: Repo, trees: Path) -> None:
        self.repo, self.trees = repo, trees
        source = "{bootstrap: {suite: bookworm, variant: extract, include: [base-files]}}"
        repo.write("images/tree/image.yaml", f"kind: base\ntags: [{repo.tags}/tree]\nfrom: {source}\n")
        trees.mkdir()

    def begin(self) -> Popen[str]:
        """A run in the middle of making the tree."""
        process = self.repo.start("tree", TMPDIR=str(self.trees))
        deadline = time.monotonic() + 300
        while not list(self.trees.glob("*/mmdebstrap.*/var")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return process

    def left(self) -> list[Path]:
        """Trees, less the locks of all runs of this user."""
        return [path for path in self.trees.iterdir() if path.name != f"slimtasks-{os.getuid()}"]

    def at_work(self) -> list[int]:
        """The processes that make the tree."""
        wanted, found = f"TMPDIR={self.trees}/".encode(), []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # gone meanwhile
                if wanted in path.read_bytes():
                    found.append(int(path.parent.name))
        return found


@pytest.fixture
def bootstrapping(make_repo: Callable[..., Repo], tmp_path: Path) -> Bootstrapping:
    return Bootstrapping(make_repo(), tmp_path / "trees")


def test_an_interrupted_bootstrap_leaves_no_tree(bootstrapping: Bootstrapping) -> None:
    process = bootstrapping.begin()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1 and "interrupted in base:tree" in output, output
    assert bootstrapping.left() == []
    assert bootstrapping.repo.left_over() == []


def test_the_tree_of_a_killed_bootstrap_goes_with_the_next_run(bootstrapping: Bootstrapping) -> None:
    """All of it dies at once, as by the end of a container or of the machine."""
    process = bootstrapping.begin()
    for pid in (process.pid, *bootstrapping.at_work()):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=300)
    assert list(bootstrapping.trees.glob("*/mmdebstrap.*/var"))
    result = bootstrapping.repo.run("tree", TMPDIR=str(bootstrapping.trees))
    assert result.status == 0, result.output
    assert bootstrapping.left() == []
    assert bootstrapping.repo.left_over() == []


def test_a_bootstrap_that_outlives_its_killed_run_is_let_end(bootstrapping: Bootstrapping) -> None:
    process = bootstrapping.begin()
    orphans = bootstrapping.at_work()
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=300)
    result = bootstrapping.repo.run("tree", TMPDIR=str(bootstrapping.trees))
    assert result.status == 0, result.output
    assert not set(orphans) & set(bootstrapping.at_work())
    assert bootstrapping.left() == []
    assert bootstrapping.repo.left_over() == []
