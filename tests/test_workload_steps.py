"""What each kind of step does against real containers, near and elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from workload_runs import HELLO, run, with_run

from slimtasks.engine.client import Engine
from slimtasks.errors import EngineError
from slimtasks.spec.steps import Client, Exec, Host, Http, Oneshot, Tcp, Wait
from slimtasks.workload.readiness import READY_TIMEOUT
from slimtasks.workload.runner import GRACE

pytest_plugins = ("engine_images", "workload_runs")
pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("no_container_left")]


CASES = (
    HELLO,
    Http(path="/none", status=404),
    Http(request_headers=("Range: bytes=0-2",), status=206, headers=("Content-Range: bytes 0-2/13",), body=("<p>",)),
    Http(method="HEAD", headers=("content-length: 13",), body=("!hello",)),
    Tcp(port=80, send="GET / HTTP/1.0\r\n\r\n", expect=("hello", "!absent")),
)
SHOWN = "$SLIMTASKS_CONTAINER $SLIMTASKS_IMAGE $SLIMTASKS_HOST $SLIMTASKS_PORT_80"


def test_steps_of_every_kind(engine: Engine, app: str) -> None:
    result = run(
        engine,
        app,
        Oneshot(command=("echo", "early"), stdout=("/^early$/",)),
        *CASES,
        Wait(log="/^ready$/"),
        Wait(port=80),
        Exec(
            command=("sh", "-c", "cat /www/*; echo oops >&2; exit 3"),
            exit_status=3,
            stdout=("hello",),
            stderr=("oops",),
        ),
        Client(command=("wget", "-q", "-O", "-", "http://app/"), stdout=("hello",)),
        Oneshot(command=("cat", "/none"), exit_status=1, stderr=("No such file",)),
        Host(
            command=("sh", "-c", f"pwd; echo {SHOWN}"),
            stdout=(f"/[0-9a-f]{{64}} {app} 127.0.0.1 [0-9]+/", "/images/app"),
        ),
    )
    assert [f"{step.name} {step.title}" for step in result.steps][:3] == [
        "step 1 (oneshot) echo early",
        "step 2 (http) GET http :80/",
        "step 3 (http) GET http :80/none",
    ]
    assert (result.exit_status, result.killed) == (0, False)
    assert 0 < result.stop_seconds < GRACE and 0 < result.startup_seconds < READY_TIMEOUT


def test_through_the_relay(far: Engine, app: str, tracer: str) -> None:
    script = 'test "$SLIMTASKS_HOST" = 127.0.0.1 && exec 3<>"/dev/tcp/127.0.0.1/$SLIMTASKS_PORT_80" && echo there'
    host = Host(command=("bash", "-c", script), stdout=("there",))
    result = run(far, app, *CASES, Wait(port=80), host, tracer_image=tracer)
    assert len(result.steps) == len(CASES) + 2


def test_a_big_answer_through_the_relay_comes_whole(far: Engine, app: str, tracer: str) -> None:
    spec = with_run(
        command=("sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x >/www/big; echo end >>/www/big; server")
    )
    run(far, app, Http(path="/big", body=("/^x+end$/",)), spec=spec, tracer_image=tracer)


def test_an_engine_elsewhere_without_the_tracer_image(far: Engine, app: str) -> None:
    with pytest.raises(EngineError, match="is on another machine"):
        run(far, app, HELLO)


def test_the_input_of_a_oneshot_is_at_its_end(engine: Engine, app: str) -> None:
    run(engine, app, Oneshot(command=("cat",), timeout=10), spec=with_run(stdin_open=True))


def test_a_terminal(engine: Engine, app: str) -> None:
    actions = (Oneshot(command=("tty",), stdout=("/dev/pts/",)), HELLO, Wait(log="/^ready$/"))
    run(engine, app, *actions, spec=with_run(tty=True))


def test_the_environment_reaches_the_container(engine: Engine, app: str, tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=file\nB='of file'\n")
    spec = with_run(env_file=(tmp_path / "a.env",), environment=(("A", "spec"), ("PATH_OF_CALLER", None)))
    action = Exec(command=("sh", "-c", 'echo "$A, $B, $PATH_OF_CALLER"'), stdout=("/^spec, of file, here$/",))
    os.environ["PATH_OF_CALLER"] = "here"
    run(engine, app, action, spec=spec)
