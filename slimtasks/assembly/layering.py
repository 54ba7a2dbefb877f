"""Plans the layers of a slim image: what goes into which, in which order; files are read for their digest only."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from slimtasks.additions import Addition
from slimtasks.assembly.compiled import SourceDates, source_dates
from slimtasks.assembly.dates import Clock
from slimtasks.fingerprint import digest_of, digest_of_file
from slimtasks.layers.sharing import Sharing
from slimtasks.records import Entry, ImagePath, Selected
from slimtasks.rootfs import parents


@dataclass(frozen=True)
class Item:
    """One entry of a layer, and where its content is: `text`, a `file` of this machine, else the fat image."""

    entry: Entry  # as it stands in the layer, its mtime included
    source: ImagePath  # in the fat image
    text: str = ""
    file: Path | None = None
    dates: SourceDates | None = None  # of a compiled file whose source gets another mtime

    @property
    def extracted(self) -> bool:
        """Whether its bytes have to be fetched from the fat image."""
        entry = self.entry
        return entry.type == "file" and not (entry.hardlink or self.text or self.file)


@dataclass(frozen=True)
class Plan:
    """One layer to be: its items sorted by path; `key` tells two layers of the same bytes."""

    name: str
    items: tuple[Item, ...]

    @cached_property
    def key(self) -> str:
        files = ((item, item.file and digest_of_file(item.file)) for item in self.items)
        return digest_of([(item.entry, item.text, digest, item.dates) for item, digest in files])


def plan_layers(
    entries: Sequence[Entry],
    selected: Sequence[Selected],
    added: Sequence[Addition],
    clock: Clock,
    sharing: Sharing | None = None,
) -> tuple[Plan, ...]:
    """The application's layer, then the customisation's; empty ones are left out.

    With `sharing`, the shared ones below, another of what others have, too, and the application's in three: packages,
    what is told of packages, which changes with each of them, and what the image's own build made.

    Customisation is what `add:` brings and, of the user's own, what COPY or ADD wrote below /etc. Each layer holds
    all parents of its files, the same in each.
    """
    tree = {entry.path: entry for entry in entries}
    brought = {addition.entry.path for addition in added}
    choices = [choice for choice in selected if choice.path not in brought]
    items = {choice.path: _item(choice, tree, clock, brought) for choice in choices}
    directories = {path: item for path, item in items.items() if item.entry.type == "dir"}
    parts = _parts(choices, items, sharing)
    parts[-1][1].extend(_addition(addition, clock) for addition in added)
    plans = (Plan(name, _with_parents(part, directories, clock)) for name, part in parts)
    return tuple(plan for plan in plans if plan.items)


def plan_on_top(
    name: str,
    entries: Sequence[Entry],
    selected: Sequence[Selected],
    below: Sequence[Selected],
    added: Sequence[Addition],
    clock: Clock,
) -> Plan:
    """The layer with what is selected, and not `below` in just that way; without items where that is nothing."""
    tree = {entry.path: entry for entry in entries}
    brought = {addition.entry.path for addition in added}
    there = {choice.path: (choice.content, choice.target, choice.source) for choice in below}
    items = {choice.path: _item(choice, tree, clock, brought) for choice in selected}
    directories = {path: item for path, item in items.items() if item.entry.type == "dir"}
    more = [one for one in selected if there.get(one.path) != (one.content, one.target, one.source)]
    return Plan(name, _with_parents(_linked([items[one.path] for one in more]), directories, clock))


def _parts(
    choices: Sequence[Selected], items: dict[ImagePath, Item], sharing: Sharing | None
) -> list[tuple[str, list[Item]]]:
    """The names of the layers, lowest first, and what goes into each, less its parents."""
    customised = {choice.path for choice in choices if _is_customisation(choice)}
    if sharing is None:
        own, rest = _split(items.values(), customised)
        return [("application", _linked(rest)), ("customisation", _linked(own))]
    above = {above for choice in choices for above in parents(choice.path)}
    items = {path: item for path, item in items.items() if path not in above}  # each layer has its parents anyway
    shared = ((use.group.kind, use.entries) for use in sharing.uses)
    packaged = [*shared, ("infrastructure", sharing.common), ("application", sharing.rest)]
    parts = [
        (name, _linked([replace(items.pop(entry.path), entry=entry, dates=None) for entry in entries]))
        for name, entries in packaged
    ]
    told, rest = _split(items.values(), {choice.path for choice in choices if _is_metadata(choice)})
    own, rest = _split(rest, customised)
    return [*parts, ("application", told), ("application", _linked(rest)), ("customisation", _linked(own))]


def _is_metadata(choice: Selected) -> bool:
    return bool(choice.content) and all(reason.kind == "metadata" for reason in choice.reasons)


def _is_customisation(choice: Selected) -> bool:
    copied = any(reason.kind == "own" and reason.detail.startswith(("COPY ", "ADD ")) for reason in choice.reasons)
    return copied and choice.path.startswith("/etc/")


def _item(choice: Selected, tree: Mapping[ImagePath, Entry], clock: Clock, brought: Container[ImagePath]) -> Item:
    source = ImagePath(choice.source or choice.path)
    entry = tree.get(source)
    if choice.content:
        mode = entry or Entry(choice.path, "file", 0o644)
        size = len(choice.content.encode(errors="surrogateescape"))
        made = Entry(choice.path, "file", mode.mode, mode.uid, mode.gid, size, clock.epoch)
        return Item(made, source, text=choice.content)
    if entry is None:
        return Item(Entry(choice.path, "dir", 0o755, mtime=clock.epoch), source)
    placed = replace(
        entry,
        path=choice.path,
        mtime=clock.mtime(entry),
        target=choice.target or entry.target,
        layer=0,
        package="",
        elf=None,
        script="",
    )
    return Item(placed, source, dates=source_dates(entry, tree, clock, brought))


def _addition(addition: Addition, clock: Clock) -> Item:
    entry = replace(addition.entry, mtime=clock.epoch)
    return Item(entry, entry.path, file=addition.source if entry.type == "file" else None)


def _split(items: Iterable[Item], own: set[ImagePath]) -> tuple[list[Item], list[Item]]:
    """Those that are `own`, and the rest; all names of one inode go where its first name goes."""
    mine: list[Item] = []
    rest: list[Item] = []
    inodes: dict[str, bool] = {}
    for item in items:
        entry = item.entry
        is_own = inodes.setdefault(entry.hardlink or item.source, entry.path in own and entry.type != "dir")
        (mine if is_own else rest).append(item)
    return mine, rest


def _linked(items: Sequence[Item]) -> list[Item]:
    """The items with hardlinks pointed at the first of their inode's names that is among them."""
    first: dict[str, ImagePath] = {}
    result = []
    for item in items:
        entry = item.entry
        name = first.setdefault(entry.hardlink or item.source, entry.path)
        hardlink = "" if name == entry.path else name
        changed = entry.hardlink != hardlink
        result.append(replace(item, entry=replace(entry, hardlink=hardlink)) if changed else item)
    return result


def _with_parents(items: Sequence[Item], directories: Mapping[ImagePath, Item], clock: Clock) -> tuple[Item, ...]:
    if not items:
        return ()
    found = {item.entry.path: item for item in items}
    for path in list(found):
        for above in parents(path):
            if above not in found:
                made = Item(Entry(above, "dir", 0o755, mtime=clock.epoch), above)
                found[above] = directories.get(above, made)
    return tuple(found[path] for path in sorted(found))
