"""Files below build/ that somebody damaged: they are made anew, or one clear message says how they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pipeline_repo import Repo, Result, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

MAKERS = {
    "ground/base.json": "base:ground",
    "ground/verify.json": "verify:ground",
    "web/fat.json": "fat:web",
    "web/inventory.jsonl": "fat:web",
    "web/packages.jsonl": "fat:web",
    "web/captured.tar": "fat:web",
    "web/trace.jsonl": "trace:web",
    "web/selection.jsonl": "select:web",
    "web/layers.json": "layers:web",
    "web/sbom.cdx.json": "sbom:web",
    "web/context.tar": "context:web",
    "web/image.json": "image:web",
    "web/image.tar": "image:web",
    "web/verify.json": "verify:web",
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "no JSON": lambda content: b"<html>\n" + content,
    "another JSON": lambda content: b"[1, 2]\n",
}


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    repo = Repo(tmp_path_factory.mktemp("damaged"), busybox, fresh_tags())
    yield repo
    repo.remove_images()


@pytest.fixture
def repo(settled: Repo) -> Iterator[Repo]:
    """A repo in which all is built; in the end it has to be as it was."""
    assert settled.run().status == 0
    before = {image: settled.result(image) for image in ("ground", "web")}
    yield settled
    assert {image: settled.result(image) for image in before} == before
    assert settled.run().ran == ()
    assert settled.left_over() == []


def damage(path: Path, how: Callable[[bytes], bytes]) -> None:
    """In place, so that its other names, in a store, are damaged, too."""
    path.write_bytes(how(path.read_bytes()))


def went_well(result: Result) -> None:
    assert (result.status, "Traceback" in result.output) == (0, False), result.output


@pytest.mark.parametrize("name", MAKERS)
def test_one_that_was_cut_off(repo: Repo, name: str) -> None:
    damage(repo.path(f"build/{name}"), DAMAGES["cut off"])
    result = repo.run()
    went_well(result)
    assert result.ran[0] == MAKERS[name]


@pytest.mark.parametrize("how", DAMAGES)
def test_all_of_them(repo: Repo, how: str) -> None:
    for name in (*MAKERS, "ground/costs.json", "web/costs.json"):
        damage(repo.path(f"build/{name}"), DAMAGES[how])
    went_well(repo.run())


def test_a_trace_in_the_store(repo: Repo) -> None:
    (stored,) = repo.path("build/traces").iterdir()
    damage(stored, DAMAGES["cut off"])
    repo.path("build/web/trace.jsonl").unlink()
    result = repo.run()
    went_well(result)
    assert "(traced before)" not in result.output


@pytest.mark.parametrize("name", MAKERS)
def test_one_of_the_same_length_is_made_anew_or_named(repo: Repo, name: str) -> None:
    path = repo.path(f"build/{name}")
    damage(path, lambda content: content.replace(b":", b";"))
    result = repo.run()
    if name not in ("web/selection.jsonl", "web/trace.jsonl", "web/inventory.jsonl", "web/packages.jsonl"):
        went_well(result)
        return
    assert result.output.count(f"build/{name} is damaged: no JSON at 1:") == 1, result.output
    assert f"-> `rm build/{name}`, then run the same command again" in result.output
    assert (result.status, "Traceback" in result.output) == (1, False), result.output
    if MAKERS[name] == "fat:web":  # so is the store's
        assert repo.run("clean", "web").status == 0
    else:
        path.unlink()
    went_well(repo.run())


@pytest.mark.parametrize("how", DAMAGES)
def test_clean(repo: Repo, how: str) -> None:
    for name in MAKERS:
        damage(repo.path(f"build/{name}"), DAMAGES[how])
    went_well(repo.run("clean", "web"))
    went_well(repo.run())
