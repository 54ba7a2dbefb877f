"""doit init on real apps: what it guesses alone is traced, and all that their own specs ask works: `pytest -m apps`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline_repo import CHECKOUT_OF_SLIMTASKS, cloned, doit_in, fresh_tags

from slimtasks.engine.client import Engine
from slimtasks.spec.loading import load

pytestmark = [pytest.mark.engine, pytest.mark.apps]

REPO = load(CHECKOUT_OF_SLIMTASKS, {})
SAMPLES = [
    image.name
    for image in REPO.images
    if image.kind == "slim"
    and image.name not in REPO.default
    and image.source.dockerfile
    # without its services it answers by 500, and what is guessed is that it does
    and not image.services
]
TOLD_BY_USER = ("run", "add", "limits")  # how it is started; that httpd, one static program, does not get smaller


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With what the samples are made of."""
    with cloned(tmp_path_factory.mktemp("samples") / "clone") as made:
        built = doit_in(made, "debian")
        assert built.status == 0, built.output
        yield made


@pytest.fixture
def spec(clone: Path, sample: str) -> Iterator[Path]:
    """The sample's spec, which is as it was for the next test."""
    path = clone / "images" / sample / "image.yaml"
    text = path.read_text()
    yield path
    path.write_text(text)


@pytest.fixture
def tag(clone: Path) -> Iterator[str]:
    """A tag for the slim image that nobody else has; it goes at the end."""
    made = f"{fresh_tags()}/made:latest"
    yield made
    Engine(clone).untag(made)


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_nobody_exercised_works(sample: str, clone: Path, spec: Path, tag: str) -> None:
    own = yaml.safe_load(spec.read_text())
    spec.unlink()
    made = doit_in(clone, "init", f"images/{sample}/Dockerfile", "--name", sample)
    assert made.status == 0, made.output
    guessed = yaml.safe_load(spec.read_text())
    asked = next(iter(own.get("scenarios", {}).values()), own)
    checks = [*asked["workload"], *asked["checks"]]
    told: dict[str, Any] = {key: own[key] for key in TOLD_BY_USER if key in own}
    spec.write_text(yaml.safe_dump({**guessed, **told, "tags": [tag], "checks": checks}, allow_unicode=True))
    result = doit_in(clone, sample)
    assert result.status == 0, result.output
