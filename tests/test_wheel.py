"""The wheel by itself: installed elsewhere, in a repo of its own, without this checkout on any path."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pipeline_repo import CHECKOUT_OF_SLIMTASKS, Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, shipped_tracer: Path) -> Path:
    """As `./run wheel` makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "wheel"]
    command = [*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(CHECKOUT_OF_SLIMTASKS)]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def test_it_has_all_of_the_package_and_nothing_else(wheel: Path, shipped_tracer: Path) -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "slimtasks"]
    listed = subprocess.run(listing, cwd=CHECKOUT_OF_SLIMTASKS, check=True, capture_output=True, text=True).stdout
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    tars = {f"slimtasks/trace/{path.name}" for path in shipped_tracer.parent.glob("tracer-*.tar")}
    assert packed == {*listed.split(), *tars}


def test_a_repo_of_ones_own(wheel: Path, repo: Repo, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    found = subprocess.run(
        [sys.executable, "-c", "import slimtasks; print(slimtasks.__file__)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert found == str(installed / "slimtasks/__init__.py")
    result = repo.run("web", PYTHONPATH=str(installed))
    assert result.status == 0, result.output
    assert repo.tagged("web") == repo.result("web")["id"]
