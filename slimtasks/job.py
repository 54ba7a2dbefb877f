"""What a stage is given to work on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from slimtasks.records import intact, read_json
from slimtasks.spec.model import Image
from slimtasks.spec.names import tagged
from slimtasks.workspace import ImageFiles, Workspace

if TYPE_CHECKING:
    from slimtasks.engine.client import Engine  # half of what a run with nothing to do would import


@dataclass(frozen=True)
class Fetched:
    """A bootstrap, or an image that is not of this repo: what a source is made of, as it was taken."""

    name: str  # an image's as the spec or the Dockerfile writes it, a bootstrap's suite
    date: int  # seconds since 1970
    counts: Literal["fetched", "created"]  # what the date is of
    id: str = ""  # the engine's, of an image
    digest: str = ""  # its manifest's, where a registry gave it


@dataclass(frozen=True)
class Source:
    """The image that a spec's `from:` means, in the engine."""

    id: str
    packages_lock: str = ""  # what its bootstrap has installed, as images/<n>/packages.lock has it
    fetched: tuple[Fetched, ...] = ()  # what it is made of, less what is declared in this repo


@dataclass(frozen=True)
class Job:
    """One stage of one image: its spec, its files, the engine, and where to tell what goes on."""

    image: Image
    images: Mapping[str, Image]  # all declared images by name
    workspace: Workspace
    engine: Engine
    environ: Mapping[str, str]
    say: Callable[[str], None]  # how it goes on, which may be dropped
    note: Callable[[str], None]  # what the user has to know
    fetched: Source | None = None  # what `doit update` has fetched, which the image is made of then

    @property
    def files(self) -> ImageFiles:
        return files_of(self.workspace, self.image)

    def built(self, name: str) -> str:
        """The engine's id of another declared image, which a task before this one has built."""
        return named_image(result_file(self.workspace, self.images[name]))

    def reference(self, written: str) -> str:
        """What the spec calls `written`, as an engine knows it: a tag, where that is the name of a declared image."""
        declared = dict(self.image.references).get(written)
        tags = self.images[declared].tags if declared else ()
        return tags[0] if tags and tagged(written) not in tags else written


def files_of(workspace: Workspace, image: Image) -> ImageFiles:
    """The files of an image or of a variant."""
    return workspace.image(image.name, image.variant_of)


def named_image(result: Path) -> str:
    """The engine's id of the image that a result file names; raises Damaged."""
    with intact(result):
        return str(read_json(result)["id"])


def result_file(workspace: Workspace, image: Image) -> Path:
    """The file that tells the id of a finished image."""
    files = files_of(workspace, image)
    return {"base": files.base, "build": files.fat, "slim": files.image}[image.kind]
