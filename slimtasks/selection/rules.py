"""The spec's rules against the fat image: what they match, and which match nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from slimtasks.nearest import near_package, near_path
from slimtasks.records import ImagePath, Package, Reason, bare_name
from slimtasks.rootfs import Tree, globbed, normalise
from slimtasks.selection.image import FatImage
from slimtasks.selection.kept import Kept
from slimtasks.spec import Rule


@dataclass(frozen=True)
class Matched:
    """A rule, the paths of the fat image that it names, and the symlinks on the way: /bin of /bin/sh."""

    rule: Rule
    paths: tuple[ImagePath, ...]
    way: tuple[ImagePath, ...] = ()


def quoted(key: str, rule: Rule) -> str:
    """The rule as messages name it: where: key: "text"."""
    return f'{rule.where}: {key}: "{rule.text}"' if rule.where else f'{key}: "{rule.text}"'


def matched(key: str, rules: Iterable[Rule], image: FatImage, errors: list[str]) -> tuple[Matched, ...]:
    """Each rule with its paths; one that matches neither the fat image nor `add` is an error with the nearest match."""
    found = []
    for rule in rules:
        paths = image.tree.match(rule.text)
        if not paths and normalise(rule.text) not in image.added:
            errors.append(f"{quoted(key, rule)} matches nothing in the fat image{near_path(rule.text, image.tree)}")
        found.append(Matched(rule, paths, image.tree.way(rule.text) if paths else ()))
    return tuple(found)


def dropped_by(rules: Iterable[Matched], tree: Tree) -> dict[ImagePath, Rule]:
    """Every path that a drop rule takes, with what is below it, and the first rule that does."""
    taken: dict[ImagePath, Rule] = {}
    for match in rules:
        for path in match.paths:
            taken.setdefault(path, match.rule)
            for inside in tree.below(path):
                taken.setdefault(inside, match.rule)
    return taken


def keep_matched(key: str, kind: str, rules: Iterable[Matched], kept: Kept, notes: list[str]) -> None:
    """Keeps what the rules name; a symlink brings what it leads to."""
    for match in rules:
        reason = Reason(kind, match.rule.text)
        for path in (*match.way, *match.paths):
            kept.follow(path, reason)
            kept.keep(path, reason)
        directory = match.paths[0] if len(match.paths) == 1 and not globbed(match.rule.text) else None
        if directory and kept.tree.children(directory):
            text = normalise(match.rule.text)
            notes.append(f'{quoted(key, match.rule)} keeps the directory alone; "{text}/**" keeps what is in it, too')


def keep_packages(rules: Iterable[Rule], image: FatImage, kept: Kept, errors: list[str]) -> None:
    """Keeps all that the named packages own; `*`, `?` and `[...]` match within names."""
    wanted: dict[str, Rule] = {}
    for rule in rules:
        named = _packages_named(rule.text, image)
        for name in named:
            wanted.setdefault(name, rule)
        if not named:
            near = near_package(rule.text, image.packages)
            errors.append(f"{quoted('keep-packages', rule)}: the fat image has no such package{near}")
    if wanted:
        for entry in image.tree:
            if entry.package in wanted:
                kept.keep(entry.path, Reason("kept", f"package {bare_name(wanted[entry.package].text)}"))


def _packages_named(text: str, image: FatImage) -> tuple[str, ...]:
    """The packages that the pattern names, with or without architecture and type: libc6, libc6:amd64, apk/musl."""
    typed = "/" in text
    return tuple(name for name, package in image.packages.items() if _is_named(package, text, typed=typed))


def _is_named(package: Package, text: str, *, typed: bool) -> bool:
    name = package.name if typed else bare_name(package.name)
    return fnmatchcase(name, text) or fnmatchcase(f"{name}:{package.architecture}", text)
