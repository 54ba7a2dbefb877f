"""What runs again when something changed, and what does not."""

from __future__ import annotations

import pytest
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

CHAIN = tuple(f"{stage}:web" for stage in ("fat", "trace", "select", "layers", "context", "image", "verify"))


def test_first_all_runs_then_nothing(repo: Repo) -> None:
    first = repo.run()
    assert first.status == 0
    assert first.ran == ("base:ground", "verify:ground", *CHAIN)
    with repo.created() as created:
        second = repo.run()
    assert (second.status, second.ran, created) == (0, (), [])
    assert "web" in second.output and "2 steps" in second.output
