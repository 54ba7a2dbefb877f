"""The HEALTHCHECK of an image: which it has, when it is run, what stays for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pipeline_repo import Repo
from small_trees import accesses, entries, rule

from slimtasks.oci.config import with_healthcheck
from slimtasks.records import Access, ImagePath
from slimtasks.selection import Inputs, select
from slimtasks.selection.health import for_steps_alone, lacking_for
from slimtasks.spec import load
from slimtasks.workload.health import health_moment, health_step, tried_config

pytest_plugins = ("engine_images", "pipeline_repo")

CONFIG: dict[str, Any] = {"Cmd": ["x"], "Healthcheck": {"Test": ["CMD-SHELL", "x || y"], "Interval": 5}}


@pytest.mark.parametrize(
    ("said", "test"), [("keep", ["CMD-SHELL", "x || y"]), ("drop", None), ("[ask, -q]", ["CMD", "ask", "-q"])]
)
def test_what_the_spec_says_of_it(tmp_path: Path, said: str, test: list[str] | None) -> None:
    (tmp_path / "images/a").mkdir(parents=True)
    (tmp_path / "images/a/image.yaml").write_text(f"from: {{image: b}}\nfinal: {{healthcheck: {said}}}\n")
    wanted = load(tmp_path, {}).images[0].final.healthcheck
    check = {"Healthcheck": {"Test": test, "Interval": 5}} if test else {}
    assert with_healthcheck(CONFIG, wanted) == {"Cmd": ["x"], **check}


def test_a_new_one_where_there_was_none() -> None:
    assert with_healthcheck({}, ("ask",)) == {"Healthcheck": {"Test": ["CMD", "ask"]}}
    assert with_healthcheck({}, ()) == {}


@pytest.mark.parametrize(
    ("said", "check"),
    [
        ("{test: ask, interval: 1s}", {"Test": ["CMD-SHELL", "ask"], "Interval": 1_000_000_000}),
        ("{retries: 9}", {"Test": ["CMD-SHELL", "x || y"], "Interval": 5, "Retries": 9}),
        ("{disable: true}", None),
    ],
)
def test_what_run_says_of_it(tmp_path: Path, said: str, check: dict[str, Any] | None) -> None:
    (tmp_path / "images/a").mkdir(parents=True)
    (tmp_path / "images/a/image.yaml").write_text(f"from: {{image: b}}\nrun: {{healthcheck: {said}}}\n")
    tried = tried_config(load(tmp_path, {}).images[0], CONFIG)
    assert tried == {"Cmd": ["x"], **({"Healthcheck": check} if check else {})}


HTTP, WAIT, ONCE = "http: {port: 80}", "wait: {port: 80}", "oneshot: {command: [x]}"
FILE = "structure-test: s.yaml"
HEALTHY = "wait: {healthcheck: true}"
MOMENTS = {
    (): "first",
    (HTTP,): "first",
    (ONCE, HTTP): "first",
    (ONCE,): "",
    (WAIT,): "last",
    (ONCE, WAIT, HTTP): "last",
    (FILE, WAIT, HTTP): "last",
    (FILE, HTTP): "first",
    (HEALTHY, HTTP): "",
    (WAIT, HTTP, HEALTHY): "",
}


@pytest.mark.parametrize("steps", MOMENTS)
def test_when_it_is_run(tmp_path: Path, steps: tuple[str, ...]) -> None:
    listed = "".join(f"\n      - {step}" for step in steps) or " []"
    spec = f"from: {{image: b}}\nworkload:{listed}\nscenarios:\n  named:\n    workload:{listed}\n"
    (tmp_path / "images/a").mkdir(parents=True)
    (tmp_path / "images/a/image.yaml").write_text(spec)
    (tmp_path / "images/a/s.yaml").write_text("schemaVersion: 2.0.0\nfileExistenceTests: [{name: a, path: /a}]\n")
    ways = {one.scenario: one for one in load(tmp_path, {}).images[0].by_scenario}
    named = ways["named"]
    unnamed = ways.get("", named)
    assert health_moment(unnamed, unnamed.workload, CONFIG) == MOMENTS[steps]
    assert health_moment(named, named.workload, CONFIG) == MOMENTS[steps].replace("last", "")
    assert health_moment(unnamed, unnamed.workload, {}) == ""
    assert health_step(named, named.workload) == len(steps) + 1


TREE = """
    /bin/ mode=755
    /bin/app size=100
    /bin/ask size=30
    /bin/sh -> dash
    /bin/dash size=70
    /etc/ask.conf size=5
