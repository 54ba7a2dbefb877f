"""Fat images that are made to do harm, in the real engine and through the whole pipeline: at most an error."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from engine_images import image_of, tree
from faithful_image import saved
from pipeline_repo import Repo
from tars import Item, d, f, hard, link, node, tar

from slimtasks.errors import EngineError

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

SPEC = """\
tags: [{tags}/hostile]
from: {{image: '{tags}/fat-hostile:1'}}
keep: ['/h/**']
workload: [oneshot: {{command: ['true']}}]
"""


def climbing(victim: Path) -> dict[str, list[Item]]:
    """What leads to the file `victim` of this machine, or out of an image, by every kind of name and link."""
    out = "../" * 30 + str(victim).lstrip("/")
    return {
        "name": [f(out, "harm")],
        "name inside": [f(f"h/{out}", "harm")],
        "absolute name": [f(str(victim), "harm")],
        "hardlink": [hard("h/x", out), f("h/x", "harm")],
        "absolute hardlink": [hard("h/x", str(victim))],
        "symlink and file": [link("h/x", str(victim.parent)), f(f"h/x/{victim.name}", "harm")],
        "relative symlink and file": [link("h/x", out.rpartition("/")[0]), f(f"h/x/{victim.name}", "harm")],
        "loop": [link("h/x", "y"), link("h/y", "x"), f("h/x/z")],
        "file and directory": [f("h/x", "x"), f("h/x/y", "y")],
        "twice": [f("h/x", "x"), d("h/x"), f("h/x/y"), f("h/x", "at last")],
        "whiteouts": [f("h/.wh..wh..opq"), f("h/.wh."), f("h/.wh..."), f(".wh.h"), f("h/.wh..wh.plnk"), f("h/x", "x")],
        "device as directory": [node("h/x", tarfile.CHRTYPE, 1, 1), f("h/x/y")],
    }


def load(repo: Repo, busybox: Path, *items: Item) -> None:
    layer = tree(busybox)[: -tarfile.BLOCKSIZE * 2].rstrip(b"\0")
    layer += bytes(-len(layer) % tarfile.BLOCKSIZE)
    repo.engine.load_stream(iter([image_of(f"{repo.tags}/fat-hostile:1", layer + tar(d("h"), *items))]))


@pytest.mark.parametrize("kind", climbing(Path("/x")))
def test_what_climbs_out_harms_nothing(kind: str, repo: Repo, busybox: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("whole")
    repo.write("images/hostile/image.yaml", SPEC.format(tags=repo.tags))
    try:
        load(repo, busybox, *climbing(victim)[kind])
    except EngineError:
        pass  # the engine refuses it: then there is no such image
    else:
        made = repo.run("hostile")
        assert made.status in (0, 1) and "Traceback" not in made.output, made.output
        assert repo.left_over() == []
    assert victim.read_text() == "whole" and victim.stat().st_nlink == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["repo", "victim"]


def test_a_directory_of_100000_entries_and_a_path_of_3900_bytes_go_all_the_way(repo: Repo, busybox: Path) -> None:
    folders = ["/".join(["h", *["d" * 200] * depth]) for depth in range(1, 20)]
    deep = f"{folders[-1]}/".ljust(3899, "f")
    many = [f"h/many/{number:06}" for number in range(100_000)]
    repo.write("images/hostile/image.yaml", SPEC.format(tags=repo.tags))
    load(repo, busybox, *map(d, folders), f(deep, "deep"), d("h/many"), *map(f, many))
    made = repo.run("hostile")
    assert made.status == 0, made.output
    fat, slim = (below_h(repo, tag) for tag in (f"{repo.tags}/fat-hostile:1", repo.tag("hostile")))
    assert slim == fat and {f"/{deep}", *(f"/{name}" for name in many)} <= slim.keys()
    assert repo.left_over() == []


def below_h(repo: Repo, tag: str) -> dict[str, str]:
    """What the image has there."""
    with repo.engine.save(tag) as archive:
        return {path: line for path, line in saved(archive.read()).items() if path.startswith("/h/")}
