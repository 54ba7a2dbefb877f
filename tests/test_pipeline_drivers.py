"""What the engine stores images with makes no difference: vfs, where each container is a whole copy. pytest -m slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline_repo import Repo
from second_engine import SecondEngine, lacking

from slimtasks.engine.client import Engine

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def vfs(tmp_path: Path) -> Iterator[str]:
    """The address of an engine with the storage driver vfs."""
    if lacks := lacking("vfs"):
        pytest.skip(lacks)
    (tmp_path / "vfs").mkdir()
    engine = SecondEngine(tmp_path / "vfs", "vfs")
    try:
        engine.start()
        yield f"unix://{engine.socket}"
    finally:
        engine.remove()


def test_the_same_trace_and_digests_with_vfs(vfs: str, make_repo: Callable[..., Repo]) -> None:
    here = make_repo("here")
    there = make_repo("there", here.tags)
    there.engine = Engine(there.root, {"DOCKER_HOST": vfs})
    assert there.engine.connection.json("GET", "/info", doing="asking for the driver")["Driver"] == "vfs"
    for repo, address in ((here, ""), (there, vfs)):
        repo.append("images/web/image.yaml", "trace: {backend: notify}\n")  # eBPF needs the host's process numbers
        made = repo.run("web", DOCKER_HOST=address)
        assert (made.status, repo.left_over()) == (0, []), made.output
    assert there.path("build/web/trace.jsonl").read_text() == here.path("build/web/trace.jsonl").read_text()
    for image in ("ground", "web"):
        mine, its = here.result(image), there.result(image)
        assert (its["config_digest"], its["layers"]) == (mine["config_digest"], mine["layers"])
    assert there.tagged("web") == its["id"]
