"""images/layers.lock: which files go into shared layers, as a text that can be reviewed and merged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from slimtasks.errors import SlimError
from slimtasks.layers.members import split
from slimtasks.records import whole_file

LOCK = "images/layers.lock"  # as messages call it
KINDS = ("root", "infrastructure")
_KEYS = ("shared", "date")
_COMMON = "common"
_HEADS = "'[root NAME]', '[infrastructure NAME]' or '[common]'"

_HEAD = """\
# What images have in common, a layer each, lowest first: written by `doit relayer`, read by the stage `layers`.
# An image uses a layer if it has all of it, and at most as many as `shared` says. The link of a library brings the
# file that it leads to. What is common, but in no layer that all of its users have whole, is apart from what only one
# image has. `date`, in seconds since 1970, is that of all that builds made: it is kept.
shared = {most}
date = {date}
"""
_KEY = re.compile(r"(\S+?)\s*=\s*(.*)")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,10}")
_GROUP = re.compile(r"\[(root|infrastructure) (\S+)\]|\[(common)\]")


@dataclass(frozen=True)
class Group:
    """Files that images have in common: a layer of each of them that has them all."""

    kind: str  # one of KINDS
    name: str
    members: tuple[str, ...]  # sorted


@dataclass(frozen=True)
class Lock:
    """The plan of all images."""

    most: int  # shared layers that an image may have
    date: int  # of directories, links and all that a build made, in all of them; seconds since 1970
    groups: tuple[Group, ...]  # lowest first
    common: tuple[str, ...] = ()  # members that several images have and no group: each has a layer of its own of them


def lock_text(lock: Lock) -> str:
    """The lock as its file has it, a member a line."""
    parts = [_HEAD.format(most=lock.most, date=lock.date)]
    sections = [(f"{group.kind} {group.name}", group.members) for group in lock.groups]
    for head, members in (*sections, *([(_COMMON, lock.common)] if lock.common else [])):
        parts.append(f"\n[{head}]\n" + "".join(f"{name}\n" for name in members))
    return "".join(parts)


def write_lock(path: Path, lock: Lock) -> None:
    """Writes the file whole; where `path` is a symlink, what it leads to."""
    with whole_file(path.resolve()) as file:
        file.write(lock_text(lock).encode())


def read_lock(path: Path, name: str = LOCK) -> Lock | None:
    """The lock, None where there is none; SlimError with file and line for what is no lock. `name`: for messages."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            hint = "correct the link, or remove it"
            raise SlimError(f"{name} leads to {path.readlink()}, which is not there", hint) from None
        return None
    try:
        return parse_lock(content.decode().splitlines(), name)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _wrong(name, line, f"found the byte 0x{content[error.start]:02x}; allowed: UTF-8") from None


def parse_lock(lines: Iterable[str], name: str) -> Lock:
    """The lock that the lines say; SlimError with the line of the first mistake."""
    values: dict[str, int] = {}
    groups: dict[str, tuple[str, list[str]]] = {}
    seen: dict[str, int] = {}
    members: list[str] | None = None
    for number, line in enumerate(map(str.rstrip, lines), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            members = _begin(groups, line, name, number)
        elif members is None:
            key, value = _value(line, name, number)
            values[key] = value
        else:
            members.append(_member(line, seen, name, number))
    for key in _KEYS:
        if key not in values:
            raise _wrong(name, 1, f"found no '{key} = NUMBER'; allowed: {' and '.join(_KEYS)} before the groups")
    _, common = groups.pop(_COMMON, (_COMMON, []))
    ordered = sorted(groups.items(), key=lambda group: KINDS.index(group[1][0]))
    found = (Group(kind, key, tuple(sorted(listed))) for key, (kind, listed) in ordered)
    return Lock(values["shared"], values["date"], tuple(found), tuple(sorted(common)))


def _value(line: str, name: str, number: int) -> tuple[str, int]:
    found = _KEY.fullmatch(line)
    if not found or found[1] not in _KEYS:
        what = f"the key '{found[1]}'" if found else f"{line[:60]!r}"
        raise _wrong(name, number, f"found {what}; allowed: {' and '.join(_KEYS)}, then groups")
    if not _NUMBER.fullmatch(found[2]):
        raise _wrong(name, number, f"{found[1]}: found {found[2][:60]!r}; allowed: a whole number")
    return found[1], int(found[2])


def _begin(groups: dict[str, tuple[str, list[str]]], line: str, name: str, number: int) -> list[str]:
    found = _GROUP.fullmatch(line)
    if not found or found[2] == _COMMON:
        raise _wrong(name, number, f"found {line[:60]!r}; allowed: {_HEADS}")
    kind, key = found[1] or _COMMON, found[2] or _COMMON
    if key in groups:
        raise _wrong(name, number, f"found the group {key!r} a second time; allowed: a name of its own")
    members: list[str] = []
    groups[key] = (kind, members)
    return members


def _member(line: str, seen: dict[str, int], name: str, number: int) -> str:
    try:
        split(line)
    except ValueError:
        raise _wrong(name, number, f"found {line[:60]!r}; allowed: 'package:/path'") from None
    first = seen.setdefault(line, number)
    if first != number:
        raise _wrong(name, number, f"found {line!r}, which stands in line {first}, too; allowed: in one group")
    return line


def _wrong(name: str, line: int, problem: str) -> SlimError:
    return SlimError(f"{name}:{line}: {problem}", "correct it, or remove it and let `doit relayer --yes` write it anew")
