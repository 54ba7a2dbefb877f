"""Services of a workload against real containers."""

from __future__ import annotations

from typing import Literal

import pytest

from slimtasks.engine.client import Engine
from slimtasks.errors import ServiceFailed, WorkloadError
from slimtasks.spec.healthcheck import Healthcheck
from slimtasks.spec.model import From, Image
from slimtasks.spec.run import Dependency, Run, Volume
from slimtasks.spec.service import Service
from slimtasks.spec.steps import ACTIONS, Action, Client, Exec, Http, Oneshot, Step, Wait
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.report import WorkloadResult
from slimtasks.workload.runner import run_workload
from slimtasks.workload.trial import Workload

pytest_plugins = ("engine_images", "workload_runs")
pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("no_container_left")]


NOTHING = Run()
DONE: Literal["service_completed_successfully"] = "service_completed_successfully"


def run(
    engine: Engine, app: str, *services: Service, steps: tuple[Action, ...], spec: Run | None = None, tracer: str = ""
) -> WorkloadResult:
    kinds = {kind: name for name, kind in ACTIONS.items()}
    numbered = tuple(Step(n, f"i.yaml:{n}:5", kinds[type(one)], one) for n, one in enumerate(steps, 1))
    folder = engine.checkout / "images" / "app"
    folder.mkdir(parents=True, exist_ok=True)
    image = Image(
        source=From(image="x"),
        run=spec or Run(),
        services=services,
        name="app",
        folder=folder,
        file=folder / "image.yaml",
    )
    work = Workload(image, numbered, app, app, tracer, {}, others={"the-app": app})
    return run_workload(engine, PlainLauncher(engine), work)


def fails(
    engine: Engine, app: str, *services: Service, steps: tuple[Action, ...] = (Http(),), spec: Run | None = None
) -> WorkloadError:
    with pytest.raises(WorkloadError) as error:
        run(engine, app, *services, steps=steps, spec=spec)
    return error.value


def service(name: str, script: str = "", **keys: object) -> Service:
    command = ("sh", "-c", script) if script else None
    return Service(image="the-app", name=name, where=f"i.yaml:{name}", command=command, **keys)  # type: ignore[arg-type]


WEB = service("web")
GET = ("wget", "-q", "-O", "-", "http://web/")


def test_all_containers_find_a_service_by_its_name(either: Engine, app: str, tracer: str) -> None:
    steps = (
        Oneshot(command=GET, stdout=("hello",)),
        Exec(command=GET, stdout=("hello",)),
        Client(command=GET, stdout=("hello",)),
        Http(body=("hello",)),
    )
    result = run(either, app, WEB, steps=steps, tracer=tracer)
    assert len(result.steps) == 4


def test_the_image_starts_once_its_services_can_serve(engine: Engine, app: str) -> None:
    late = service("late", "sleep 0.7; httpd -p 80 -h /www; exec sleep 60")
    healthy = service(
        "healthy",
        "sleep 0.7; touch /www/up; exec sleep 60",
        healthcheck=Healthcheck(("CMD", "test", "-e", "/www/up")),
        expose=("9999/tcp",),
    )
    asks = Run(command=("sh", "-c", "wget -q -O - http://late/ && echo served; exec sleep 60"))
    run(engine, app, late, healthy, steps=(Wait(log="/^served$/"), Exec(command=("true",))), spec=asks)


def test_services_wait_for_each_other_and_share_volumes(engine: Engine, app: str) -> None:
    data = (Volume("/data", "data"),)
    migrate = service("migrate", "sleep 0.4; echo made >/data/made", volumes=data, expose=())
    done = (Dependency("migrate", DONE),)
    uses = service("uses", "cp /data/made /www/made && exec server", volumes=data, depends_on=done)
    run(
        engine,
        app,
        migrate,
        uses,
        steps=(Exec(command=("wget", "-q", "-O", "-", "http://uses/made"), stdout=("made",)),),
    )


def test_a_service_that_does_not_get_ready(engine: Engine, app: str) -> None:
    error = fails(engine, app, service("db", "echo no disk >&2; exit 3"))
    assert error.step == "service db"
    assert error.what == (
        "i.yaml:db: service db failed: the container ended by itself with exit status 3\n"
        "  the container's last log lines:\n"
        "    no disk"
    )
    assert error.hint == "its last words may say why; services.db holds how it is started"
    ended = fails(engine, app, service("once", "true"))
    assert "ended by itself with exit status 0" in ended.what
    assert DONE in ended.hint
    failed = fails(
        engine,
        app,
        service("once", "exit 5"),
        spec=Run(depends_on=(Dependency("once", "service_completed_successfully"),)),
    )
    assert failed.what.startswith("i.yaml:once: service once failed: it ended with exit status 5")


def test_a_service_that_runs_and_cannot_serve(engine: Engine, app: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slimtasks.workload.services.READY_TIMEOUT", 0.5)
    error = fails(engine, app, service("db", "echo waiting for peers; exec sleep 60"))
    assert isinstance(error, ServiceFailed)
    assert error.what == (
        "i.yaml:db: service db failed: port 80: nobody listens after 0.5 s\n"
        "  came:     listening in the container: nothing\n"
        "  the container's last log lines:\n"
        "    waiting for peers"
    )
    assert "`run: depends_on: {db: {condition: service_started}}` for one that need not be" in error.hint
    check = Healthcheck(("CMD", "ls", "/absent"))
    error = fails(engine, app, service("db", "exec sleep 60", healthcheck=check))
    assert "service db failed: not healthy after 0.5 s\n  sent:     ls /absent\n" in error.what


def test_a_service_that_cannot_be_had_or_started(engine: Engine, app: str) -> None:
    error = fails(engine, app, Service(image="not-there:1", name="db", where="i.yaml:db"))
    assert error.what.startswith("i.yaml:db: service db failed: ") and "not-there:1" in error.what
    error = fails(engine, app, Service(image="the-app", command=("/nope",), name="db", where="i.yaml:db"))
    assert error.what == "i.yaml:db: service db failed: the container does not start: the image has no /nope"


def test_healthy_needs_a_healthcheck(engine: Engine, app: str) -> None:
    error = fails(engine, app, WEB, spec=Run(depends_on=(Dependency("web", "service_healthy"),)))
    assert "has no HEALTHCHECK" in error.what
    assert error.hint == "give services.web a `healthcheck: {test: ...}`"


def test_a_step_that_fails_tells_which_service_had_ended(engine: Engine, app: str) -> None:
    dies = service("db", "echo out of space; sleep 0.3; exit 9", expose=())
    started = Run(depends_on=(Dependency("db", "service_started"),))
    error = fails(engine, app, dies, steps=(Exec(command=("sh", "-c", "sleep 0.8; wget http://db/")),), spec=started)
    assert error.step == "step 1 (exec)"
    assert "  service db ended by itself with exit status 9\n  its last log lines:\n    out of space" in error.what
