"""The selection, one verb a line."""

from __future__ import annotations

from slimtasks.errors import SlimError
from slimtasks.records import ImagePath, Reason, Selected
from slimtasks.selection.accounts import keep_for_engine
from slimtasks.selection.base import in_the_way, merge
from slimtasks.selection.closure import Closure, unresolved_notes
from slimtasks.selection.directories import keep_directories, keep_parents
from slimtasks.selection.history import read_history
from slimtasks.selection.image import FatImage
from slimtasks.selection.inputs import Inputs, Selection
from slimtasks.selection.kept import Kept
from slimtasks.selection.libc import keep_for_libc
from slimtasks.selection.metadata import keep_metadata
from slimtasks.selection.own import keep_own
from slimtasks.selection.presets import keep_presets, not_kept
from slimtasks.selection.rules import dropped_by, keep_matched, keep_packages, matched
from slimtasks.selection.used import keep_links_to_kept, keep_used
from slimtasks.selection.whole import beyond, granularity_of, keep_whole


def select(inputs: Inputs) -> Selection:
    """Which paths of the fat image stay, and why. Raises SlimError with every mistake that the spec's rules have."""
    image = FatImage(inputs)
    errors: list[str] = []
    notes: list[str] = []
    dropped = dropped_by(matched("drop", inputs.drop, image, errors), image.tree)
    kept = Kept(image.tree, dropped, image.added)
    history = read_history(inputs.layers, image.tree)
    if inputs.whole:
        _keep_all(kept)
    else:
        keep_used(inputs.accesses, kept)
        keep_for_engine(image, kept)
        keep_own(image, history, kept, notes)
    keep_matched("own", "own", matched("own", inputs.own, image, errors), kept, notes)
    keep_matched("keep", "kept", matched("keep", inputs.keep, image, errors), kept, notes)
    keep_packages(inputs.keep_packages, image, kept, errors)
    keep_presets("keep-presets", inputs.keep_presets, image, kept, errors)
    keep_presets("final.variants", inputs.variant, image, kept, errors)
    closure = Closure(image, kept, errors)
    _keep_needed(closure, image, kept)
    by_file = frozenset(kept)
    granularity = granularity_of(inputs.granularity, inputs.unseen, inputs.idle)
    whole = 0 if inputs.whole else keep_whole(image, kept, granularity)
    _keep_needed(closure, image, kept)
    written = _keep_rest(image, kept, notes) if not inputs.whole else {}
    keep_directories(image, history, kept)
    keep_parents(kept)
    selected = tuple(Selected(path, kept.reasons(path), written.get(path, "")) for path in kept)
    notes += unresolved_notes(closure)
    errors += in_the_way(image.added, image.tree, "fat image")
    if image.base is not None:
        merged = merge(selected, image.tree, image.base)
        errors += merged.errors
        errors += in_the_way(image.added, image.base)
        notes += merged.notes
        selected = merged.selected
    if errors:
        raise SlimError("\n".join(errors), "correct the spec, then run the same command again")
    missed = () if inputs.whole else not_kept(image.tree, kept)
    return Selection(selected, tuple(notes), whole, beyond(selected, by_file, image), missed)


def _keep_all(kept: Kept) -> None:
    reason = Reason("kept", "the whole image was made to be shipped")
    for path in kept.tree.paths:
        kept.keep(path, reason)


def _keep_needed(closure: Closure, image: FatImage, kept: Kept) -> None:
    while kept.fresh:
        closure.run()
        keep_for_libc(image, kept)  # may keep modules with needs of their own


def _keep_rest(image: FatImage, kept: Kept, notes: list[str]) -> dict[ImagePath, str]:
    keep_links_to_kept(image.inputs.accesses, kept)
    return keep_metadata(image, kept, notes) if image.inputs.metadata == "keep" else {}
