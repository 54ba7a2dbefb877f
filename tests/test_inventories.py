"""An image of the engine is read once, whoever asks, and its inventory goes when nothing names it any more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import pytest
from oci_archives import docker_archive
from tars import d, f, tar

from slimtasks import fatfiles, inventories
from slimtasks.errors import SlimError
from slimtasks.inventories import inventory_of
from slimtasks.job import Job
from slimtasks.operations.cleaning import clean
from slimtasks.records import share_file
from slimtasks.session import Session
from slimtasks.spec import From, Image
from slimtasks.stages import fat
from slimtasks.workspace import ImageFiles, Workspace

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
ARCHIVE = docker_archive(tar(d("etc"), f("etc/passwd", "root:x:0:0::/:/bin/sh\n"), f("app", "1")))


class FakeEngine:
    """An engine with two images of the same content; it notes what is asked of it."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.saved: list[str] = []
        self.archive = ARCHIVE
        self.tags: dict[str, list[str]] = {}
        self.gone: list[str] = []

    @contextmanager
    def save(self, identity: str) -> Iterator[BinaryIO]:
        self.saved.append(identity)
        yield io.BytesIO(self.archive)

    def inspect_image(self, ref: str) -> dict[str, Any] | None:
        return {"Id": ref, "RepoTags": self.tags.get(ref)} if ref in (ONE, OTHER) else None

    def untag(self, ref: str) -> None:
        self.gone.append(ref)


def job(root: Path, engine: FakeEngine, image: str, name: str = "app") -> Job:
    spec = Image(source=From(image=image), name=name, tags=(f"my/{name}:latest",))
    return cast(Job, SimpleNamespace(
        image=spec, images={}, workspace=Workspace(root), engine=engine, say=lambda line: None,
        files=Workspace(root).image(name), fetched=None,
    ))  # fmt: skip


def read(job: Job) -> ImageFiles:
    return inventory_of(job.workspace, job.engine, ONE, job.say)


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path)


def test_it_is_read_once(tmp_path: Path, engine: FakeEngine) -> None:
    first = read(job(tmp_path, engine, ONE))
    assert [entry.path for entry in fatfiles.inventory(first)] == ["/", "/app", "/etc", "/etc/passwd"]
    assert fatfiles.counts(first) == (2, 0)
    assert read(job(tmp_path, engine, ONE, "another")) == first
    assert engine.saved == [ONE]


def test_two_images_of_one_source_share_the_files(tmp_path: Path, engine: FakeEngine) -> None:
    assert fat.run(job(tmp_path, engine, ONE, "app")) == "23 B, 2 files, 0 packages"
    assert fat.run(job(tmp_path, engine, ONE, "other")) == "23 B, 2 files, 0 packages (read before)"
    files = Workspace(tmp_path).image
    assert files("app").inventory.samefile(files("other").inventory)
    assert files("app").fat.read_bytes() == files("other").fat.read_bytes()


def test_a_file_that_was_lost_is_read_again(tmp_path: Path, engine: FakeEngine) -> None:
    read(job(tmp_path, engine, ONE)).captured.unlink()
    assert read(job(tmp_path, engine, ONE)).captured.exists()
    assert engine.saved == [ONE, ONE]


def test_other_code_reads_again(tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    read(job(tmp_path, engine, ONE))
    monkeypatch.setattr(inventories, "_readers_digest", lambda: "another0")
    read(job(tmp_path, engine, ONE))
    assert engine.saved == [ONE, ONE]


def test_of_a_reading_that_fails_nothing_is_left(tmp_path: Path, engine: FakeEngine) -> None:
    engine.archive = ARCHIVE[:3000]
    with pytest.raises(SlimError):
        read(job(tmp_path, engine, ONE))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_is_copied_where_it_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "one").write_text("same")
    share_file(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").read_text() == "same"
    assert not (tmp_path / "one").samefile(tmp_path / "two")


def test_what_no_image_names_goes(tmp_path: Path, engine: FakeEngine) -> None:
    """The other image's stays, and so does the source of ours, which somebody else made."""
    mine, other = job(tmp_path, engine, ONE, "app"), job(tmp_path, engine, OTHER, "other")
    engine.tags[ONE] = ["their/source:1"]
    fat.run(mine)
    fat.run(other)
    both = {"app": mine.image, "other": other.image}
    session = SimpleNamespace(
        workspace=mine.workspace, engine=engine, repo=SimpleNamespace(images=tuple(both.values())), by_name=both
    )
    list(clean(cast(Session, session), mine.image, mine.files.of_fat, dryrun=False))
    assert [path.name[:4] for path in mine.workspace.fat_store.iterdir()] == ["2222"]
    assert engine.gone == []
