"""`scenarios`: what each comes to over the top of its spec, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from refused_spec import only_mistake

from slimtasks.errors import SpecError
from slimtasks.spec import Client, Exec, Http, Image, Oneshot, Port, Run, Ulimit, Volume, load
from slimtasks.spec.host_files import workload_files

FROM = "from: {image: debian:12}\n"


def one(root: Path, text: str, **environ: str) -> Image:
    """The image 'app' with that image.yaml, and a few files beside it."""
    folder = root / "images/app"
    for name in ("a.env", "b.env", "data/a", "spool/b", "once/c", "smoke.sh", "check.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    (folder / "image.yaml").write_text(FROM + text)
    return load(root, environ).image("app")


def runs(image: Image) -> dict[str, Run]:
    return {way.scenario: way.run for way in image.by_scenario}


def test_an_image_without_is_its_own_only_one(tmp_path: Path) -> None:
    image = one(tmp_path, "workload: [http: {}]\n")
    assert image.by_scenario == (image,) and image.scenario == ""
    assert image.workload[0].name == "step 1 (http)"


def test_each_is_the_image_with_that_run_and_these_steps(tmp_path: Path) -> None:
    text = """
run: {user: app, read_only: true}
scenarios:
  web: {workload: [http: {port: 8000}, {exec: {command: "true"}}]}
  worker:
    run: {command: [work], read_only: false}
    workload: [exec: {command: "true"}]
    checks: [exec: {command: "false"}]
"""
    web, worker = one(tmp_path, text).by_scenario
    assert (web.name, web.scenario, web.scenarios) == ("app", "web", ())
    assert web.run == Run(user="app", read_only=True)
    assert [step.action for step in web.steps] == [Http(8000), Exec(("true",))]
    assert worker.run == Run(user="app", command=("work",))
    assert [step.name for step in worker.steps] == [
        "step 1 of scenario worker (exec)",
        "check 1 of scenario worker (exec)",
    ]
    assert [step.where for step in worker.steps] == ["images/app/image.yaml:8:16", "images/app/image.yaml:9:14"]


@pytest.mark.parametrize(
    ("top", "names"),
    [
        ("", ["b", "a"]),
        ("run: {user: x}\nworkload: []\n", ["b", "a"]),
        ("workload: [http: {}]\n", ["", "b", "a"]),
        ("checks: [http: {}]\nworkload: []\n", ["", "b", "a"]),
    ],
)
def test_the_top_of_the_spec_is_one_where_it_has_steps(tmp_path: Path, top: str, names: list[str]) -> None:
    image = one(tmp_path, f"{top}scenarios: {{b: {{workload: [http: {{}}]}}, a: {{workload: [http: {{}}]}}}}\n")
    assert [way.scenario for way in image.by_scenario] == names
    assert len(image.all_steps(checks=True)) == len(names)


OVER = {
    # what is one thing is replaced as a whole
    "command: [a, b]/command: [c]": {"command": ("c",)},
    "command: [a]/entrypoint: []": {"command": ("a",), "entrypoint": ()},
    "user: a/user: ''": {"user": ""},
    "init: true/init: false": {"init": False},
    "shm_size: 1m/shm_size: 2m": {"shm_size": 2 << 20},
    # what has a name, by it
    "environment: {A: 1, B: 2}/environment: [B=3, C]": {"environment": (("A", "1"), ("B", "3"), ("C", None))},
    "sysctls: {a: 1}/sysctls: {b: 2}": {"sysctls": (("a", "1"), ("b", "2"))},
    "ulimits: {nofile: 1, core: 0}/ulimits: {nofile: 2}": {"ulimits": (Ulimit("core", 0, 0), Ulimit("nofile", 2, 2))},
    "volumes: ['a:/v', 'b:/w']/volumes: ['c:/v:ro']": {
        "volumes": (Volume("/w", "b"), Volume("/v", "c", read_only=True))
    },
    "tmpfs: ['/t:size=1m', /u]/tmpfs: /t": {"tmpfs": ("/u", "/t")},
    "devices: ['/dev/a:/dev/x', '/dev/b:rwm']/devices: ['/dev/c:/dev/x:r', /dev/b]": {
        "devices": ("/dev/c:/dev/x:r", "/dev/b")
    },
    # other lists get longer
    "ports: [80, '8080:80']/ports: [80, 443]": {"ports": (Port(80, "8080"), Port(80), Port(443))},
    "expose: [80]/expose: ['80/tcp', 81]": {"expose": ("80/tcp", "81/tcp")},
    "cap_drop: [ALL]/cap_add: [KILL]": {"cap_drop": ("ALL",), "cap_add": ("KILL",)},
    "cap_add: [KILL]/cap_add: [CHOWN, KILL]": {"cap_add": ("CHOWN", "KILL")},
    "extra_hosts: ['a:1.1.1.1']/extra_hosts: ['a:2.2.2.2']": {"extra_hosts": ("a:1.1.1.1", "a:2.2.2.2")},
    "security_opt: [a]/security_opt: [b]": {"security_opt": ("a", "b")},
}


@pytest.mark.parametrize("runs_of", OVER)
def test_run_is_laid_over_as_compose_does(tmp_path: Path, runs_of: str) -> None:
    under, over = runs_of.split("/", 1) if runs_of.count("/") == 1 else runs_of.rsplit("]/", 1)
    under += "]" * (runs_of.count("/") > 1)
    text = f"run: {{{under}}}\nscenarios: {{x: {{run: {{{over}}}, workload: [http: {{}}]}}}}\n"
    assert runs(one(tmp_path, text)) == {"x": Run(**OVER[runs_of])}  # type: ignore[arg-type]


def test_toml_has_them_as_tables(tmp_path: Path) -> None:
    (tmp_path / "images/app").mkdir(parents=True)
    text = """
