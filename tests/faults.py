"""A repo in which all is well, to be broken, and what a run says of a fault.

PYTEST_DONT_REWRITE: modules import it before pytest takes it for a plugin; what it asserts has its own message.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_repo import Repo, Result

SPEC, DOCKERFILE, SERVER = "images/web/image.yaml", "images/web/Dockerfile", "images/web/server"


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    """A repo in which all is well, and all is built."""
    repo = Repo(tmp_path_factory.mktemp("sound"), busybox, f"slimtest-{secrets.token_hex(4)}")
    result = repo.run()
    assert result.status == 0, result.output
    yield repo
    repo.remove_images()


@pytest.fixture
def site(sound: Repo, tmp_path: Path) -> Iterator[Repo]:
    """The same to break; mended afterwards, its next run has to go well and to leave nothing."""
    shutil.copytree(sound.path("images"), tmp_path / "images", symlinks=True)
    yield sound
    shutil.rmtree(sound.path("images"))
    shutil.copytree(tmp_path / "images", sound.path("images"), symlinks=True)
    result = sound.run()
    assert (result.status, sound.left_over()) == (0, []), result.output


def fails(repo: Repo, result: Result, failed: str, *lines: str, others: tuple[str, ...] = ()) -> None:
    """It ended with 1 by that task alone; each line is there, once; a next step too; nothing is left, nothing raw."""
    assert (result.status, result.failed) == (1, (failed,)), result.output
    said(result, *lines)
    left = [name for name in repo.left_over() if name not in others]
    assert left == [], left


def said(result: Result, *lines: str) -> None:
    for line in lines:
        assert result.output.count(line) == 1, f"{line!r} in\n{result.output}"
    hints = result.output.count("\n      -> ") + result.output.count("\n    -> ") + result.output.count("\n  -> ")
    assert hints == 1 and "Traceback" not in result.output, result.output


def refused(result: Result, *lines: str) -> None:
    """It ended with 3 before anything ran."""
    assert (result.status, result.ran) == (3, ()), result.output
    said(result, *lines, "nothing has been run")
