"""What a source tells, one by one, before it is put together."""

from __future__ import annotations

from typing import NamedTuple

from slimtasks.records import LOOKS

MISSED = frozenset({"ENOENT", "ENOTDIR"})
NO_LOOKUP = frozenset({"EFAULT", "ENAMETOOLONG", "EBADF", "ENOSYS"})  # the call failed before it looked anywhere


class Use(NamedTuple):
    """One path that was used once or more, as records.Access has it."""

    path: str
    how: str
    program: str  # '' where it is not known
    step: int
    source: str
    asked: str = ""  # the string, where it is not just the path


class Fact(NamedTuple):
    """Something else that a program did."""

    program: str
    kind: str  # syscall | bind | connect | capability | device | ipc
    value: str


def outcome(how: str, error: str) -> str:
    """How a path was used by a call that wanted `how` and ended with `error` ('ENOENT'); '' for not at all."""
    if not error:
        return how
    if error in MISSED:
        return "miss"
    if error in NO_LOOKUP:
        return ""
    return how if how in LOOKS else "stat"


def asked_besides(asked: str, path: str) -> str:
    """The string that was asked for the path, where it tells anything that the path does not; else ''."""
    return asked if not asked.startswith("/") or tidied(asked) != path else ""


def absolute(asked: str, start: str, root: str = "/") -> str:
    """The path that the string `asked` names for a process with that root, from the directory `start`."""
    if asked.startswith("/"):
        return tidied(asked if root in ("/", "") else f"{root}/{_clamped(asked)}")
    return tidied(f"{start}/{asked}")


def tidied(path: str) -> str:
    """The path without `//`, `/./` and trailing `/`. `..` stays: before it there may be a symlink."""
    if "//" not in path and "/." not in path and (path[-1] != "/" or path == "/"):
        return path
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _clamped(path: str) -> str:
    """`..` at the root of a chroot stays there."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    while parts and parts[0] == "..":
        del parts[0]
    return "/".join(parts)
