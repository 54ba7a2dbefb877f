"""How old what an image is made of is: of its own, and over other images of the repo."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks.ages import DAY, age, note_fetched
from slimtasks.job import Fetched
from slimtasks.spec import Repo, load
from slimtasks.stages.report import rows, table
from slimtasks.workspace import Workspace

NOW = 1_800_000_000
SPECS = {
    "ground": "kind: base\nfrom: {bootstrap: {suite: bookworm}}\n",
    "app": "from: {dockerfile: Dockerfile}\nfinal: {base: 'static:1'}\n",
    "cut": "from: {image: ground}\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    for name, text in SPECS.items():
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        (folder / "image.yaml").write_text(text)
        (folder / "Dockerfile").write_text("FROM golang:1 AS made\nFROM ground\nCOPY --from=made /go /go\n")
    return load(tmp_path, {})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def fetched(name: str, days: float, counts: str = "fetched") -> Fetched:
    return Fetched(name, NOW - int(days * DAY), "created" if counts == "created" else "fetched")


def days_of(repo: Repo, workspace: Workspace, name: str) -> float:
    return age(workspace, {image.name: image for image in repo.images}, repo.image(name), NOW)[0] / DAY


def test_what_an_image_is_made_of(repo: Repo) -> None:
    app, cut = repo.image("app"), repo.image("cut")
    assert app.bases == ("golang:1", "ground", "static:1") and app.foreign == ("golang:1", "static:1")
    assert cut.bases == ("ground",) and cut.foreign == ()
    assert repo.image("ground").bases == ()


def test_the_oldest_counts_over_images_of_the_repo_too(repo: Repo, workspace: Workspace) -> None:
    note_fetched(workspace.image("ground"), [fetched("bookworm", 12.9)])
    note_fetched(workspace.image("app"), [fetched("golang:1", 40, "created"), fetched("static:1", 3, "created")])
    assert [days_of(repo, workspace, name) for name in ("ground", "cut", "app")] == [12.9, 12.9, 40]
    note_fetched(workspace.image("app"), [fetched("golang:1", 4, "created")])
    assert days_of(repo, workspace, "app") == 12.9
    note_fetched(workspace.image("ground"), [fetched("bookworm", -1)])  # by another clock
    assert days_of(repo, workspace, "cut") == 0


def test_what_is_not_known_is_not_young(repo: Repo, workspace: Workspace) -> None:
    assert days_of(repo, workspace, "cut") == float("inf")
    note_fetched(workspace.image("ground"), [])  # of nothing from outside
    assert days_of(repo, workspace, "cut") == 0
    workspace.image("ground").fetched.write_text("{")
    assert days_of(repo, workspace, "cut") == float("inf")


def test_the_report_tells_it_in_whole_days(repo: Repo, workspace: Workspace) -> None:
    note_fetched(workspace.image("ground"), [fetched("bookworm", 12.9)])
    found = rows(workspace, repo, NOW)
    assert {row["image"]: row["base"] for row in found} == {
        "app": {},
        "cut": {"name": "bookworm", "counts": "fetched", "date": "2027-01-02T10:24:00Z", "days": 12},
        "ground": {"name": "bookworm", "counts": "fetched", "date": "2027-01-02T10:24:00Z", "days": 12},
    }
    assert [line.split()[:3] for line in table(found).splitlines()] == [
        ["image", "platform", "base"],
        ["app", "-", "-"],
        ["cut", "-", "12"],
        ["ground", "-", "12"],
    ]


def test_in_words(repo: Repo, workspace: Workspace) -> None:
    note_fetched(workspace.image("ground"), [fetched("bookworm", 12.9)])
    images = {image.name: image for image in repo.images}
    assert age(workspace, images, repo.image("ground"), NOW)[1] == "bookworm, fetched 2027-01-02"
    assert age(workspace, images, repo.image("app"), NOW)[1] == ""
