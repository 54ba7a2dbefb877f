"""`doit why` in words."""

from __future__ import annotations

from collections.abc import Iterator

from slimtasks.answers.reasons import Because
from slimtasks.answers.text import first, plain, rest, sized, wrapped
from slimtasks.answers.weights import Extent
from slimtasks.answers.why import Inside, Ownership, Why
from slimtasks.records import Entry
from slimtasks.rootfs import globbed
from slimtasks.sizes import count, size_text
from slimtasks.terminal import shown

_LABEL = 9  # columns
_FOLLOWING = " " * (_LABEL + 4)


def why_text(answer: Why, most: int) -> str:
    """The whole answer; of lists at most so many lines, 0 for all."""
    return "\n".join(_lines(answer, most))


def _lines(answer: Why, most: int) -> Iterator[str]:
    yield shown(_verdict(answer))
    for passed in answer.passed:
        state = "stays" if passed.stays else "goes"
        yield f"  by the symlink {shown(passed.path)} -> {shown(passed.target)} ({state})"
    if answer.moved:
        yield f"  stands at {shown(answer.moved)}, as the base has a symlink on the way"
    if answer.entry is not None:
        yield f"  {_kind(answer.entry)}{', written for this image' if answer.rewritten else ''}"
    if answer.package is not None:
        yield f"  package  {_ownership(answer.package)}"
    if answer.layer is not None:
        layer = answer.layer
        yield f"  layer    {layer.name}, {layer.number} of {layer.of} ({layer.diff_id.removeprefix('sha256:')[:12]})"
    for because in first(answer.reasons, most):
        yield from _because(because)
    yield from rest(answer.reasons, most)
    label = "missed" if answer.state == "absent" else "used"
    for use in first(answer.uses, most):
        yield wrapped(use, f"  {label:{_LABEL}}", _FOLLOWING)
    yield from rest(answer.uses, most)
    for line in answer.advice:
        yield f"  {shown(line)}"
    if answer.nearest:
        yield f"  nearest  {shown(answer.nearest[0])}"
        yield from (f"           {shown(path)}" for path in answer.nearest[1:])
    if answer.inside is not None and _sum(answer.inside).files:
        yield from _inside(answer.inside, most)


def _verdict(answer: Why) -> str:
    path = answer.asked if answer.path == answer.asked else f"{answer.asked} leads to {answer.path}, which"
    verdicts = {
        "stays": f"{path} stays in {answer.image}",
        "unlinked": f"{path} stays in {answer.image}, but not the way to it",
        "removed": f"{path} is removed from {answer.image}",
        "added": f"{path} is added to {answer.image}",
        "base": f"{path} is in the base of {answer.image}, which has it already",
        "engine": f"{path} is not of the image: the engine brings it into each container",
        "absent": f"{path} is not in the fat image of {answer.image}",
    }
    if answer.state == "absent" and globbed(answer.asked):
        return f"{path} matches nothing in the fat image of {answer.image}"
    return verdicts[answer.state]


def _kind(entry: Entry) -> str:
    owner = f"owner {entry.uid}:{entry.gid}"
    if entry.type == "link":
        return f"link to {shown(entry.target)}, {owner}"
    size = f", {size_text(entry.size)}" if entry.type == "file" else ""
    names = f", the same inode as {shown(entry.hardlink)}" if entry.hardlink else ""
    return f"{entry.type} {entry.mode:04o}, {owner}{size}{names}"


def _ownership(package: Ownership) -> str:
    total = package.kept.files + package.removed.files
    part = f"{package.kept.files} of {count(total, 'file')} stay"
    if not package.removed.files:
        part = "all of it stays"
    elif not package.kept.files:
        part = "nothing of it stays"
    return f"{plain(package.name)} {package.version} ({part})"


def _because(because: Because) -> Iterator[str]:
    yield wrapped(because.text, f"  {because.kind:{_LABEL}}", _FOLLOWING)
    for link in because.chain:
        yield wrapped(f"<- {link.path}: {link.kind}, {link.text}", " " * (_LABEL + 2), _FOLLOWING + "  ")


def _inside(inside: Inside, most: int) -> Iterator[str]:
    yield f"  {_extent(inside.kept)} of {_extent(_sum(inside))} in it stay"
    for title, paths in (("these stay", inside.kept_paths), ("these go", inside.removed_paths)):
        if paths:
            yield f"  {title}"
            yield from (f"    {sized(size)}  {shown(path)}" for path, size in first(paths, most))
            yield from rest(paths, most, "    ")
    if inside.line:
        yield f"  all of it: would be kept by {shown(inside.line)}"


def _extent(extent: Extent) -> str:
    return f"{count(extent.files, 'file')} ({size_text(extent.size)})"


def _sum(inside: Inside) -> Extent:
    return Extent(inside.kept.files + inside.removed.files, inside.kept.size + inside.removed.size)
