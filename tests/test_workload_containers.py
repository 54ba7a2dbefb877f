"""Workloads against real containers."""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_relay import Relay
from workload_images import app_image, left_over, relay_image

from slimtasks.engine.client import Engine
from slimtasks.engine.failure import Gone
from slimtasks.errors import EngineError, WorkloadError
from slimtasks.spec.model import Final, From, Image, Trace
from slimtasks.spec.run import Run, Volume
from slimtasks.spec.steps import ACTIONS, Action, Client, Exec, Host, Http, Oneshot, Step, Tcp, Wait
from slimtasks.workload.other_hosts import HINT
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.readiness import READY_TIMEOUT
from slimtasks.workload.report import StepResult, WorkloadResult
from slimtasks.workload.runner import GRACE, SETTLE, run_workload
from slimtasks.workload.trial import Workload
from slimtasks.workload.volumes import fresh_volumes

pytest_plugins = ("engine_images",)  # busybox
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(tmp_path_factory.mktemp("checkout"))


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


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine, far: Engine) -> Iterator[None]:
    yield
    assert left_over(engine, engine.run) + left_over(engine, far.run) == []


def steps(*actions: Action) -> tuple[Step, ...]:
    kinds = {kind: name for name, kind in ACTIONS.items()}
    return tuple(Step(n, f"image.yaml:{n}:5", kinds[type(action)], action) for n, action in enumerate(actions, 1))


def run(engine: Engine, image_id: str, *actions: Action, spec: Image | None = None, **more: Any) -> WorkloadResult:
    folder = engine.checkout / "images" / "app"
    folder.mkdir(parents=True, exist_ok=True)
    spec = replace(spec or Image(source=From(image="x")), name="app", folder=folder, file=folder / "image.yaml")
    work = Workload(spec, steps(*actions), image_id, image_id, more.pop("tracer_image", ""), dict(os.environ), **more)
    seen: list[StepResult] = []
    result = run_workload(engine, PlainLauncher(engine), work, seen.append)
    assert tuple(seen) == result.steps
    return result


def failure(engine: Engine, image_id: str, *actions: Action, **more: Any) -> WorkloadError:
    with pytest.raises(WorkloadError) as error:
        run(engine, image_id, *actions, **more)
    return error.value


def with_run(**keys: Any) -> Image:
    return Image(source=From(image="x"), run=Run(**keys))


HELLO = Http(body=("hello",))
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


def test_without_steps_the_container_is_started(engine: Engine, app: str) -> None:
    result = run(engine, app)
    assert result.startup_seconds > SETTLE and result.stop_seconds > 0
    error = failure(engine, app, spec=with_run(command=("sh", "-c", "exit 3"), expose=()))
    assert "start failed: " in error.what or "end failed: " in error.what
    assert "the container ended by itself with exit status 3" in error.what


def test_a_server_that_ignores_its_stop_signal(engine: Engine, app: str) -> None:
    command = ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")
    result = run(engine, app, Wait(log="/^up$/"), spec=with_run(command=command, stop_grace_period=1.0, expose=()))
    assert (result.killed, result.exit_status) == (True, 137)
    assert 1 <= result.stop_seconds < GRACE


def test_volumes_are_empty_at_first_and_shared_within_a_run(engine: Engine, app: str) -> None:
    write = Oneshot(command=("sh", "-c", "test ! -e /data/a && echo once >/data/a"), volumes=(Volume("/data", "data"),))
    read = Exec(command=("cat", "/data/a"), stdout=("once",))
    for _ in range(2):
        run(engine, app, write, read, spec=with_run(volumes=(Volume("/data", "data"),)))


def test_a_folder_and_a_file_of_the_checkout(either: Engine, app: str, tracer: str) -> None:
    folder = either.checkout / "site"
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / "sub" / "index.html").write_text("from the checkout")
    volumes = (
        Volume("/www", str(folder), "bind", True),
        Volume("/etc/one", str(folder / "sub" / "index.html"), "bind"),
    )
    actions = (Http(path="/sub/", body=("from the checkout",)), Exec(command=("cat", "/etc/one"), stdout=("checkout",)))
    run(either, app, *actions, spec=with_run(volumes=volumes), tracer_image=tracer)
    with fresh_volumes(either, volumes, app) as made:
        assert bool(made.made) is bool(made.put) is not either.info.local


def test_files_with_a_content_of_their_own(either: Engine, app: str, tracer: str) -> None:
    volumes = (
        Volume("/www", "site", read_only=True, content=(("sub/index.html", "from the map"),)),
        Volume("/etc/one", "one", content=((".", "#!/bin/sh\necho ran"),), mode=0o755),
    )
    actions = (Http(path="/sub/", body=("from the map",)), Exec(command=("/etc/one",), stdout=("ran",)))
    run(either, app, *actions, spec=with_run(volumes=volumes), tracer_image=tracer)


def test_a_folder_that_is_not_there(engine: Engine, app: str) -> None:
    volume = Volume("/www", str(engine.checkout / "none"), "bind", where="image.yaml:9:1")
    with pytest.raises(Exception, match=r"image\.yaml:9:1: nothing to mount"):
        run(engine, app, HELLO, spec=with_run(volumes=(volume,)))


def test_the_time_of_the_whole_workload(engine: Engine, app: str) -> None:
    spec = replace(with_run(), trace=Trace(timeout=3.0))
    error = failure(engine, app, HELLO, Exec(command=("sleep", "60")), spec=spec)
    assert "the whole workload may take 3 s (`trace: timeout:`)" in error.what


def test_the_environment_reaches_the_container(engine: Engine, app: str, tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=file\nB='of file'\n")
    spec = with_run(env_file=(tmp_path / "a.env",), environment=(("A", "spec"), ("PATH_OF_CALLER", None)))
    action = Exec(command=("sh", "-c", 'echo "$A, $B, $PATH_OF_CALLER"'), stdout=("/^spec, of file, here$/",))
    os.environ["PATH_OF_CALLER"] = "here"
    run(engine, app, action, spec=spec)


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


def test_nothing_to_do(engine: Engine, busybox: Path) -> None:
    with app_image(engine, busybox, "CMD []\n") as image:
        assert run(engine, image) == WorkloadResult(())


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
