"""Samples of this repo with their workload taken away: all that it and the checks ask works nevertheless.

The start alone is traced, and the steps of the workload are checks: they run on the slim image. Takes up to a minute a
sample: `pytest -m slow`, of which `-k` names some.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
import yaml
from pipeline_repo import CHECKOUT_OF_SLIMTASKS, Repo, doit_in, fresh_tags

from slimtasks.spec.loading import load

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

IMAGES = CHECKOUT_OF_SLIMTASKS / "images"
REPO = load(CHECKOUT_OF_SLIMTASKS, {})
SAMPLES = [image.name for image in REPO.images if image.kind == "slim" and image.name not in REPO.default]
BASES = [image.name for image in REPO.images if image.kind == "base" and image.name.removesuffix("-flat") in SAMPLES]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    """The samples, without workload and with tags of their own, on the checkout's Debian."""
    made = doit_in(CHECKOUT_OF_SLIMTASKS, "debian")
    assert made.status == 0, made.output
    repo = Repo(tmp_path_factory.mktemp("unexercised"), busybox, fresh_tags())
    repo.remove("images")
    shutil.copytree(IMAGES / "build-nginx/tls", repo.path("tls"))
    for name in (*SAMPLES, *BASES):
        folder = shutil.copytree(IMAGES / name, repo.path(f"images/{name}"))
        spec = folder / "image.yaml"
        text = spec.read_text().replace("our/", f"{repo.tags}/").replace("../build-nginx/tls", "../../tls")
        spec.write_text(text if name in BASES else unexercised(text))
    yield repo
    repo.remove_images()


def unexercised(text: str) -> str:
    """The spec with the steps of its workload among its checks, but for a `wait` that it begins with."""
    spec = yaml.safe_load(text)
    for started in (spec, *spec.get("scenarios", {}).values()):
        steps = started.pop("workload", [])
        waits = list(takewhile(lambda step: "wait" in step, steps))
        started |= {"workload": waits, "checks": [*steps[len(waits) :], *started.get("checks", ())]}
    return yaml.safe_dump(spec, allow_unicode=True, sort_keys=False)


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_nobody_exercised_works(sample: str, repo: Repo) -> None:
    result = repo.run(sample)
    assert result.status == 0, result.output
    assert "ONLY THE START OF THE CONTAINER WAS TRACED" in result.output
    assert re.search("SO PACKAGES STAY WHOLE|NOTHING THAT WAS USED IS OF A PACKAGE", result.output)
