"""How the container of a workload starts, gets ready and ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from workload_images import app_image
from workload_runs import HELLO, failure, run, with_run

from slimtasks.engine.client import Engine
from slimtasks.errors import WorkloadError
from slimtasks.spec.model import Final, From, Image
from slimtasks.spec.steps import Exec, Wait
from slimtasks.workload.readiness import READY_TIMEOUT
from slimtasks.workload.report import WorkloadResult
from slimtasks.workload.runner import GRACE, SETTLE

pytest_plugins = ("engine_images", "workload_runs")
pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("no_container_left")]


def test_a_container_that_dies_at_once(either: Engine, app: str, tracer: str) -> None:
    spec = with_run(command=("sh", "-c", "echo last words >&2; exit 7"))
    began = time.monotonic()
    error = failure(either, app, HELLO, spec=spec, tracer_image=tracer)
    assert time.monotonic() - began < READY_TIMEOUT
    assert error.what.splitlines() == [
        "images/app/image.yaml: start failed: the container ended by itself with exit status 7",
        "  the container's last log lines:",
        "    last words",
    ]


def test_a_program_that_cannot_be_run(engine: Engine, app: str) -> None:
    error = failure(engine, app, HELLO, spec=with_run(command=("/none",)))
    assert error.step == "start"
    assert error.what == "images/app/image.yaml: start failed: the container does not start: the image has no /none"
    error = failure(engine, app, HELLO, spec=with_run(user="nobody-here"))
    assert error.step == "start" and "nobody-here" in error.what


def test_healthcheck(engine: Engine, busybox: Path) -> None:
    more = "HEALTHCHECK --interval=1h CMD wget -q -O /dev/null http://localhost/ready || exit 1\nEXPOSE 9999\n"
    spec = with_run(
        command=("sh", "-c", "httpd -p 80 -h /www; sleep 0.7; touch /www/ready; exec sleep 60"), stop_signal="KILL"
    )
    with app_image(engine, busybox, more) as image:
        result = run(engine, image, Exec(command=("test", "-e", "/www/ready")), spec=spec)
        assert 0 < result.startup_seconds < READY_TIMEOUT
        error = failure(
            engine,
            image,
            Wait(healthcheck=True, timeout=3),
            spec=with_run(command=("sleep", "60"), stop_signal="KILL"),
        )
    assert "failed: not healthy after 3 s" in error.what and "Connection refused" in error.what


def health(*command: str) -> Image:
    return Image(source=From(image="x"), final=Final(healthcheck=command))


def test_the_healthcheck_has_to_pass_before_the_steps_or_after_a_wait(
    engine: Engine, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slimtasks.workload.runner.READY_TIMEOUT", 0.5)
    made = ("sh", "-c", "ls /made")
    steps = Exec(command=("touch", "/made"))
    with pytest.raises(WorkloadError, match=r"start failed: not healthy after 0\.5 s") as first:
        run(engine, app, steps, spec=health(*made))
    assert first.value.hint.endswith("`drop` for none")
    run(engine, app, Wait(port=80), steps, spec=health(*made))
    with pytest.raises(WorkloadError, match=r"healthcheck failed: not healthy after 0\.5 s") as last:
        run(engine, app, Wait(port=80), steps, spec=health("sh", "-c", "ls /made /absent"))
    assert "ls: /absent: No such file" in last.value.what and last.value.hint == first.value.hint
    run(engine, app, steps, spec=health())


def test_without_steps_the_container_is_started(engine: Engine, app: str) -> None:
    result = run(engine, app)
    assert result.startup_seconds > SETTLE and result.stop_seconds > 0
    error = failure(engine, app, spec=with_run(command=("sh", "-c", "exit 3"), expose=()))
    assert "start failed: " in error.what or "end failed: " in error.what
    assert "the container ended by itself with exit status 3" in error.what


def test_nothing_to_do(engine: Engine, busybox: Path) -> None:
    with app_image(engine, busybox, "CMD []\n") as image:
        assert run(engine, image) == WorkloadResult(())


def test_a_server_that_ignores_its_stop_signal(engine: Engine, app: str) -> None:
    command = ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")
    result = run(engine, app, Wait(log="/^up$/"), spec=with_run(command=command, stop_grace_period=1.0, expose=()))
    assert (result.killed, result.exit_status) == (True, 137)
    assert 1 <= result.stop_seconds < GRACE
