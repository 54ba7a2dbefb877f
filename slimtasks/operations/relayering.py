"""`doit relayer`: plans the layers that images share anew, says what that changes, and writes images/layers.lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from slimtasks import fatfiles
from slimtasks.additions import Addition, additions
from slimtasks.assembly.dates import Clock
from slimtasks.layers.changes import Changes, Layered
from slimtasks.layers.lock import LOCK, read_lock, write_lock
from slimtasks.layers.members import bundles, size_of
from slimtasks.layers.plan import plan
from slimtasks.layers.sharing import Shipped
from slimtasks.records import Entry, ImagePath, Selected, read_lines
from slimtasks.sizes import count
from slimtasks.spec import Image, Repo
from slimtasks.workspace import ImageFiles, Workspace


def relayer(
    workspace: Workspace, repo: Repo, environ: Mapping[str, str], say: Callable[[str], None], *, write: bool
) -> str:
    """Plans over all selections in build/, and writes the lock if told to; returns what came of it in a line.

    `say` gets the rest. Raises SlimError for a lock that is none, Damaged.
    """
    old = read_lock(workspace.layers_lock)
    built = [image for image in repo.images if _is_built(workspace.image(image.name))]
    missing = [image.name for image in repo.images if image.kind == "slim" and image not in built]
    if missing:
        say(f"not built, so not planned for: {', '.join(missing)}")
    if not built:
        return "nothing is built, so there is nothing to plan"
    selections = {image.name: _Selection.of(workspace, image) for image in built}
    date = old.date if old else _date(selections.values(), environ)
    images = {name: one.layered(Clock.of(one.entries, environ, date)) for name, one in selections.items()}
    new = plan({name: image.bundles for name, image in images.items()}, repo.shared_layers, date, old)
    if new == old:
        return f"{LOCK} stays as it is"
    if not (new.groups or old):
        return f"{count(len(built), 'image')} built: nothing that several have in common is worth a layer"
    for line in Changes(images, old, new).lines():
        say(line)
    if not write:
        return f"{LOCK} is {'as it was' if old else 'not there yet'}: `doit relayer --yes` writes it"
    write_lock(workspace.layers_lock, new)
    return f"{LOCK} is written: `doit` packs what changes"


def _is_built(files: ImageFiles) -> bool:
    """Whether its selection is there, and was finished."""
    return files.selection.exists() and not files.unfinished("select").exists()


@dataclass(frozen=True)
class _Selection:
    """What stays of one image."""

    files: ImageFiles
    choices: tuple[Selected, ...]  # less what `add:` brings
    added: tuple[Addition, ...]
    entries: tuple[Entry, ...]  # of the choices, and of the package database
    variants: tuple[str, ...]  # that are built

    @classmethod
    def of(cls, workspace: Workspace, image: Image) -> _Selection:
        files, added = workspace.image(image.name), additions(image)
        brought = {addition.entry.path for addition in added}
        choices = tuple(c for c in read_lines(files.selection, Selected)[1] if c.path not in brought)
        entries = fatfiles.entries_of(files, (c.source or c.path for c in choices))
        variants = tuple(one.name for one in image.variants if _is_built(workspace.image(one.name)))
        return cls(files, choices, added, entries, variants)

    def layered(self, clock: Clock) -> Layered:
        tree = {entry.path: entry for entry in self.entries}
        found = bundles(tree, self.choices, clock.brought)
        shared = {entry.path for bundle in found for entry in bundle.entries}
        rest = [choice for choice in self.choices if choice.path not in shared]
        made = sum(len(choice.content.encode(errors="surrogateescape")) for choice in rest)
        kept = size_of(entry for choice in rest if not choice.content and (entry := tree.get(_source(choice))))
        own = made + kept + sum(addition.entry.size for addition in self.added)
        ships = Shipped(partial(fatfiles.installed, self.files), partial(fatfiles.inventory, self.files))
        return Layered(found, ships, own, self.variants)


def _date(selections: Iterable[_Selection], environ: Mapping[str, str]) -> int:
    """SOURCE_DATE_EPOCH, else that of the newest file that a package brought."""
    if "SOURCE_DATE_EPOCH" in environ:
        return Clock.of((), environ).epoch
    found = 0
    for one in selections:
        clock = Clock.of(one.entries, environ, 0)
        found = max(found, *(clock.brought(entry) or 0 for entry in one.entries if entry.type == "file"), 0)
    return found


def _source(choice: Selected) -> ImagePath:
    return choice.source or choice.path