from.image = "debian:12"
run.user = "app"
[scenarios.web.run]
command = ["web"]
[[scenarios.web.workload]]
http = {}
[scenarios.worker]
workload = [{oneshot = {command = ["true"]}}]
"""
    (tmp_path / "images/app/image.toml").write_text(text)
    image = load(tmp_path, {}).image("app")
    assert runs(image) == {"web": Run(user="app", command=("web",)), "worker": Run(user="app")}
    assert [step.name for step in image.all_steps(checks=True)] == [
        "step 1 of scenario web (http)",
        "step 1 of scenario worker (oneshot)",
    ]


def test_env_files_in_the_order_in_which_they_are_read(tmp_path: Path) -> None:
    text = "run: {env_file: [a.env, b.env]}\nscenarios: {x: {run: {env_file: a.env}, workload: [http: {}]}}\n"
    assert [path.name for path in runs(one(tmp_path, text))["x"].env_file] == ["b.env", "a.env"]


def test_what_they_read_of_this_machine(tmp_path: Path) -> None:
    text = """
run: {env_file: a.env, volumes: ["./data:/data"]}
scenarios:
  web: {run: {volumes: ["./spool:/data"]}, workload: [http: {}]}
  worker:
    run: {env_file: "${WHICH}.env"}
    workload: [host: {command: ./smoke.sh}, oneshot: {command: x, volumes: ["./once:/once"]}]
    checks: [host: {command: [sh, check.sh]}]
