"""`doit diff` in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from slimtasks.answers.difference import Changed, Difference, Field, Lone, OfPackage
from slimtasks.answers.text import first, plain, rest, signed, sized, wrapped
from slimtasks.answers.trace_difference import ChangedUse, Moved, TraceDifference, UseOf
from slimtasks.sizes import size_text
from slimtasks.terminal import shown


def difference_text(answer: Difference, most: int) -> str:
    """Of two images; of each list at most so many lines, 0 for all."""
    return "\n".join(_of_images(answer, most))


def trace_difference_text(answer: TraceDifference, most: int) -> str:
    """Of two traces."""
    return "\n".join(_of_traces(answer, most))


def _of_images(answer: Difference, most: int) -> Iterator[str]:
    names = f"{shown(answer.before)} -> {shown(answer.after)}"
    if answer.same:
        yield f"{names}: no difference but in dates"
        return
    yield f"{names}: {len(answer.added)} added, {len(answer.removed)} removed, {len(answer.changed)} changed"
    sizes = f"{size_text(answer.size_before)} -> {size_text(answer.size_after)}"
    yield f"{sizes} ({signed(answer.size_after - answer.size_before)})"
    for field in answer.config:
        yield wrapped(field_text(field), "  config ", " " * 6)
    for title, paths in (("added", answer.added), ("removed", answer.removed)):
        yield from _listed(title, paths, [_path(path) for path in first(paths, most)], most)
    changed = [line for path in first(answer.changed, most) for line in _changed(path)]
    yield from _listed("changed", answer.changed, changed, most)
    packages = [_package(package) for package in first(answer.packages, most)]
    yield from _listed("by package", answer.packages, packages, most)


def _listed(title: str, items: Sequence[object], lines: Iterable[str], most: int) -> Iterator[str]:
    if items:
        yield title
        yield from lines
        yield from rest(items, most)


def _path(path: Lone) -> str:
    if path.type == "file":
        return f"  {sized(path.size)}  {shown(path.path)}"
    target = f" -> {shown(path.target)}" if path.target else ""
    return f"  {path.type.rjust(8)}  {shown(path.path)}{target}"


def _changed(path: Changed) -> Iterator[str]:
    fields = ", ".join(map(field_text, path.fields))
    line = f"  {signed(path.after - path.before).rjust(8)}  {shown(path.path)}"
    if len(line) + len(fields) + 2 <= 80:
        yield f"{line}: {shown(fields)}"
    else:
        yield line
        yield wrapped(fields, " " * 14, " " * 14)


def field_text(field: Field) -> str:
    """'mode 0644 -> 0600'; of a content only that it differs."""
    if field.name == "content" and field.before and field.after:
        return field.name
    return f"{field.name} {field.before or 'none'} -> {field.after or 'none'}"


def _package(package: OfPackage) -> str:
    counts = ((package.added, "added"), (package.removed, "removed"), (package.changed, "changed"))
    what = ", ".join(f"{number} {word}" for number, word in counts if number)
    old, new = package.version_before, package.version_after
    version = f" {old} -> {new}" if old and new and old != new else f" {new or old}" if new or old else ""
    return f"  {signed(package.size_added).rjust(8)}  {plain(package.package)}{version} ({what})"


def _of_traces(answer: TraceDifference, most: int) -> Iterator[str]:
    names = f"{shown(answer.before)} -> {shown(answer.after)}"
    if answer.same:
        yield f"{names}: the same {answer.uses_before} uses"
        return
    yield (
        f"{names}: {len(answer.added)} added, {len(answer.removed)} removed, {len(answer.changed)} changed "
        f"of {answer.uses_before} uses"
    )
    yield from _moved(answer.header, "  ")
    for title, uses in (("added", answer.added), ("removed", answer.removed)):
        yield from _listed(title, uses, [_use(use) for use in first(uses, most)], most)
    changed = [line for use in first(answer.changed, most) for line in _changed_use(use)]
    yield from _listed("changed", answer.changed, changed, most)
    told = [line for program in first(answer.programs, most) for line in _program(program.program, program.fields)]
    yield from _listed("programs", answer.programs, told, most)


def _use(use: UseOf) -> str:
    by = f" by {', '.join(use.by)}" if use.by else ""
    steps = f" in {', '.join(use.steps)}" if use.steps else ""
    return wrapped(f"{use.path}{by}{steps}", f"  {use.how:8}  ", " " * 14)


def _changed_use(use: ChangedUse) -> Iterator[str]:
    yield f"  {use.how:8}  {shown(use.path)}"
    yield from _moved(use.fields, " " * 14)


def _program(program: str, fields: Iterable[Moved]) -> Iterator[str]:
    yield f"  {shown(program) or 'not known by whom'}"
    yield from _moved(fields, "    ")


def _moved(fields: Iterable[Moved], indent: str) -> Iterator[str]:
    for field in fields:
        texts = [*(f"- {text}" for text in field.lost), *(f"+ {text}" for text in field.gained)]
        yield wrapped(f"{field.field}: {'; '.join(texts)}", indent, indent + "  ")
