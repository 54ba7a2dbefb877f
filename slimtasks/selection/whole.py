"""Granularity: which packages stay whole once anything of them was used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slimtasks.packages.dependencies import staying
from slimtasks.packages.dpkg import is_essential, stanzas
from slimtasks.records import ImagePath, Reason, Selected, bare_name
from slimtasks.selection.image import FatImage
from slimtasks.selection.kept import Kept
from slimtasks.selection.languages import whole_distributions

# What a package brings for people to read; a run that reads it has traced it.
_DOCUMENTATION = re.compile(
    r"(?:/usr/(?:local/)?share/(?:doc|doc-base|man|info|lintian|linda|bug|groff|gtk-doc)|/usr/local/man)(?:/.*)?",
    re.DOTALL,
)


def is_documentation(path: str) -> bool:
    """Whether the path is there for people to read."""
    return _DOCUMENTATION.fullmatch(path) is not None


@dataclass(frozen=True)
class Granularity:
    """Of which kinds whole packages stay."""

    languages: bool
    distribution: bool  # the image's, of its package database
    beside: bool = False  # of a language, those in the same node_modules or site-packages as one that was used
    depended_on: bool = False  # what those of the distribution depend on, and the essential ones


def granularity_of(said: str, unseen: str, idle: str = "") -> Granularity:
    """What `granularity:` of a spec (auto | file | package) means.

    `auto` is `package` where the trace does not tell all that the image has to do; `unseen` says why.
    """
    everything = said == "package" or (said == "auto" and bool(unseen))
    auto = said == "auto"
    return Granularity(said != "file", everything, auto and bool(idle), auto and idle == "command")


def keep_whole(image: FatImage, kept: Kept, granularity: Granularity) -> int:
    """Keeps all of each package of which the run opened a file, documentation aside; how many there are."""
    used: dict[str, tuple[tuple[ImagePath, ...], Reason]] = {}
    if granularity.languages:
        used |= whole_distributions(image, beside=granularity.beside)
    if granularity.distribution:
        used |= _packages(image, depended_on=granularity.depended_on)
    for paths, reason in used.values():
        for path in paths:
            if path != reason.by and not is_documentation(path):
                walk = image.tree.walk(path)
                if not is_documentation(walk.resolved):
                    kept.follow(path, reason)
                kept.keep(path, reason)
    if granularity.distribution:
        _keep_alternatives(kept)
    return len(used)


def _keep_alternatives(kept: Kept) -> None:
    """The names that update-alternatives(1) gave to what stays: /usr/bin/awk, by /etc/alternatives/awk."""
    for entry in kept.tree:
        if entry.type == "link" and entry.target.startswith("/etc/alternatives/") and entry.path not in kept:
            resolved = kept.tree.walk(entry.path).resolved
            if resolved in kept and not is_documentation(resolved):
                kept.follow(entry.path, Reason("package", f"a name of {resolved}", resolved))


def beyond(selected: Iterable[Selected], by_file: frozenset[ImagePath], image: FatImage) -> int:
    """The bytes of what was selected, metadata aside, and was not kept `by_file`."""
    more = (choice.source or choice.path for choice in selected if not is_metadata(choice))
    found = (entry for path in more if path not in by_file and (entry := image.tree.lookup(path)) is not None)
    inodes = {entry.hardlink or entry.path: entry.size for entry in found}
    return sum(size for path, size in inodes.items() if path not in by_file)


def is_metadata(choice: Selected) -> bool:
    """Whether the path stays only to tell of others."""
    return all(reason.kind == "metadata" for reason in choice.reasons)


def _packages(image: FatImage, *, depended_on: bool) -> Mapping[str, tuple[tuple[ImagePath, ...], Reason]]:
    """The distribution's packages of which a file was opened, and what they depend on, if that is wanted."""
    why: dict[str, Reason] = {}
    for path in sorted(image.opened):
        entry = image.tree.lookup(path)
        if entry is not None and entry.package:
            text = f"{entry.package}, of which {path} was used"
            why.setdefault(entry.package, Reason("package", text, path))
    if depended_on:
        text = "which a command may call that did nothing yet"
        why |= {name: Reason("package", f"{name}, {text}") for name in _depended_on(image, why) - why.keys()}
    members: dict[str, list[ImagePath]] = {name: [] for name in why}
    for entry in image.tree:
        if entry.package in members and entry.type != "dir":
            members[entry.package].append(entry.path)
    return {name: (tuple(paths), why[name]) for name, paths in members.items()}


def _depended_on(image: FatImage, used: Iterable[str]) -> set[str]:
    """What they depend on, and what is essential, which others use without saying so (Debian policy, 3.8)."""
    essential = (name for name, stanza in stanzas(image.inputs.captured).items() if is_essential(stanza))
    roots = [bare_name(name) for name in (*used, *essential)]
    return staying(image.inputs.packages, (), roots) if roots else set()
