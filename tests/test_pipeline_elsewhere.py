"""The samples of this repo, built in another folder from nothing, come out the same. Takes minutes: pytest -m slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_repo import CHECKOUT_OF_SLIMTASKS

from slimtasks.engine.client import Engine
from slimtasks.engine.labels import TEMPORARY, checkout_key

pytestmark = [pytest.mark.engine, pytest.mark.slow]

IMAGES = ("micronginx", "micronginx-ldd", "micronginx-musl", "micronginx-static", "nginxbusybox")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A clone of this checkout; what it holds in the engine is let go at the end."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT_OF_SLIMTASKS), str(folder)], check=True)
    yield folder
    engine = Engine(folder)
    tags = [tag for image in engine.images() for tag in image["RepoTags"] or ()]
    for tag in tags:
        if tag.startswith(TEMPORARY) and tag.rpartition(":")[2].startswith(checkout_key(folder)):
            engine.untag(tag)


def test_the_samples_are_the_same_elsewhere_with_an_empty_build_cache(clone: Path) -> None:
    report = CHECKOUT_OF_SLIMTASKS / "build" / "report.json"
    if os.environ.get("CI") != "true":
        pytest.fail("empties the engine's build cache: set CI=true where that may be done", pytrace=False)
    if not report.exists():
        pytest.fail("build the samples in this checkout first: ./run", pytrace=False)
    here = digests(report)
    engine = Engine(clone)
    engine.connection.request("POST", "/build/prune", params={"all": "1"}, doing="emptying the build cache")
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    subprocess.run([sys.executable, "-m", "doit", *IMAGES, "report"], cwd=clone, env=environment, check=True)
    assert digests(clone / "build" / "report.json") == here


def digests(report: Path) -> dict[str, str]:
    rows = json.loads(report.read_text())["images"]
    return {row["image"]: row["config_digest"] for row in rows if row["image"] in IMAGES}
