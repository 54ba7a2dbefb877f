"""How steps fail against real containers: what is said, and how soon."""

from __future__ import annotations

import shlex
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from engine_relay import Relay
from workload_images import left_over
from workload_runs import HELLO, failure, run, with_run

from slimtasks.engine.client import Engine
from slimtasks.engine.failure import Gone
from slimtasks.spec.model import Trace
from slimtasks.spec.steps import Action, Client, Exec, Host, Http, Oneshot, Tcp, Wait
from slimtasks.workload.other_hosts import HINT
from slimtasks.workload.readiness import READY_TIMEOUT

pytest_plugins = ("engine_images", "workload_runs")
pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("no_container_left")]


def test_a_port_that_never_opens(either: Engine, app: str, tracer: str) -> None:
    began = time.monotonic()
    error = failure(either, app, Wait(log="/^ready$/"), Wait(port=81, timeout=0.7), tracer_image=tracer)
    assert time.monotonic() - began < READY_TIMEOUT
    assert error.step == "step 2 (wait)"
    assert error.what == (
        "image.yaml:2:5: step 2 (wait) failed: port 81: nobody listens after 0.7 s\n"
        "  came:     listening in the container: [::]:80\n"
        "  the container's last log lines:\n"
        "    starting\n"
        "    ready"
    )


def test_a_port_that_only_loopback_reaches(either: Engine, app: str, tracer: str) -> None:
    spec = with_run(command=("sh", "-c", "httpd -p 127.0.0.1:80 -h /www; echo up; exec sleep 60"))
    error = failure(either, app, Wait(log="/^up$/"), Wait(port=80, timeout=0.5), spec=spec, tracer_image=tracer)
    assert "came:     listening in the container: 127.0.0.1:80" in error.what
    assert error.hint.startswith("127.0.0.1:80 cannot be reached from outside its container")


def test_a_wrong_answer_tells_all(engine: Engine, app: str) -> None:
    error = failure(engine, app, Http(path="/none", body=("x",)))
    lines = error.what.splitlines()
    assert lines[0] == "image.yaml:1:5: step 1 (http) failed: status 404 instead of 200"
    assert lines[1:4] == [
        "  sent:     GET http://localhost:80/none",
        "  expected: body: not met: x",
        "  came:     404 Not Found",
    ]
    assert lines[-2:] == ["    starting", "    ready"]


@pytest.mark.parametrize(
    ("action", "what"),
    [
        (Exec(command=("false",)), "exit status 1 instead of 0"),
        (Exec(command=("none",)), "the image has no none in its PATH"),
        (Exec(command=("sleep", "9"), timeout=0.3), "not done after 0.3 s"),
        (Exec(command=("echo", "a"), stdout=("b",)), "stdout: not met: b"),
        (Oneshot(command=("sleep", "9"), timeout=0.8), "not done after 0.8 s"),
        (Client(command=("sleep", "9"), timeout=0.8), "not done after 0.8 s"),
        (Client(command=("false",)), "exit status 1 instead of 0"),
        (Host(command=("false",)), "exit status 1 instead of 0"),
        (Host(command=("sleep", "9"), timeout=0.3), "sleep 9: not done after 0.3 s"),
        (Host(command=("./none",)), "cannot run ./none: no such program"),
        (Wait(log="never", timeout=0.3), "not in the log after 0.3 s: never"),
        (Wait(healthcheck=True), "the image has no HEALTHCHECK"),
        (Tcp(port=80, send="\r\n\r\n", expect=("PONG",), timeout=10), "not met"),
    ],
)  # fmt: skip
def test_steps_that_fail(engine: Engine, app: str, action: Action, what: str) -> None:
    error = failure(engine, app, action)
    assert f"failed: {what}" in error.what.splitlines()[0]


def test_a_client_that_calls_the_container_by_another_name(engine: Engine, app: str) -> None:
    error = failure(engine, app, Client(command=("wget", "http://web/")))
    assert error.hint == "to clients the running container is the host app"


