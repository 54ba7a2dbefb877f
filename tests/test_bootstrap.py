"""Debian trees by mmdebstrap, on this machine and in a container."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest
from pipeline_repo import CHECKOUT_OF_SLIMTASKS

from slimtasks.engine.client import Engine
from slimtasks.errors import BuildError, SlimError
from slimtasks.sources import bootstrap as module
from slimtasks.sources.bootstrap import bootstrap
from slimtasks.spec import Bootstrap

pytest_plugins = ["engine_images", "pipeline_repo"]
pytestmark = pytest.mark.engine
SMALL = Bootstrap("bookworm", variant="extract", include=("base-files",))
NO_MMDEBSTRAP = {"PATH": "/nonexistent"}


def ignore(line: str) -> None:
    """Nobody watches."""


def names(path: Path) -> set[str]:
    with tarfile.open(path) as tar:
        return {name.removeprefix("./") for name in tar.getnames()}


def test_on_this_machine(tmp_path: Path, engine: Engine) -> None:
    tree = tmp_path / "tree.tar"
    lines: list[str] = []
    bootstrap(SMALL, tree, engine, os.environ, lines.append)
    assert "usr/lib/os-release" in names(tree)
    assert "dev/null" not in names(tree)
    assert any("apt-get update" in line for line in lines)


@pytest.mark.usefixtures("shipped_tracer")  # which built our Debian
def test_in_a_container_where_this_machine_has_no_mmdebstrap(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian = json.loads((CHECKOUT_OF_SLIMTASKS / "build/debian/base.json").read_text())["id"]
    monkeypatch.setattr(module, "_IMAGES", ("no/such:{suite}", debian))
    here, there = tmp_path / "here.tar", tmp_path / "there.tar"
    bootstrap(SMALL, here, engine, os.environ, ignore)
    bootstrap(SMALL, there, engine, NO_MMDEBSTRAP, ignore)
    assert names(there) == names(here)


def test_a_suite_that_does_not_exist(tmp_path: Path, engine: Engine) -> None:
    tree = tmp_path / "tree.tar"
    with pytest.raises(BuildError, match=r"the bootstrap of nosuchsuite failed: mmdebstrap .*exit status") as caught:
        bootstrap(Bootstrap("nosuchsuite", mirror="file:///nowhere"), tree, engine, os.environ, ignore)
    assert "mirror can be reached" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_neither_mmdebstrap_nor_an_image_to_run_it_in(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IMAGES", ("localhost:1/none:{suite}", "localhost:1/no/debian:{suite}"))
    with pytest.raises(
        SlimError, match="no mmdebstrap, and the engine has none of localhost:1/none:bookworm"
    ) as caught:
        bootstrap(SMALL, tmp_path / "tree.tar", engine, NO_MMDEBSTRAP, ignore)
    assert "apt install mmdebstrap" in caught.value.hint
