"""The graph of tasks: made from the specs alone, without an engine and before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slimtasks.session import Session
from slimtasks.tasks import report_task, tasks_of

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
    stages = ["fat", "trace", "select", "layers", "context", "image", "verify"]
    assert tasks["app"]["task_dep"] == [f"{stage}:app" for stage in stages]
    assert tasks["ground"]["task_dep"] == ["base:ground", "verify:ground"]


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


def test_the_report_waits_for_nothing(session: Session) -> None:
    assert "file_dep" not in report_task(session) and "task_dep" not in report_task(session)


def test_a_comment_above_a_rule_is_no_change(session: Session, tmp_path: Path) -> None:
    def settings() -> list[str]:
        return [task["uptodate"][0].config for task in graph(session).values() if task.get("file_dep")]

    before = settings()
    path = tmp_path / "images/app/image.yaml"
    path.write_text("# a comment\n" + path.read_text())
    again = Session(Path(), {}, lambda line: None)
    again.__dict__["images"] = {}
    session.__dict__.update(again.__dict__)
    assert settings() == before
