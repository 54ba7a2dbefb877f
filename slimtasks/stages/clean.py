"""clean: what `doit clean` removes besides a stage's own files: its images, and what no image names any longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from slimtasks.engine.client import Engine
from slimtasks.errors import EngineError
from slimtasks.records import Access, read_json, read_lines
from slimtasks.spec import Image
from slimtasks.workspace import Workspace


def run(
    workspace: Workspace,
    images: Sequence[Image],
    image: Image,
    targets: Sequence[Path],
    engine: Callable[[], Engine],
    dryrun: bool,
) -> Iterator[str]:
    """Yields a line for each thing that is removed (or would be)."""
    for identity in _identities(targets):
        yield f"image {identity[:19]} of {image.name}"
        if not dryrun:
            _remove_image(engine, identity)
    folder = workspace.image(image.name).folder
    for path in (*targets, folder / "costs.json", *sorted(folder.glob("*.unfinished"))):
        if path.exists():
            yield str(path)
            if not dryrun:
                path.unlink()
    for path in _unnamed(workspace, images):
        yield str(path)
        if not dryrun:
            path.unlink()


def _identities(targets: Sequence[Path]) -> list[str]:
    """The images that these files name as made by their stage."""
    names = {"base.json", "fat.json", "image.json"}
    return [read_json(path)["id"] for path in targets if path.name in names and path.exists()]


def _remove_image(engine: Callable[[], Engine], identity: str) -> None:
    try:
        found = engine().inspect_image(identity)
    except EngineError:
        return  # without an engine the files still go
    for tag in (found or {}).get("RepoTags") or ():
        engine().untag(tag)
    engine().remove_image(identity)


def _unnamed(workspace: Workspace, images: Sequence[Image]) -> list[Path]:
    """Traces and layers that no image's files name."""
    named = set()
    for image in images:
        files = workspace.image(image.name)
        if files.trace.exists():
            named.add(f"{read_lines(files.trace, Access)[0].get('key')}.jsonl")
        for path in (files.base, files.layers):
            if path.exists():
                named |= {f"{layer['diff_id'][7:]}.tar" for layer in read_json(path)["layers"]}
    stores = (workspace.trace_store, workspace.layer_store)
    return sorted(path for store in stores if store.exists() for path in store.iterdir() if path.name not in named)