"""
    (tmp_path / "images/app").mkdir(parents=True)
    (tmp_path / "images/app/smoke.sh").touch(0o755)
    image = one(tmp_path, text, WHICH="b")

    def files(*, checks: bool) -> list[str]:
        return [path.relative_to(image.folder).as_posix() for path in workload_files(image, checks=checks)]

    assert files(checks=False) == ["a.env", "b.env", "data/a", "once/c", "smoke.sh", "spool/b"]
    assert files(checks=True) == ["a.env", "b.env", "check.sh", "data/a", "once/c", "smoke.sh", "spool/b"]
    (oneshot,) = (step.action for step in image.by_scenario[1].steps if isinstance(step.action, Oneshot))
    assert oneshot.volumes == (Volume("/once", str(image.folder / "once"), "bind", relative=True),)


def test_the_images_of_their_clients(tmp_path: Path) -> None:
    for name in ("tool", "other"):
        (tmp_path / f"images/{name}").mkdir(parents=True)
        (tmp_path / f"images/{name}/image.yaml").write_text(f"kind: build\n{FROM}")
    client = "workload: [client: {image: %s, command: x}]"
    text = f"scenarios: {{a: {{{client % 'tool'}}}, b: {{{client % 'other'}}}, c: {{{client % 'redis'}}}}}\n"
    image = one(tmp_path, text)
    assert image.depends == ("other", "tool")
    assert [step.action for step in image.all_steps(checks=False)] == [
        Client(("x",), image=name) for name in ("tool", "other", "redis")
    ]


def test_the_repo_has_defaults_for_them_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.slimtasks]\nrun.user = 'app'\nscenarios.a.run.init = true\n")
    image = one(tmp_path, "scenarios: {a: {workload: [http: {}]}, b: {run: {user: me}, workload: [http: {}]}}\n")
    assert runs(image) == {"a": Run(user="app", init=True), "b": Run(user="me")}


STEPS = "workload: [http: {}]"
MISTAKES = {
    "scenarios: {}": "2:12: scenarios: found an empty mapping; allowed: scenarios by name, as in {web: {workload: [h",
    "scenarios:": "2:11: scenarios: found nothing; allowed: scenarios by name",
    "scenarios: [web]": "2:12: scenarios: found a list; allowed: scenarios by name",
    "scenarios: {web: }": "2:18: scenarios.web: found nothing; allowed: a mapping",
    "scenarios: {web: [http: {}]}": "2:18: scenarios.web: found a list; allowed: a mapping",
    f"scenarios: {{'a b': {{{STEPS}}}}}": "2:13: scenarios: found the name 'a b'; allowed: a-z, A-Z, 0-9, and '.', '_",
    f"scenarios: {{-a: {{{STEPS}}}}}": "2:13: scenarios: found the name '-a'; allowed: ",
    f"scenarios: {{'': {{{STEPS}}}}}": "2:13: scenarios: found the name ''; allowed: ",
    f"scenarios: {{1: {{{STEPS}}}}}": "2:13: scenarios: the key 1 is a",
    f"scenarios: {{web: {{{STEPS}}}, web: {{}}}}": "2:42: scenarios.web: the key stands twice, first in line 2; allowe",
    f"scenario: {{web: {{{STEPS}}}}}": "2:1: scenario: unknown key; did you mean scenarios?",
    f"scenarios: {{web: {{{STEPS}, env: {{}}}}}}": "2:41: scenarios.web.env: unknown key; did you mean run.environmen",
    f"scenarios: {{web: {{{STEPS}, keep: []}}}}": "2:41: scenarios.web.keep: unknown key; allowed: run, workload, che",
    "scenarios: {web: {steps: [http: {}]}}": "2:19: scenarios.web.steps: unknown key; did you mean workload? allowed",
    f"scenarios: {{web: {{{STEPS}, run: {{users: x}}}}}}": "2:47: scenarios.web.run.users: unknown key; did you mean u",
    f"scenarios: {{web: {{{STEPS}, run: []}}}}": "2:46: scenarios.web.run: found a list; allowed: a mapping",
    f"scenarios: {{web: {{{STEPS}, run: {{tty: 1}}}}}}": "2:52: scenarios.web.run.tty: found 1 (a number); allowed: tr",
    f"scenarios: {{web: {{{STEPS}, run: {{ports: [x]}}}}}}": "2:55: scenarios.web.run.ports[1]: found 'x'; allowed: a ",
    f"scenarios: {{web: {{{STEPS}, run: {{volumes: ['./no:/x']}}}}}}": "2:57: scenarios.web.run.volumes[1].source: ima",
    f"scenarios: {{web: {{{STEPS}, run: {{env_file: nil}}}}}}": "2:57: scenarios.web.run.env_file: images/app/nil do",
    f"scenarios: {{web: {{{STEPS}, run: {{platform: linux/arm64}}}}}}": "2:47: scenarios.web.run.platform: an image ha",
    f"scenarios: {{web: {{{STEPS}, run: {{user: '${{X:?why}}'}}}}}}": "2:53: scenarios.web.run.user: the variable X is",
    "scenarios: {web: {workload: [htp: {}]}}": "2:30: scenarios.web.workload[1].htp: unknown step; did you mean http",
    "scenarios: {web: {workload: [http: {port: 0}]}}": "2:43: scenarios.web.workload[1].http.port: found 0 (a number)",
    "scenarios: {web: {workload: {http: {}}}}": "2:29: scenarios.web.workload: found a mapping; allowed: a list of s",
    "scenarios: {web: {workload: [host: {command: ./no.sh}]}}": "2:46: scenarios.web.workload[1].host.command: image",
    f"scenarios: {{web: {{{STEPS}, checks: [wait: {{}}]}}}}": "2:56: scenarios.web.checks[1].wait: found none of them",
    f"kind: base\nscenarios: {{web: {{{STEPS}, checks: []}}}}": "3:41: scenarios.web.checks: not for kind base; allow",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistake(tmp_path: Path, text: str) -> None:
    found = only_mistake(lambda: one(tmp_path, f"{text}\n"))
    assert found.startswith(f"images/app/image.yaml:{MISTAKES[text]}"), found


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = "keeps: []\nscenarios: {a: {run: {tty: 1}, workload: [x: {}]}, b: {checks: 1}}\n"
    with pytest.raises(SpecError) as error:
        one(tmp_path, text)
    assert [line.split(": ")[1] for line in error.value.what.splitlines()] == [
        "keeps",
        "scenarios.a.run.tty",
        "scenarios.a.workload[1].x",
        "scenarios.b.checks",
    ]
