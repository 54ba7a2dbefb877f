"""Why a path is in a slim image, or why not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from slimtasks.answers.built import Built, PackedLayer
from slimtasks.answers.reasons import Because, Reasons
from slimtasks.answers.weights import Extent, Scales
from slimtasks.nearest import near_path, near_paths
from slimtasks.records import Entry, ImagePath, Selected
from slimtasks.rootfs import Tree, globbed, is_below, is_engines, normalise
from slimtasks.selection import missing
from slimtasks.selection.spec_lines import pattern_of, spec_line

State = Literal["stays", "unlinked", "removed", "added", "base", "engine", "absent"]
"""unlinked: it stays, but a symlink on the way to it goes; the others as `doit why` says them."""


@dataclass(frozen=True)
class Ownership:
    """The package of a path, and how much of it stays."""

    name: str  # 'deb/libc6'
    version: str
    kept: Extent
    removed: Extent


@dataclass(frozen=True)
class Passed:
    """A symlink on the way to the path that was asked for."""

    path: ImagePath
    target: str
    stays: bool


@dataclass(frozen=True)
class Inside:
    """What is below a directory, or what a pattern names; each list of paths largest first."""

    kept: Extent
    removed: Extent
    kept_paths: tuple[tuple[ImagePath, int], ...]  # with their size, bytes
    removed_paths: tuple[tuple[ImagePath, int], ...]
    line: str  # of the spec that keeps all of it; empty where all of it stays


@dataclass(frozen=True)
class Why:
    """The answer; what does not apply is empty."""

    image: str
    asked: str
    path: str  # where symlinks lead, if anywhere
    state: State
    passed: tuple[Passed, ...] = ()
    entry: Entry | None = None  # of the fat image, or as the slim image has it
    moved: str = ""  # the path in the slim image, where `final.base` moved it
    rewritten: bool = False  # whether its content is not the fat image's, but written when it was selected
    package: Ownership | None = None
    layer: PackedLayer | None = None
    reasons: tuple[Because, ...] = ()
    advice: tuple[str, ...] = ()  # 'PATH: would be kept by keep: [...]', or '... taken away by drop: [...] at PLACE'
    uses: tuple[str, ...] = ()  # of what is not there, or goes: what the run did with it
    nearest: tuple[ImagePath, ...] = ()
    inside: Inside | None = None


def why(built: Built, asked: str) -> Why:
    """Answers for one path, which may lead over symlinks, or for all that a pattern names."""
    path = normalise(asked)
    if globbed(path) and path not in built.tree:
        return _pattern(built, asked)
    walk = built.tree.walk(path)
    passed = tuple(
        Passed(link, found.target, link in built.staying)
        for link in walk.passed
        if (found := built.tree.lookup(link)) is not None
    )
    final = walk.resolved
    if is_engines(final):
        return Why(built.image.name, asked, final, "engine", passed)
    reasons = Reasons(built)
    if final in built.added:
        return _added(built, asked, final, passed)
    if walk.final is not None and final in built.selected:
        return _staying(built, asked, walk.final, passed, reasons)
    if final in built.placed:
        return _placed(built, asked, final, passed, reasons)
    if final in built.of_base:
        return Why(built.image.name, asked, final, "base", passed, walk.final, layer=built.layer_of(final))
    uses = tuple(use.text for use in reasons.uses.of(final))
    if walk.final is None:
        return Why(built.image.name, asked, final, "absent", passed, uses=uses, nearest=near_paths(final, built.tree))
    return _gone(built, asked, walk.final, passed, uses)


def _staying(built: Built, asked: str, entry: Entry, passed: tuple[Passed, ...], reasons: Reasons) -> Why:
    choice = built.selected[entry.path]
    directory = entry.type == "dir"
    return Why(
        image=built.image.name,
        asked=asked,
        path=entry.path,
        state="stays" if all(link.stays for link in passed) else "unlinked",
        passed=passed,
        entry=replace(entry, size=_length(choice), digest="") if choice.content else entry,
        moved=choice.path if choice.path != entry.path else "",
        rewritten=bool(choice.content),
        package=_package(built, entry),
        layer=None if directory else built.layer_of(choice.path),  # of a directory, each that has something in it
        reasons=reasons.of(entry.path),
        advice=_advice(built, normalise(asked)),
        inside=_inside(built, entry.path) if directory else None,
    )


def _placed(built: Built, asked: str, path: ImagePath, passed: tuple[Passed, ...], reasons: Reasons) -> Why:
    """What the fat image does not have by that path: written by select, or moved there by `final.base`."""
    choice = built.placed[path]
    source = built.tree.lookup(choice.source) if choice.source else None
    if source is not None:
        return _staying(built, asked, source, passed, reasons)
    made = Entry(path, "file", 0o644, size=_length(choice)) if choice.content else Entry(path, "dir", 0o755)
    return Why(
        image=built.image.name,
        asked=asked,
        path=path,
        state="stays",
        passed=passed,
        entry=made,
        rewritten=bool(choice.content),
        layer=built.layer_of(path),
        reasons=reasons.of(path),
    )


def _length(choice: Selected) -> int:
    return len(choice.content.encode(errors="surrogateescape"))


def _added(built: Built, asked: str, path: ImagePath, passed: tuple[Passed, ...]) -> Why:
    rules = (add for add in built.image.add if is_below(path, normalise(add.target)))
    where = [add.where for add in rules][-1]  # of two for one path the later wins
    because = Because("add", f"from {built.added[path].source.name} by add: at {where}")
    entry = built.added[path].entry
    return Why(built.image.name, asked, path, "added", passed, entry, layer=built.layer_of(path), reasons=(because,))


def _gone(built: Built, asked: str, entry: Entry, passed: tuple[Passed, ...], uses: tuple[str, ...]) -> Why:
    inside = _inside(built, entry.path) if entry.type == "dir" else None
    advice = _advice(built, normalise(asked))
    if inside is not None and inside.line:  # which keeps the directory, too
        advice = tuple(line for line in advice if not line.startswith(f"{entry.path}: "))
    return Why(
        image=built.image.name,
        asked=asked,
        path=entry.path,
        state="removed",
        passed=passed,
        entry=entry,
        package=_package(built, entry),
        advice=advice,
        uses=uses,
        inside=inside,
    )


def _advice(built: Built, path: ImagePath) -> tuple[str, ...]:
    """What of the way to the path, itself included, goes, and what the spec can do about it."""
    found = missing([path], built.tree, built.staying, built.image.drop, in_vain=False, toml=_toml(built))
    return tuple(f"{lacking.path}: {lacking.advice}" for lacking in found)


def _package(built: Built, entry: Entry) -> Ownership | None:
    if not entry.package:
        return None
    scales, known = Scales(built.tree, built.staying), built.packages.get(entry.package)
    mine = [other for other in built.tree if other.package == entry.package]
    return Ownership(entry.package, known.version if known else "", scales.kept(mine), scales.removed(mine))


def _pattern(built: Built, asked: str) -> Why:
    paths = built.tree.match(asked if asked.startswith("/") else f"/{asked}")
    if not paths:
        near = near_path(asked, built.tree).removeprefix("; ")
        return Why(built.image.name, asked, asked, "absent", advice=(near,))
    inside = _extent(built, paths, spec_line("keep", normalise(asked), toml=_toml(built)))
    return Why(built.image.name, asked, asked, "stays" if inside.kept.files else "removed", inside=inside)


def _inside(built: Built, directory: ImagePath) -> Inside:
    pattern = pattern_of(directory).rstrip("/") + "/**"
    dropped = any(directory in built.tree.match(rule.text) for rule in built.image.drop)  # which no keep rule undoes
    line = "" if dropped else spec_line("keep", pattern, toml=_toml(built))
    return _extent(built, built.tree.below(directory), line)


def _extent(built: Built, paths: tuple[ImagePath, ...], line: str) -> Inside:
    tree: Tree = built.tree
    scales = Scales(tree, built.staying)
    entries = [entry for path in paths if (entry := tree.lookup(path)) is not None and not is_engines(path)]
    files = sorted((entry for entry in entries if entry.type != "dir"), key=lambda entry: (-entry.size, entry.path))
    removed = scales.removed(entries)
    return Inside(
        kept=scales.kept(entries),
        removed=removed,
        kept_paths=tuple((entry.path, entry.size) for entry in files if scales.stays(entry)),
        removed_paths=tuple((entry.path, entry.size) for entry in files if not scales.stays(entry)),
        line=line if removed.files else "",
    )


def _toml(built: Built) -> bool:
    return built.image.file.suffix == ".toml"
