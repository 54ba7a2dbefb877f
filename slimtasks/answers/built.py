"""What build/<name>/ tells of a slim image, each file read when it is asked for."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from slimtasks import fatfiles
from slimtasks.additions import Addition, additions
from slimtasks.errors import Damaged, SlimError
from slimtasks.job import files_of
from slimtasks.records import ImagePath, Package, Selected, intact, read_header, read_json, read_lines
from slimtasks.rootfs import Tree, is_below, normalise
from slimtasks.selection.inputs import NotKept
from slimtasks.spec import Image
from slimtasks.trace.file import Trace, read_trace
from slimtasks.workspace import ImageFiles, Workspace

_WHITEOUT = ".wh."


@dataclass(frozen=True)
class PackedLayer:
    """One layer of the image."""

    name: str
    number: int  # 1 is the lowest
    of: int  # layers
    diff_id: str
    base: bool  # whether `final.base` brings it


class Built:
    """One slim image; every property raises SlimError where its file is not there, Damaged where it is not whole."""

    def __init__(self, image: Image, workspace: Workspace) -> None:
        self.image = image
        self._workspace = workspace
        self._files = files_of(workspace, image)

    @cached_property
    def tree(self) -> Tree:
        """The fat image's."""
        return Tree(fatfiles.inventory(self._with(self._files.inventory)))

    @cached_property
    def packages(self) -> Mapping[str, Package]:
        """The fat image's, by name."""
        return {package.name: package for package in fatfiles.installed(self._with(self._files.packages))}

    @cached_property
    def selected(self) -> Mapping[ImagePath, Selected]:
        """What stays, by its path in the fat image."""
        choices = read_lines(self._with(self._files.selection).selection, Selected)[1]
        return {choice.source or choice.path: choice for choice in choices}

    @cached_property
    def not_kept(self) -> tuple[NotKept, ...]:
        """What is often missed later."""
        header = read_header(self._with(self._files.selection).selection)
        return tuple(NotKept(**missed) for missed in header.get("not_kept", ()))

    @cached_property
    def placed(self) -> Mapping[ImagePath, Selected]:
        """What stays, by its path in the slim image, which `final.base` may have moved."""
        return {choice.path: choice for choice in self.selected.values()}

    @cached_property
    def trace(self) -> Trace | None:
        """What the traced run used; None for an image that is not traced."""
        if self.image.source.stdout:
            return None
        return read_trace(self._with(self._files.trace).trace)

    @cached_property
    def added(self) -> Mapping[ImagePath, Addition]:
        """What `add:` writes, by its path."""
        return {addition.entry.path: addition for addition in additions(self.image)}

    @cached_property
    def of_base(self) -> frozenset[ImagePath]:
        """What the layers of `final.base` have."""
        found: set[ImagePath] = set()
        for layer in self.layers:
            for path in self._paths_in(layer) if layer.base else ():
                directory, _, name = path.rpartition("/")
                if name.startswith(_WHITEOUT):
                    gone = f"{directory}/{name.removeprefix(_WHITEOUT)}"
                    found -= {other for other in found if is_below(other, gone)}
                else:
                    found.add(path)
        return frozenset(found)

    @cached_property
    def staying(self) -> frozenset[ImagePath]:
        """All paths of the fat image that the slim one has, wherever it has them from."""
        return self.of_base.union(self.selected, self.added)

    @cached_property
    def layers(self) -> tuple[PackedLayer, ...]:
        """Of the slim image, lowest first."""
        layers = self._with(self._files.layers).layers
        with intact(layers):
            data = read_json(layers)
            below = [(f"of {self.image.final.base}", diff_id, True) for diff_id in data["below"]]
            named = [*below, *((layer["name"], layer["diff_id"], False) for layer in data["layers"])]
        return tuple(
            PackedLayer(name, at, len(named), diff_id, base) for at, (name, diff_id, base) in enumerate(named, 1)
        )

    def layer_of(self, path: ImagePath) -> PackedLayer | None:
        """The highest layer that has the path; None where the store no longer tells."""
        return next((layer for layer in reversed(self.layers) if path in self._paths_in(layer)), None)

    def _paths_in(self, layer: PackedLayer) -> Iterator[ImagePath]:
        return _paths(self._workspace.layer(layer.diff_id))

    def _with(self, path: Path) -> ImageFiles:
        """The image's files, one of which has to be there."""
        if not path.exists():
            name = self.image.name
            raise SlimError(f"{name} is not built yet: {path} is not there", f"`doit {name}` makes it")
        return self._files


def _paths(tar: Path) -> Iterator[ImagePath]:
    """The paths in a layer's tar, of which only the headers are read; none where there is no such file."""
    try:
        with tarfile.open(tar, "r:", encoding="utf-8") as members:
            yield from (normalise("/" + member.name) for member in members)
    except FileNotFoundError:
        return
    except tarfile.TarError as error:
        raise Damaged(tar, f"no whole tar ({error})") from error