"""
TRACE = "exec /bin/app\nexec /bin/ask\nread /etc/ask.conf\nexec /bin/sh"


def inputs(steps: dict[str, tuple[int, ...]], **more: Any) -> Inputs:
    used = [Access(a.path, a.how, a.by, steps.get(a.path, (0,)), a.sources) for a in accesses(TRACE)]
    config = {"config": {"Env": ["PATH=/sbin:/bin"], "WorkingDir": "/bin"}}
    return Inputs(entries(TREE), used, config=config, unowned="traced", metadata="none", granularity="file", **more)


def test_what_stays_for_it_alone() -> None:
    given = inputs({"/bin/ask": (3,), "/etc/ask.conf": (3, 5), "/bin/sh": (0, 3)})
    assert for_steps_alone(frozenset({3}), given, select(given)) == 30
    assert for_steps_alone(frozenset({3, 5}), given, select(given)) == 35
    assert for_steps_alone(frozenset({4}), given, select(given)) == 0
    kept = inputs({"/bin/ask": (3,)}, keep=(rule("/bin/ask"),))
    assert for_steps_alone(frozenset({3}), kept, select(kept)) == 0  # it would stay anyway


@pytest.mark.parametrize("program", ["ask", "/bin/ask", "./ask"])
def test_a_program_that_does_not_stay(program: str) -> None:
    given = inputs({})
    assert lacking_for((program,), given, select(given), toml=False) == ()
    less = inputs({}, drop=(rule("/bin/ask", "image.yaml:3:8"),))
    (lost,) = lacking_for((program,), less, select(less), toml=False)
    assert lost.path == "/bin/ask" and lost.advice == 'taken away by drop: ["/bin/ask"] at image.yaml:3:8'


def test_a_shell_that_nothing_used() -> None:
    given = Inputs(**{**vars(inputs({})), "accesses": accesses("exec /bin/app")})
    lost = lacking_for(("/bin/sh", "-c", "ask"), given, select(given), toml=True)
    assert [f"{one.path} {one.advice}" for one in lost] == [
        '/bin/sh would be kept by keep = ["/bin/sh"]',
        '/bin/dash would be kept by keep = ["/bin/dash"]',
    ]
    added = Inputs(**{**vars(given), "added": (ImagePath("/bin/sh"),)})
    assert lacking_for(("/bin/sh",), added, select(added), toml=True) == ()


@pytest.mark.slow
@pytest.mark.engine
def test_it_stays_for_what_it_costs_or_goes(repo: Repo) -> None:
    repo.write(
        "images/web/healthy", "#!/bin/sh\nread -r line < /data/seldom && wget -q -O - http://127.0.0.1/ > /dev/null\n"
    )
    repo.path("images/web/healthy").chmod(0o755)
    repo.write("images/web/data/seldom", "x" * 4000 + "\n")
    repo.append(
        "images/web/Dockerfile", "COPY healthy /bin/\nCOPY data /data/\nHEALTHCHECK --interval=7s CMD healthy\n"
    )
    made = repo.run()
    assert made.status == 0, made.output
    assert "; up to 4.1 kB for the HEALTHCHECK alone (`final: {healthcheck: drop}`)" in made.output
    assert repo.report()["web"]["healthcheck"] > 4000
    config = repo.engine.inspect_image(repo.tagged("web"))["Config"]  # type: ignore[index]
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "healthy"], "Interval": 7_000_000_000}

    # The first step waits for something else: it is run after the last one, and what it needs still stays.
    repo.replace("images/web/image.yaml", "workload:\n", "workload:\n  - wait: {port: 80}\n")
    waited = repo.run("web")
    assert waited.status == 0, waited.output
    assert "trace:web" in waited.ran and "up to 4.1 kB for the HEALTHCHECK alone" in waited.output

    repo.append("images/web/image.yaml", "drop: [/bin/healthy]\nfinal: {healthcheck: [healthy]}\n")
    lacking = repo.run("web")
    assert lacking.failed == ("select:web",)
    assert "the HEALTHCHECK runs healthy, which needs what does not stay:" in lacking.output
    assert '/bin/healthy: taken away by drop: ["/bin/healthy"] at images/web/image.yaml:12:8' in lacking.output

    repo.replace("images/web/image.yaml", "healthcheck: [healthy]", "healthcheck: drop")
    without = repo.run("web")
    assert without.status == 0 and "HEALTHCHECK" not in without.output, without.output
    assert "Healthcheck" not in repo.engine.inspect_image(repo.tagged("web"))["Config"]  # type: ignore[index]

    # One that only whoever starts it gives, as Compose does, needs the same of the image.
    check = "healthcheck: {test: [CMD, healthy], interval: 1s}"
    repo.replace("images/web/image.yaml", "run: {", f"run: {{{check}, ")
    started = repo.run("web")
    assert started.failed == ("select:web",)
    assert "or `run: {healthcheck: {test: [another command]}}`" in started.output
    repo.replace("images/web/image.yaml", "drop: [/bin/healthy]\n", "")
    asked = repo.run("web")
    assert asked.status == 0 and "up to 4.1 kB for the HEALTHCHECK alone" in asked.output, asked.output
    assert not repo.left_over()
