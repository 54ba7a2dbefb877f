"""What a trace is keyed by: each member, changed alone, gives another key, and nothing else does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from slimtasks import tracekey
from slimtasks.engine.client import Engine
from slimtasks.errors import EngineError
from slimtasks.job import Job
from slimtasks.records import Fat
from slimtasks.session import Session
from slimtasks.tracekey import named_inputs, spec_changes, trace_inputs, trace_key

APP = """\
tags: [my/app]
from: {image: other}
add:
  - {source: app.conf, target: /etc/app.conf}
  - {source: html, target: /srv/html, retrace: false}
run:
  environment: {TOKEN: , MODE: fast}
  env_file: app.env
  volumes: [./data:/data, name:/named]
workload:
  - http: {port: 80}
  - host: {command: [sh, ./smoke.sh]}
  - client: {image: my/ground, command: [x]}
  - client: {image: redis:7, command: [x]}
  - oneshot: {command: [x], volumes: [./once:/once]}
checks:
  - host: {command: [sh, ./check.sh]}
scenarios:
  worker:
    run: {environment: {ROLE: worker}, env_file: worker.env, volumes: [./spool:/spool]}
    workload:
      - exec: {command: [work]}
      - host: {command: [sh, ./work.sh]}
      - client: {image: redis:6, command: [x]}
    checks:
      - exec: {command: [check]}
