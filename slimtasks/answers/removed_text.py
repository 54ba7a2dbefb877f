"""`doit removed` in words."""

from __future__ import annotations

from collections.abc import Iterator

from slimtasks.answers.removed import Loss, Removed
from slimtasks.answers.text import first, plain, rest, sized
from slimtasks.selection.presets import not_kept_note
from slimtasks.selection.spec_lines import spec_line
from slimtasks.sizes import count, size_text
from slimtasks.terminal import shown


def removed_text(answer: Removed, most: int, *, files: bool, toml: bool = False) -> str:
    """Packages, or files, largest first; at most so many, 0 for all."""
    return "\n".join(_lines(answer, most, files, toml))


def _lines(answer: Removed, most: int, files: bool, toml: bool) -> Iterator[str]:
    total_files = answer.removed.files + answer.kept.files
    total_size = answer.removed.size + answer.kept.size
    of = f" of {plain(answer.package)}" if answer.package else ""
    yield (
        f"{answer.image}: {answer.removed.files} of {count(total_files, 'file')}{of} removed, "
        f"{size_text(answer.removed.size)} of {size_text(total_size)}"
    )
    if not answer.package:
        yield _by_kind(answer)
    if files:
        yield from (f"  {sized(file.size)}  {shown(file.path)}" for file in first(answer.files, most))
        yield from rest(answer.files, most)
    else:
        yield from (_line(loss) for loss in first(answer.packages, most))
        yield from rest(answer.packages, most)
    if answer.package and answer.packages:
        yield f"all of it: would be kept by {spec_line('keep-packages', plain(answer.package), toml=toml)}"
    yield from not_kept_note(answer.not_kept)


def _by_kind(answer: Removed) -> str:
    owned = [loss for loss in answer.packages if loss.package]
    whole = [loss for loss in owned if loss.whole]
    part = [loss for loss in owned if not loss.whole]
    unowned = sum(loss.removed.size for loss in answer.packages if not loss.package)
    return (
        f"{count(len(whole), 'whole package')} ({_size(whole)}), parts of {len(part)} ({_size(part)}), "
        f"and what no package owns ({size_text(unowned)})"
    )


def _size(losses: list[Loss]) -> str:
    return size_text(sum(loss.removed.size for loss in losses))


def _line(loss: Loss) -> str:
    name = f"{plain(loss.package)} {loss.version}".rstrip()
    total = loss.removed.files + loss.kept.files
    what = "whole" if loss.package else f"{count(total, 'file')}"
    if not loss.whole:
        what = f"part: {loss.kept.files} of {count(total, 'file')} stay"
    return f"  {sized(loss.removed.size)}  {name} ({what})"