def test_another_host_that_nobody_knows(engine: Engine, app: str) -> None:
    get = ("wget", "http://api.invalid/")
    error = failure(engine, app, HELLO, Exec(command=get))
    assert "wget: bad address 'api.invalid'" in error.what and error.hint == HINT
    error = failure(engine, app, HELLO, spec=with_run(command=("sh", "-c", f"{shlex.join(get)}; exit 1")))
    assert "start failed: the container ended by itself with exit status 1\n" in error.what and error.hint == HINT


@pytest.mark.parametrize("kind", [Exec, Oneshot, Client])
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("nope", "a b"), "the image has no nope in its PATH"),
        (("/nope",), "the image has no /nope"),
        (("./nope",), "the image has no ./nope"),
        (("/www/index.html",), "/www/index.html is no file that may be executed"),
        (("/www",), "/www is no file that may be executed"),
    ],
)
def test_a_step_whose_program_cannot_be_run(
    engine: Engine, app: str, kind: type[Exec | Oneshot | Client], command: tuple[str, ...], said: str
) -> None:
    started = () if kind is Oneshot else (HELLO,)
    spec = with_run(entrypoint=()) if kind is Oneshot else None
    error = failure(engine, app, *started, kind(command=command), spec=spec)
    step = f"step {len(started) + 1} ({kind.__name__.lower()})"
    assert error.what.splitlines()[:2] == [
        f"image.yaml:{len(started) + 1}:5: {step} failed: {said}",
        f"  sent:     {shlex.join(command)}",
    ]
    assert "OCI" not in error.what and "exec:" not in error.what
    assert error.hint.startswith("correct the command, or put the program into the image")


def test_a_program_that_ends_as_if_it_were_not_there(engine: Engine, app: str) -> None:
    error = failure(engine, app, HELLO, Exec(command=("sh", "-c", "nope; exit 127")))
    assert error.what.startswith("image.yaml:2:5: step 2 (exec) failed: exit status 127 instead of 0")
    run(engine, app, HELLO, Exec(command=("nope",), exit_status=126))  # as it was asked for
    error = failure(engine, app, HELLO, Host(command=("sh", "-c", "echo thing: not found; exit 127")))
    assert "exit status 127 instead of 0" in error.what


def test_a_container_that_dies_in_the_middle(engine: Engine, app: str) -> None:
    kill = Exec(command=("sh", "-c", "kill -9 -1; sleep 9"), timeout=20)
    error = failure(
        engine,
        app,
        HELLO,
        kill,
        HELLO,
        spec=with_run(init=False, command=("sh", "-c", "httpd -p 80 -h /www; sleep 1; exit 4")),
    )
    assert "ended by itself with exit status" in error.what


def test_the_time_of_the_whole_workload(engine: Engine, app: str) -> None:
    spec = replace(with_run(), trace=Trace(timeout=3.0))
    error = failure(engine, app, HELLO, Exec(command=("sleep", "60")), spec=spec)
    assert "the whole workload may take 3 s (`trace: timeout:`)" in error.what


def test_the_engine_goes_in_the_middle(engine: Engine, app: str, tracer: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    def cut_soon() -> None:
        deadline = time.monotonic() + 60
        while not mark.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        relay.cut()

    with Relay() as relay:
        cut = Engine(engine.checkout, {"DOCKER_HOST": relay.address})
        threading.Thread(target=cut_soon).start()
        actions = (HELLO, Host(command=("touch", str(mark))), Exec(command=("sleep", "20")))
        with pytest.raises(Gone, match=r"container engine .*at tcp://"):
            run(cut, app, *actions, tracer_image=tracer)
    left = left_over(engine, cut.run)
    assert len(left) == 2  # what could not be removed: the app and the helper of the relay
    for container in left:
        engine.connection.request("DELETE", f"/containers/{container}", params={"force": "1"}, doing="removing")