trace: {timeout: 1m, also: [{file: prod.jsonl}]}
"""
GROUND = "kind: base\ntags: [my/ground]\nfrom: {bootstrap: {suite: bookworm}}\n"
FILES = (
    "app.conf html/index.html app.env data/a data/b smoke.sh once/x check.sh prod.jsonl worker.env spool/job work.sh"
)
CONFIG = {
    "architecture": "amd64",
    "config": dict.fromkeys(tracekey._RUNNING)
    | {"Healthcheck": {"Test": ["CMD", "check"]}}
    | {"Labels": {"a": "b"}, "Env": ["A=1"]},
}
FAT = Fat("sha256:id", "sha256:config", "sha256:tree", 1, CONFIG, ())


@dataclass
class Images:
    """The images of an engine, in place of one: their ids by reference."""

    ids: dict[str, str] = field(default_factory=dict)

    def inspect_image(self, reference: str) -> dict[str, str] | None:
        return {"Id": self.ids[reference]} if reference in self.ids else None

    def pull(self, reference: str, platform: str) -> str:
        raise EngineError(f"cannot pull {reference}")


@dataclass
class Checkout:
    """A repo with an image `app`, whose key is asked for."""

    root: Path
    environ: dict[str, str] = field(default_factory=dict)
    images: Images = field(default_factory=lambda: Images({"redis:7": "sha256:7", "redis:6": "sha256:6"}))
    fat: Fat = FAT

    @property
    def app(self) -> Path:
        return self.root / "images/app"

    def inputs(self, scenario: str = "") -> dict[str, str]:
        session = Session(self.root, self.environ, lambda line: None)
        engine = cast(Engine, self.images)
        (image,) = (one for one in session.by_name["app"].by_scenario if one.scenario == scenario)
        job = Job(image, session.by_name, session.workspace, engine, self.environ, print, print)
        return trace_inputs(job, self.fat)

    def changes(self, before: dict[str, str]) -> list[str]:
        """What `doit lock` is told to trace again."""
        return spec_changes(before, Session(self.root, self.environ, lambda line: None).by_name["app"])

    def spec(self, old: str, new: str) -> None:
        text = (self.app / "image.yaml").read_text()
        assert old in text
        (self.app / "image.yaml").write_text(text.replace(old, new))

    def file(self, name: str, text: str = "changed") -> None:
        (self.app / name).parent.mkdir(exist_ok=True)
        (self.app / name).write_text(text)

    def set_fat(self, **changes: Any) -> None:
        self.fat = replace(self.fat, **changes)

    def set_config(self, key: str, value: object) -> None:
        self.set_fat(config={**CONFIG, "config": {**cast(dict[str, Any], CONFIG["config"]), key: value}})


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "checkout")
    for name in FILES.split():
        made.app.mkdir(parents=True, exist_ok=True)
        made.file(name, name)
    made.file("image.yaml", APP)
    (made.root / "images/ground").mkdir()
    (made.root / "images/ground/image.yaml").write_text(GROUND)
    ground(made, "sha256:ground")
    return made


def ground(checkout: Checkout, identity: str) -> None:
    path = checkout.root / "build/ground/base.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"id": identity}))


Change = Callable[[Checkout], object]
MEMBERS: dict[str, tuple[str, Change]] = {
    "the fat tree": ("image", lambda c: c.set_fat(tree_digest="sha256:other")),
    "the architecture": ("architecture", lambda c: c.set_fat(config={**CONFIG, "architecture": "arm64"})),
    "the variant": ("architecture", lambda c: c.set_fat(config={**CONFIG, "variant": "v7"})),
    "an added file": ("add", lambda c: c.file("app.conf")),
    "an added file's mode": ("add", lambda c: (c.app / "app.conf").chmod(0o755)),
    "an added file's place": ("add", lambda c: c.spec("/etc/app.conf", "/etc/app.d/conf")),
    "the place of one that need not be traced": ("add", lambda c: c.spec("/srv/html", "/srv/www")),
    "run": ("run", lambda c: c.spec("env_file: app.env", "user: app\n  env_file: app.env")),
    "a variable's value in the spec": ("run", lambda c: c.spec("MODE: fast", "MODE: slow")),
    "a variable more": ("run", lambda c: c.spec("TOKEN: ,", "TOKEN: , OTHER: ,")),
    "an env file": ("run", lambda c: c.file("app.env", "A=1")),
    "a volume's name": ("run", lambda c: c.spec("name:/named", "other:/named")),
    "a step": ("workload", lambda c: c.spec("port: 80", "port: 81")),
    "a host script": ("workload", lambda c: c.file("smoke.sh")),
    "a host script's mode": ("workload", lambda c: (c.app / "smoke.sh").chmod(0o755)),
    "a file in a mounted folder": ("volumes", lambda c: c.file("data/a")),
    "a file more in a mounted folder": ("volumes", lambda c: c.file("data/c")),
    "a name in a mounted folder": ("volumes", lambda c: (c.app / "data/a").rename(c.app / "data/a1")),
    "a link in a mounted folder": ("volumes", lambda c: (c.app / "data/link").symlink_to("a")),
    "a file that a oneshot mounts": ("volumes", lambda c: c.file("once/x")),
    "a client's image of this repo": ("clients", lambda c: ground(c, "sha256:other")),
    "a client's image of the engine": ("clients", lambda c: c.images.ids.update({"redis:7": "sha256:8"})),
    "final.healthcheck": ("healthcheck", lambda c: c.spec("tags:", "final: {healthcheck: [x]}\ntags:")),
    "trace.timeout": ("trace", lambda c: c.spec("timeout: 1m", "timeout: 2m")),
    "trace.backend": ("trace", lambda c: c.spec("timeout: 1m", "timeout: 1m, backend: fanotify")),
    "trace.allow-incomplete": ("trace", lambda c: c.spec("timeout: 1m", "timeout: 1m, allow-incomplete: true")),
}


@pytest.mark.parametrize("change", MEMBERS)
def test_each_member_alone_traces_again(checkout: Checkout, change: str) -> None:
    member, do = MEMBERS[change]
    before = checkout.inputs()
    do(checkout)
    after = checkout.inputs()
    assert [name for name in after if after[name] != before.get(name)] == [member]
    assert trace_key(after) != trace_key(before)


OF_SCENARIO: dict[str, tuple[str, Change]] = {
    "its run": ("run", lambda c: c.spec("ROLE: worker", "ROLE: other")),
    "its env file": ("run", lambda c: c.file("worker.env", "A=1")),
    "a step of it": ("workload", lambda c: c.spec("command: [work]", "command: [work, more]")),
    "its host script": ("workload", lambda c: c.file("work.sh")),
    "a file that it mounts": ("volumes", lambda c: c.file("spool/job")),
    "its client's image": ("clients", lambda c: c.images.ids.update({"redis:6": "sha256:0"})),
}


@pytest.mark.parametrize("change", OF_SCENARIO)
def test_each_member_of_a_scenario_traces_that_one_again(checkout: Checkout, change: str) -> None:
    member, do = OF_SCENARIO[change]
    top, worker = checkout.inputs(), checkout.inputs("worker")
    do(checkout)
    after = checkout.inputs("worker")
    assert [name for name in after if after[name] != worker[name]] == [member]
    assert checkout.inputs() == top


OF_BOTH: dict[str, Change] = {
    "run, over which it is laid": lambda c: c.spec("MODE: fast", "MODE: slow"),
    "a file that both mount": lambda c: c.file("data/a"),
    "an added file": lambda c: c.file("app.conf"),
    "trace.timeout": lambda c: c.spec("timeout: 1m", "timeout: 2m"),
    "the fat tree": lambda c: c.set_fat(tree_digest="sha256:other"),
}


@pytest.mark.parametrize("change", OF_BOTH)
def test_what_both_scenarios_depend_on(checkout: Checkout, change: str) -> None:
    before = [trace_key(checkout.inputs(name)) for name in ("", "worker")]
    OF_BOTH[change](checkout)
    after = [trace_key(checkout.inputs(name)) for name in ("", "worker")]
    assert not set(before) & set(after)


def test_what_a_scenario_does_not_depend_on(checkout: Checkout) -> None:
    before = checkout.inputs("worker")
    checkout.spec("  worker:\n", "  other: {workload: [exec: {command: [x]}]}\n  renamed:\n")
    checkout.spec("http: {port: 80}", "http: {port: 81}")
    checkout.spec("command: [check]", "command: [check, more]")
    assert checkout.inputs("renamed") == before


def test_what_a_lock_says_of_them(checkout: Checkout) -> None:
    before = {**checkout.inputs(), **named_inputs("worker", checkout.inputs("worker"))}
    assert checkout.changes(before) == [] and checkout.changes({}) == []
    checkout.spec("command: [work]", "command: [work, more]")
    checkout.file("smoke.sh")
    assert checkout.changes(before) == ["workload", "scenarios.worker.workload"]
    checkout.spec("  worker:\n", "  other:\n")
    assert checkout.changes(before) == ["workload", "scenarios.other", "scenarios.worker"]
    without = {name: digest for name, digest in before.items() if "." not in name}
    checkout.spec("  other:\n", "  worker:\n")
    assert checkout.changes(without) == ["workload", "scenarios.worker"]


@pytest.mark.parametrize("name", tracekey._RUNNING)
def test_each_field_of_the_config_that_matters_when_running(checkout: Checkout, name: str) -> None:
    before = checkout.inputs()
    checkout.set_config(name, {"Test": ["CMD", "changed"]} if name == "Healthcheck" else ["changed"])
    assert [name for name, digest in checkout.inputs().items() if digest != before[name]] == ["config"]


def test_the_backends(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checkout.inputs()
    monkeypatch.setattr(tracekey, "sources_digest", lambda: "other")
    assert [name for name, digest in checkout.inputs().items() if digest != before[name]] == ["backends"]


def test_when_the_healthcheck_is_run(checkout: Checkout) -> None:
    before = checkout.inputs()
    checkout.spec("workload:\n  - http: {port: 80}", "workload:\n  - wait: {port: 80}")
    after = checkout.inputs()
    assert [name for name in after if after[name] != before[name]] == ["healthy", "workload"]
    assert "scenarios.worker.healthy" in named_inputs("worker", checkout.inputs("worker"))
    checkout.set_config("Healthcheck", None)
    assert "healthy" not in checkout.inputs()


SAME: dict[str, Change] = {
    "nothing": lambda c: None,
    "the id of the fat image": lambda c: c.set_fat(id="sha256:another", config_digest="sha256:another"),
    "a label": lambda c: c.set_config("Labels", {"built": "today"}),
    "a file that need not be traced": lambda c: c.file("html/index.html"),
    "one more of these": lambda c: c.file("html/more.html"),
    "a check": lambda c: c.spec("./check.sh", "./check.sh, more"),
    "a check's script": lambda c: c.file("check.sh"),
    "a trace from elsewhere": lambda c: c.file("prod.jsonl"),
    "none from elsewhere": lambda c: c.spec(", also: [{file: prod.jsonl}]", ""),
    "the value of a variable that is the caller's": lambda c: c.environ.update(TOKEN="secret"),
    "a remark": lambda c: c.spec("tags:", "# remark\n\ntags:"),
    "tags": lambda c: c.spec("my/app", "my/app:2"),
    "a rule": lambda c: c.spec("tags:", "keep: [/bin/sh]\ntags:"),
    "other files": lambda c: c.file("README"),
    "whether an image may be pulled": lambda c: c.spec("{image: redis:7,", "{image: redis:7, pull_policy: never,"),
}


@pytest.mark.parametrize("change", SAME)
def test_what_is_no_member_traces_nothing_again(checkout: Checkout, change: str) -> None:
    before = checkout.inputs()
    SAME[change](checkout)
    assert checkout.inputs() == before


def test_another_checkout_has_the_same_key(checkout: Checkout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(checkout.root, elsewhere, ignore=shutil.ignore_patterns("specs.pickle"))
    assert replace(checkout, root=elsewhere).inputs() == checkout.inputs()


def test_a_client_that_cannot_be_had_is_no_error_here(checkout: Checkout) -> None:
    before = checkout.inputs()
    checkout.images.ids.clear()
    assert [name for name, digest in checkout.inputs().items() if digest != before[name]] == ["clients"]
