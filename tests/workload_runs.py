"""Runs steps against real containers of the small image, near and as if on another machine.

PYTEST_DONT_REWRITE: modules import it before pytest takes it for a plugin; what it asserts has its own message.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_relay import Relay
from workload_images import app_image, left_over, relay_image

from slimtasks.engine.client import Engine
from slimtasks.errors import WorkloadError
from slimtasks.spec.model import From, Image
from slimtasks.spec.run import Run
from slimtasks.spec.steps import ACTIONS, Action, Http, Step
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.report import StepResult, WorkloadResult
from slimtasks.workload.runner import run_workload
from slimtasks.workload.trial import Workload

HELLO = Http(body=("hello",))


@pytest.fixture(scope="module")
def app(engine: Engine, busybox: Path) -> Iterator[str]:
    with app_image(engine, busybox) as image:
        yield image


@pytest.fixture(scope="module")
def tracer(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with relay_image(engine, tmp_path_factory.mktemp("programs")) as image:
        yield image


@pytest.fixture(scope="module")
def far(engine: Engine) -> Iterator[Engine]:
    """The same engine by TCP, as if on another machine."""
    with Relay() as relay:
        yield Engine(engine.checkout, {"DOCKER_HOST": relay.address})


@pytest.fixture(params=["near", "far"])
def either(request: pytest.FixtureRequest, engine: Engine, far: Engine) -> Engine:
    return far if request.param == "far" else engine


@pytest.fixture
def no_container_left(engine: Engine, far: Engine) -> Iterator[None]:
    """The test ends with what it made removed from the engine."""
    yield
    left = left_over(engine, engine.run) + left_over(engine, far.run)
    assert left == [], left


def steps(*actions: Action) -> tuple[Step, ...]:
    kinds = {kind: name for name, kind in ACTIONS.items()}
    return tuple(Step(n, f"image.yaml:{n}:5", kinds[type(action)], action) for n, action in enumerate(actions, 1))


def run(engine: Engine, image_id: str, *actions: Action, spec: Image | None = None, **more: Any) -> WorkloadResult:
    """How the steps went, each of which was told of; `more` is of a Workload."""
    folder = engine.checkout / "images" / "app"
    folder.mkdir(parents=True, exist_ok=True)
    spec = replace(spec or Image(source=From(image="x")), name="app", folder=folder, file=folder / "image.yaml")
    work = Workload(spec, steps(*actions), image_id, image_id, more.pop("tracer_image", ""), dict(os.environ), **more)
    seen: list[StepResult] = []
    result = run_workload(engine, PlainLauncher(engine), work, seen.append)
    assert tuple(seen) == result.steps, seen
    return result


def failure(engine: Engine, image_id: str, *actions: Action, **more: Any) -> WorkloadError:
    """How the first of the steps that fails does so."""
    with pytest.raises(WorkloadError) as error:
        run(engine, image_id, *actions, **more)
    return error.value


def with_run(**keys: Any) -> Image:
    return Image(source=From(image="x"), run=Run(**keys))
