"""The samples of this repo, built in another folder from nothing, come out the same. Takes minutes: pytest -m slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_repo import CHECKOUT_OF_SLIMTASKS, cloned

from slimtasks.engine.client import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]

IMAGES = ("micronginx", "micronginx-ldd", "micronginx-musl", "micronginx-static", "nginxbusybox")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    with cloned(tmp_path / "clone") as made:
        yield made


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
