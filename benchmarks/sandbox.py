"""A checkout of its own for a benchmark: nothing of this one is touched, and no tag of its images is moved."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measuring import CHECKOUT, doit, run

sys.path.insert(0, str(CHECKOUT))

from slimtasks.engine.client import Engine

OURS = "slimtasks-benchmark/"


@contextmanager
def sandbox(images: tuple[str, ...] = (), more: tuple[Path, ...] = ()) -> Iterator[Path]:
    """A folder with the package, and of this checkout's images those named, their tags below `slimtasks-benchmark/`.

    `more`: folders of other images. At the end its images are removed from the engine.
    """
    with TemporaryDirectory(prefix="slimtasks-benchmark-") as name:
        folder = Path(name)
        shutil.copytree(CHECKOUT / "slimtasks", folder / "slimtasks", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "dodo.py").write_text("from slimtasks.dodo import DOIT_CONFIG, task_images\n")
        for image in (*(CHECKOUT / "images" / image for image in images), *more):
            shutil.copytree(image, folder / "images" / image.name)
            rename_tags(folder / "images" / image.name)
        try:
            yield folder
        finally:
            clean(folder)


def rename_tags(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.name in ("image.yaml", "image.toml") or path.name.endswith("Dockerfile"):
            path.write_text(path.read_text().replace("our/", OURS))


def put_tracer_in(folder: Path) -> Path:
    """Has this checkout build its tracer image, and puts it where the wheel has it."""
    run(doit("tracer"), CHECKOUT)
    made = json.loads((CHECKOUT / "build/tracer/base.json").read_text())
    target = folder / "slimtasks/trace" / f"tracer-{made['platform'].partition('/')[2]}.tar"
    shutil.copyfile(CHECKOUT / "build/tracer/image.tar", target)
    return target


def clean(folder: Path) -> None:
    """Removes what the folder's runs have left: its images in the engine, and its build/."""
    if (folder / "images").exists() and (folder / "build").exists():
        run(doit("clean", "--clean-all"), folder)
    forget(folder)


def forget(folder: Path) -> None:
    """Removes all that the folder's runs wrote, so that the next one begins from nothing."""
    shutil.rmtree(folder / "build", ignore_errors=True)
    for path in folder.glob(".doit.db*"):
        path.unlink()


def engine(folder: Path) -> Engine:
    return Engine(folder)


def costs(folder: Path) -> dict[str, dict[str, Any]]:
    """What each stage of each image cost the last time, by image and stage."""
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(folder.glob("build/*/costs.json"))}
