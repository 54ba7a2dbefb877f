"""What `doit clean` removes besides a stage's own files: its images, and what no image names any longer."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from slimtasks.errors import Damaged, EngineError
from slimtasks.inventories import stored
from slimtasks.job import files_of, named_image
from slimtasks.records import intact, read_header, read_json
from slimtasks.registry.compressed import unnamed as unnamed_compressed
from slimtasks.session import Session
from slimtasks.sources.held import held_tag
from slimtasks.spec import Image
from slimtasks.spec.model import KeepPreset, Preset
from slimtasks.workspace import Workspace

_NAMING = frozenset({"base.json", "fat.json", "image.json"})  # the files that name an image


def clean(session: Session, image: Image, targets: Sequence[Path], dryrun: bool) -> Iterator[str]:
    """Yields a line for each thing that is removed (or would be)."""
    for path in targets:
        if path.name in _NAMING and path.exists():
            yield from _let_go(session, image, path, dryrun)
    files = files_of(session.workspace, image)
    beside = (files.costs, files.packages_lock, files.fetched, files.pushed)
    for path in (*targets, *beside, *sorted(files.folder.glob("*.unfinished"))):
        if path.exists():
            yield str(path)
            if not dryrun:
                path.unlink()
    if files.image in targets:
        for left in _left_variants(session, image):
            yield from clean(session, left, sorted(files_of(session.workspace, left).folder.iterdir()), dryrun)
    try:
        unnamed = _unnamed(session.workspace, session.by_name.values())
    except Damaged as error:
        yield f"nothing of the stores, as it is not known what is still needed: {error.what}"
        return
    for path in unnamed:
        yield str(path)
        if not dryrun and path.is_dir():
            shutil.rmtree(path)
        elif not dryrun:
            path.unlink()


def _left_variants(session: Session, image: Image) -> Iterator[Image]:
    """Those that the spec has named before, and names no longer."""
    for preset in get_args(Preset):
        left = image.with_preset(KeepPreset(preset))
        folder = files_of(session.workspace, left).folder
        if not image.variant and left.name not in session.by_name and folder.is_dir() and any(folder.iterdir()):
            yield left


def _let_go(session: Session, image: Image, path: Path, dryrun: bool) -> Iterator[str]:
    """Takes away the tags that we gave to the image that `path` names; with its last tag the image goes.

    It may be another one's as well: a slim image's fat one is often declared by itself, or the user's.
    """
    finished = image.kind == "build" or path.name != "fat.json"
    try:
        identity = named_image(path)
        found = session.engine.inspect_image(identity) or {}
        ours = {
            held_tag(session.engine.checkout, image.name, "" if finished else "fat"),
            *(image.tags if finished else ()),
        }
        for tag in sorted(ours & set(found.get("RepoTags") or ())):
            yield f"tag {tag}"
            if not dryrun:
                session.engine.untag(tag)
    except (EngineError, Damaged) as error:
        yield f"nothing of the engine: {error.what}"  # the files still go


def _unnamed(workspace: Workspace, images: Iterable[Image]) -> list[Path]:
    """Inventories, traces and layers that no image's files name."""
    named, diff_ids = set(), set()
    for image in images:
        files = files_of(workspace, image)
        for path in (files.fat, files.base):
            if path.exists():
                named.add(stored(workspace, named_image(path)).folder.name)
        if files.trace.exists():
            named |= _trace_names(read_header(files.trace))
        for path in (files.base, files.layers, files.image):
            diff_ids.update(_diff_ids(path))
    named |= {workspace.layer(diff_id).name for diff_id in diff_ids}
    stores = (workspace.fat_store, workspace.trace_store, workspace.layer_store)
    left = [path for store in stores if store.exists() for path in store.iterdir() if path.name not in named]
    return sorted([*left, *unnamed_compressed(workspace, diff_ids)])


def _trace_names(header: dict[str, Any]) -> set[str]:
    """What the store calls the traces that one was made of."""
    return {f"{one.get('key')}.jsonl" for one in (header, *header.get("scenarios", ()))}


def _diff_ids(path: Path) -> list[str]:
    """The layers that base.json, layers.json or image.json names, those of the base below included."""
    with intact(path):
        written = read_json(path) if path.exists() else {}
        return [*written.get("below", ()), *(layer["diff_id"] for layer in written.get("layers", ()))]
