"""The graph of tasks: made from the specs alone, without an engine and before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from slimtasks.inputs import ForeignImage, Unaltered
from slimtasks.session import Session
from slimtasks.stages.report import rows
from slimtasks.tasks import of_images as tasks
from slimtasks.tasks.of_images import report_task, tasks_of

BASE = "kind: base\ntags: [my/base]\nfrom: {bootstrap: {suite: bookworm}}\n"
APP = """
tags: [my/app]
from: {dockerfile: Dockerfile}
add:
  - {source: app.conf, target: /etc/app.conf}
  - {source: page.html, target: /srv/page.html, retrace: false}
workload:
  - http: {port: 80}
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    for name, text in {
        "images/ground/image.yaml": BASE,
        "images/app/image.yaml": APP,
        "images/app/Dockerfile": "FROM my/base\nCOPY app.py /srv/\n",
        "images/app/app.py": "",
        "images/app/app.conf": "",
        "images/app/page.html": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    session = Session(Path(), {}, lambda line: None)
    session.__dict__["images"] = {}  # the engine's, which no unit test may ask
    return session


def graph(session: Session) -> dict[str, dict[str, Any]]:
    tasks = [task for image in session.repo.images for task in tasks_of(image, session)]
    return {":".join(filter(None, (task["basename"], task.get("name")))): task for task in tasks}


def inputs(task: dict[str, Any], root: Path) -> list[str]:
    return sorted(path.replace(f"{root}/", "") for path in task["file_dep"])


def test_each_image_has_its_chain_and_a_name_for_all_of_it(session: Session) -> None:
    tasks = graph(session)
    stages = ["fat", "trace", "select", "layers", "sbom", "context", "image", "verify"]
    assert tasks["app"]["task_dep"] == [f"{stage}:app" for stage in stages]
    assert tasks["ground"]["task_dep"] == ["base:ground", "sbom:ground", "verify:ground"]


def test_a_variant_is_selected_and_packed_over_the_verified_image_and_changes_none_of_its_tasks(
    session: Session, tmp_path: Path
) -> None:
    before, chain = (
        graph(session),
        [f"{stage}:app" for stage in ("fat", "trace", "select", "layers", "image", "verify")],
    )
    told = [settings(session, name) for name in chain]
    (tmp_path / "images/app/image.yaml").write_text(f"{APP}final: {{variants: [debug]}}\n")
    after = graph(again(session))
    stages = ["select", "layers", "sbom", "context", "image", "verify"]
    assert [name for name in after if name.endswith("app-debug") and name.partition(":")[0] in stages] == [
        f"{stage}:app-debug" for stage in stages
    ]
    assert after["app"]["task_dep"] == [*before["app"]["task_dep"], *(f"{stage}:app-debug" for stage in stages)]
    assert after["app-debug"]["task_dep"] == after["app"]["task_dep"]
    assert "verify:app" in after["select:app-debug"]["task_dep"]
    assert {"build/app/selection.jsonl", "build/app/layers.json"} <= set(inputs(after["layers:app-debug"], tmp_path))
    assert [settings(again(session), name) for name in chain] == told


def test_a_limit_that_stands_in_another_line_is_the_same(session: Session, tmp_path: Path) -> None:
    def told(spec: str) -> str:
        (tmp_path / "images/app/image.yaml").write_text(spec)
        return settings(again(session), "image:app")

    limits = "limits: {files: 3}\n"
    assert told(f"{APP}{limits}") == told(f"{limits}{APP}") != told(f"{APP}limits: {{files: 4}}\n")


def test_a_dockerfile_depends_on_what_is_sent_and_on_the_base_that_it_names(session: Session, tmp_path: Path) -> None:
    assert inputs(graph(session)["fat:app"], tmp_path) == [
        "build/ground/base.json",
        "images/app/Dockerfile",
        "images/app/app.conf",
        "images/app/app.py",
        "images/app/page.html",
    ]


def test_only_what_is_added_with_retrace_is_traced_again(session: Session, tmp_path: Path) -> None:
    tasks = graph(session)
    assert inputs(tasks["trace:app"], tmp_path) == ["build/app/fat.json", "images/app/app.conf"]
    assert "images/app/page.html" in inputs(tasks["layers:app"], tmp_path)


def test_a_lock_is_read_instead_of_starting_anything(session: Session, tmp_path: Path) -> None:
    (tmp_path / "images/app/image.yaml").write_text(APP + "  - client: {image: my/base, command: [x]}\n")
    before, lock = graph(again(session)), tmp_path / "images/app/trace.lock.jsonl"
    lock.write_text("")
    after = graph(again(session))
    assert before["trace:app"]["task_dep"] == before["_lock:app"]["task_dep"] == ["verify:ground"]
    assert after["trace:app"]["task_dep"] == []
    more = {"build/app/inventory.jsonl", "build/app/packages.jsonl", "images/app/trace.lock.jsonl"}
    less = {"build/ground/base.json"}
    assert set(inputs(after["trace:app"], tmp_path)) == set(inputs(before["trace:app"], tmp_path)) - less | more
    assert inputs(after["fat:app"], tmp_path) == inputs(before["fat:app"], tmp_path)
    assert after["_lock:app"]["file_dep"] == before["_lock:app"]["file_dep"]


def test_what_a_trace_depends_on_besides_its_own_image(session: Session, tmp_path: Path) -> None:
    steps = "  - client: {image: redis, command: [x]}\n  - client: {image: my/base, command: [x]}\n"
    checks = "checks:\n  - client: {image: other, command: [x]}\n  - host: {command: [sh, check.sh]}\n"
    (tmp_path / "images/app/image.yaml").write_text(APP + steps + checks + "trace: {also: [{file: prod.jsonl}]}\n")
    for name in ("prod.jsonl", "check.sh"):
        (tmp_path / "images/app" / name).write_text("")
    tasks = graph(again(session))
    assert inputs(tasks["trace:app"], tmp_path) == [
        "build/app/fat.json",
        "build/ground/base.json",
        "images/app/app.conf",
        "images/app/prod.jsonl",
    ]

    def taken(name: str) -> list[str]:
        checks = [str(check) for check in tasks[name]["uptodate"] if isinstance(check, ForeignImage)]
        return [check.removesuffix(" is the image that was taken") for check in checks]

    assert (taken("trace:app"), taken("verify:app")) == (["redis"], ["other", "redis"])


def test_what_is_fetched_for_an_image_that_is_made_of_nothing_foreign(session: Session, tmp_path: Path) -> None:
    def fetched(more: str) -> bool:
        (tmp_path / "images/app/image.yaml").write_text(f"from: {{image: ground}}\ntags: [my/app]\n{more}\n")
        task = graph(again(session))["_update:app"]
        assert "_update:ground" in task["task_dep"]
        return bool(task["actions"])

    assert fetched("checks: [client: {image: other, command: [x]}]") and fetched("services: {db: {image: other}}")
    assert not fetched("checks: [client: {image: 'my/app', command: [x]}, client: {command: [x]}]")
    assert not fetched("services: {db: {image: ground}}")


def hidden(tasks: dict[str, dict[str, Any]]) -> list[str]:
    """Of those for commands, the ones that not every image has."""
    everywhere = ("_update:", "_changes:")
    return sorted(name for name in tasks if name.startswith("_") and not name.startswith(everywhere))


def test_only_what_is_traced_can_be_locked(session: Session, tmp_path: Path) -> None:
    every = ["_lock:app", "_push:app", "_push:ground", "_repair:app", "_verify-reproducible:app"]
    assert hidden(graph(session)) == every
    (tmp_path / "images/app/image.yaml").write_text("from: {image: x, stdout: [y]}\n")
    assert hidden(graph(again(session))) == ["_push:app", "_push:ground", "_verify-reproducible:app"]


def test_no_task_of_an_image_reads_another_images_files_unless_its_spec_names_it(
    session: Session, tmp_path: Path
) -> None:
    for name, task in graph(session).items():
        others = [
            path
            for path in task.get("file_dep", ())
            if "build/" in path and f"build/{name.partition(':')[2]}/" not in path
        ]
        assert [path for path in others if path != "build/ground/base.json"] == []


def test_the_report_leaves_out_what_a_plain_run_does_not_build_until_it_is_begun(session: Session) -> None:
    Path("pyproject.toml").write_text('[tool.slimtasks]\ndefault = ["app"]\n')
    repo = Session(Path(), {}, lambda line: None).repo
    assert [row["image"] for row in rows(session.workspace, repo, 0)] == ["app"]
    session.workspace.image("ground").folder.mkdir(parents=True)
    assert [row["image"] for row in rows(session.workspace, repo, 0)] == ["app", "ground"]


def test_the_report_waits_for_nothing(session: Session) -> None:
    assert "file_dep" not in report_task(session) and "task_dep" not in report_task(session)


def test_a_comment_above_a_rule_is_no_change(session: Session, tmp_path: Path) -> None:
    def settings() -> list[str]:
        return [task["uptodate"][0].config for task in graph(session).values() if task.get("targets")]

    before = settings()
    path = tmp_path / "images/app/image.yaml"
    path.write_text("# a comment\n" + path.read_text())
    again = Session(Path(), {}, lambda line: None)
    again.__dict__["images"] = {}
    session.__dict__.update(again.__dict__)
    assert settings() == before


def settings(session: Session, task: str) -> str:
    """The digest of what a task depends on besides files."""
    return str(graph(session)[task]["uptodate"][0].config)


def again(session: Session) -> Session:
    """The next run."""
    made = Session(Path(), {}, lambda line: None)
    made.__dict__["images"] = session.images
    return made


def test_what_scenarios_bring_is_an_input(session: Session, tmp_path: Path) -> None:
    app = tmp_path / "images/app"
    text = (
        "{0}: {{run: {{env_file: {0}.env, volumes: ['./{0}:/d']}}, workload: [client: {{image: {1}, command: x}}], "
        "checks: [client: {{image: {2}, command: x}}]}}"
    )
    web, worker = text.format("web", "redis", "my/base"), text.format("worker", "my/base", "redis")
    (app / "image.yaml").write_text(APP + f"scenarios: {{{web}, {worker}}}\n")
    for name in ("web/a", "worker/a", "web.env", "worker.env"):
        (app / name).parent.mkdir(exist_ok=True)
        (app / name).write_text("")
    session = again(session)
    tasks = graph(session)
    files = {f"images/app/{name}" for name in ("web/a", "worker/a", "web.env", "worker.env")}
    for task in ("trace:app", "verify:app", "_lock:app"):
        assert files <= set(inputs(tasks[task], tmp_path)), task
        assert "verify:ground" in tasks[task]["task_dep"]
    assert {"images/app/web.env", "images/app/worker.env"} <= set(inputs(tasks["select:app"], tmp_path))
    checks = [str(check) for check in tasks["trace:app"]["uptodate"] if isinstance(check, ForeignImage)]
    assert checks == ["redis is the image that was taken"]

    stages = ("trace", "select", "verify")
    for old, new, changed in (
        (", worker: {", ", other: {", {"trace", "verify"}),
        ("worker.env,", "worker.env, user: me,", set(stages)),
        ("checks: [client: {image: redis, command: x}]", "checks: [exec: {command: x}]", {"verify"}),
    ):
        before = {stage: settings(session, f"{stage}:app") for stage in stages}
        text = (app / "image.yaml").read_text()
        (app / "image.yaml").write_text(text.replace(old, new))
        session = again(session)
        assert {stage for stage in stages if settings(session, f"{stage}:app") != before[stage]} == changed, new


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "a mode in the context": (lambda app: (app / "app.py").chmod(0o755), {"fat"}),
    "an empty folder in the context": (lambda app: (app / "new").mkdir(), {"fat"}),
    "a link in the context": (lambda app: (app / "new").symlink_to("nowhere"), {"fat"}),
    "a mode that is added": (lambda app: (app / "app.conf").chmod(0o755), {"fat", "trace", "layers"}),
    "a mode of a bound file": (lambda app: (app / "data/run").chmod(0o755), {"fat", "trace", "verify"}),
    "a link in a bound folder": (lambda app: (app / "data/link").symlink_to("/"), {"fat", "trace", "verify"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_content_counts_too(session: Session, tmp_path: Path, change: str) -> None:
    app = tmp_path / "images/app"
    (app / "data").mkdir()
    (app / "data/run").write_text("")
    (app / "image.yaml").write_text(APP + "run: {volumes: ['./data:/data']}\n")
    session = again(session)
    stages = ("fat", "trace", "select", "layers", "sbom", "context", "image", "verify")
    before = {stage: settings(session, f"{stage}:app") for stage in stages}
    CHANGES[change][0](app)
    session = again(session)
    assert {stage for stage in stages if settings(session, f"{stage}:app") != before[stage]} == CHANGES[change][1]


def test_a_target_of_another_length_is_made_anew(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("123")
    unaltered, task = Unaltered([one, other]), SimpleNamespace(value_savers=[])
    assert unaltered(task, {})  # made by a version that did not look
    unaltered.configure_task(task)
    (saver,) = task.value_savers
    saved = saver()
    assert unaltered(task, saved)
    other.touch()
    assert not unaltered(task, saved)
    other.unlink()
    one.write_text("456")
    assert unaltered(task, saved)


def test_a_new_version_makes_again_only_what_is_cheap(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_settings() -> dict[str, str]:
        return {name: task["uptodate"][0].config for name, task in graph(session).items() if task.get("targets")}

    before = all_settings()
    monkeypatch.setattr(tasks, "_code", lambda: "other")
    changed = {name for name, config in all_settings().items() if config != before[name]}
    assert changed == {"sbom:ground", "select:app", "layers:app", "sbom:app", "context:app", "image:app"}
    monkeypatch.setitem(tasks._SINCE, "base", "0.2.0")
    changed = {name for name, config in all_settings().items() if config != before[name]} - changed
    assert changed == {"base:ground"}


def test_links_are_no_files_to_read(session: Session, tmp_path: Path) -> None:
    app = tmp_path / "images/app"
    for folder in ("data", "page"):
        (app / folder).mkdir()
        for name, target in (("dangling", "nowhere"), ("up", ".."), ("same", "../app.conf")):
            (app / folder / name).symlink_to(target)
    (app / "image.yaml").write_text(
        APP.replace("source: page.html", "source: page") + "run: {volumes: ['./data:/data']}\n"
    )
    tasks = graph(again(session))
    assert inputs(tasks["verify:app"], tmp_path)[-1] == "images/app/data/same"  # a container may follow it
    assert [path for path in inputs(tasks["layers:app"], tmp_path) if "page/" in path] == []
    assert [path for path in inputs(tasks["fat:app"], tmp_path) if "data/" in path or "page/" in path] == []


def test_the_env_file_is_read_to_select(session: Session, tmp_path: Path) -> None:
    (tmp_path / "images/app/app.env").write_text("")
    (tmp_path / "images/app/image.yaml").write_text(APP + "run: {env_file: app.env}\n")
    assert "images/app/app.env" in inputs(graph(again(session))["select:app"], tmp_path)


def test_an_image_that_is_not_of_this_repo(session: Session, tmp_path: Path) -> None:
    (tmp_path / "images/app/image.yaml").write_text(APP.replace("dockerfile: Dockerfile", "image: other"))
    for known, taken, same in (
        ({"id1": ("other:latest",)}, "id1", True),
        ({"id2": ("other:latest",)}, "id1", False),
        ({"id2": ("other:2",)}, "id1", True),  # gone, and nothing is fetched by itself
        ({}, None, True),
    ):
        session = again(session)
        session.__dict__["images"] = known
        (check,) = (check for check in graph(session)["fat:app"]["uptodate"] if isinstance(check, ForeignImage))
        assert check(None, {"other": taken}) == same, known
