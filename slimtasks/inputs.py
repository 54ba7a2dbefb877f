"""What the tasks depend on besides each other's files: sources, other images, settings, the engine's images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from slimtasks.proving import client_images
from slimtasks.records import read_json
from slimtasks.session import Session
from slimtasks.sources.tracer import TRACER
from slimtasks.spec import Image
from slimtasks.spec.context import context_files
from slimtasks.spec.host_files import add_files
from slimtasks.workspace import ImageFiles

Names = frozenset[str]
"""Of declared images."""


def source_files(image: Image) -> list[Path]:
    """The build context as it is sent."""
    return [path for _, path in context_files(image) if path.is_file()]


def source_images(image: Image) -> Names:
    """The declared images that the source is, or is built on."""
    if image.source.dockerfile:
        return frozenset(name for _, name in image.references)
    return _named(image, {image.source.image})


def source_settings(image: Image, session: Session) -> list[Any]:
    """What makes the fat image another one although no file's content changed."""
    sent = [(name, str(path.readlink()) if path.is_symlink() else _mode(path)) for name, path in context_files(image)]
    return [image.source, sent, _foreign_image(image, session)]


def _foreign_image(image: Image, session: Session) -> str:
    """The id of an image of the engine that is not declared in this repo, so that a newer one is noticed."""
    wanted = image.source.image
    if not wanted or source_images(image):
        return ""
    tag = wanted if ":" in wanted.rpartition("/")[2] else f"{wanted}:latest"
    known = session.images or {}
    return next((identity for identity, tags in known.items() if tag in tags or wanted == identity), "")


def final_base_images(image: Image) -> Names:
    """The declared image that the slim one is laid over."""
    return _named(image, {image.final.base})


def step_images(image: Image) -> Names:
    """The declared images that `client` steps run."""
    return _named(image, client_images((*image.workload, *image.checks)))


def tracer_images(session: Session) -> Names:
    """The tracer image where the repo declares one, as a checkout of slimtasks itself does."""
    return frozenset({TRACER} & set(session.by_name))


def selection_settings(image: Image) -> list[Any]:
    """The rules; where they are written is told in messages, but is no reason to select again."""
    return [
        [image.keep, image.keep_packages, image.drop, image.own],
        [image.unowned, image.granularity, image.metadata, image.final.base],
        [target for _, target in add_files(image)],
        [image.run.environment, bool(image.workload)],
    ]


def modes(paths: Iterable[Path]) -> list[int]:
    """The permission bits that reach the image."""
    return [_mode(path) for path in paths]


def finished(files: ImageFiles, stage: str) -> Callable[[], bool]:
    """Whether the stage's last run went well to its end."""
    return lambda: not files.unfinished(stage).exists()


def image_there(session: Session, result: Path) -> Callable[[], bool]:
    """Whether the engine has the image that `result` names."""

    def check() -> bool:
        return result.exists() and read_json(result)["id"] in (session.images or {})

    return check


def tags_there(session: Session, image: Image, result: Path) -> Callable[[], bool]:
    """Whether the image's tags are on the image that `result` names."""

    def check() -> bool:
        return result.exists() and set(image.tags) <= set((session.images or {}).get(read_json(result)["id"], ()))

    return check


def layers_there(session: Session, files: ImageFiles) -> Callable[[], bool]:
    """Whether the store has every layer that layers.json names."""

    def check() -> bool:
        if not files.layers.exists():
            return False
        store = session.workspace.layer_store
        return all((store / f"{layer['diff_id'][7:]}.tar").exists() for layer in read_json(files.layers)["layers"])

    return check


def _named(image: Image, written: Iterable[str]) -> Names:
    wanted = set(written)
    return frozenset(name for reference, name in image.references if reference in wanted)


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
