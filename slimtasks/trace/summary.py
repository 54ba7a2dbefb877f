"""What was seen, put together: one record for each path and way of using it, one for each program."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby

from slimtasks.records import WRITES, Access, ImagePath, Program
from slimtasks.rootfs import Tree
from slimtasks.trace.use_set import UseSet
from slimtasks.trace.uses import Fact, Use

LOOKUPS = frozenset({"strace", "ebpf"})  # sources that see the string and the flags of an open
_OPENS = frozenset({"exec", "read", "write", "create", "list"})
_NOT_FOLLOWED = frozenset({"readlink", "rename", "remove", "create", "bind"})  # a symlink that the path itself names
_FACTS = {
    "syscall": "syscalls",
    "bind": "binds",
    "connect": "connects",
    "capability": "capabilities",
    "device": "devices",
    "ipc": "ipc",
}


def accesses(uses: Iterable[Use], tree: Tree) -> Iterator[Access]:
    """Sorted by path and way; `tree` is the fat image's, by which symlinks lead on."""
    programs = _Programs(tree)
    joined = UseSet(_joined(UseSet(map(_without_pids, uses)), tree))
    for (path, how), same in groupby(joined, lambda use: (use.path, use.how)):
        yield _access(path, how, tuple(same), programs, tree)


def programs(uses: Iterable[Use], facts: Iterable[Fact], tree: Tree) -> tuple[Program, ...]:
    """Sorted by path; one for each program that did anything that such a record tells."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    named = _Programs(tree)
    for fact in facts:
        found[named.of(fact.program)][_FACTS[fact.kind]].add(fact.value)
    for use in map(_without_pids, uses):
        for field, value in _told(use, tree):
            found[named.of(use.program)][field].add(value)
    fields = ((program, {name: tuple(sorted(values)) for name, values in found[program].items()}) for program in found)
    return tuple(Program(program, **values) for program, values in sorted(fields, key=lambda pair: pair[0]))


class _Programs:
    """What a program that was started by some path really is: past symlinks, and the interpreter of a script."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known: dict[str, str] = {"": ""}

    def of(self, path: str) -> str:
        if path not in self._known:
            self._known[path] = self._resolved(path)
        return self._known[path]

    def _resolved(self, path: str) -> str:
        final = self._tree.walk(path).final
        for _ in range(5):  # as deep as the kernel follows interpreters
            words = final.script.split() if final else []
            if not words:
                break
            path = words[0]
            final = self._tree.walk(path).final
        return final.path if final else path


def reached(path: str, how: str, tree: Tree) -> ImagePath:
    """Where symlinks lead that way of using the path; empty where they lead to no other one."""
    resolved = tree.walk(path, follow_last=how not in _NOT_FOLLOWED).resolved
    return resolved if resolved != path else ImagePath("")


def _access(path: str, how: str, uses: tuple[Use, ...], programs: _Programs, tree: Tree) -> Access:
    return Access(
        ImagePath(path),
        how,
        by=tuple(sorted({programs.of(use.program) for use in uses} - {""})),
        steps=tuple(sorted({use.step for use in uses})),
        sources=tuple(sorted({use.source for use in uses})),
        asked=tuple(sorted({use.asked for use in uses} - {""})),
        reached=reached(path, how, tree),
    )


def _joined(uses: UseSet, tree: Tree) -> Iterator[Use]:
    """What fanotify saw, told by what the sources of lookups saw of the same files, which know more of it.

    It cannot tell for what a file was opened: where all who named it opened it to write, that is it. It asks for
    programs afterwards, and for paths: one that was renamed meanwhile may have either name.
    """
    opened = (use for use in uses if use.source in LOOKUPS and use.how in _OPENS)
    others = UseSet(use._replace(path=tree.walk(use.path).resolved) for use in opened)
    for use in uses:
        if use.source in LOOKUPS:
            yield use
            continue
        if any(other.how == "rename" for other in uses.of(use.path, use.step)):
            continue
        same = others.of(use.path, use.step)
        purposes = {other.how for other in same} - {"create"}
        how = "write" if use.how == "read" and purposes == {"write"} else use.how
        by = {other.program for other in same if (other.how == "exec") == (use.how == "exec")} or {use.program}
        yield from (use._replace(how=how, program=program) for program in by)


_PID, _TID = re.compile(r"^/proc/\d+(?=/|$)"), re.compile(r"^(/proc/[^/]+/task/)\d+(?=/|$)")


def _without_pids(use: Use) -> Use:
    """Paths below /proc as proc(5) names them: no number tells one run from another."""
    path = _TID.sub(r"\1[tid]", _PID.sub("/proc/[pid]", use.path))
    return use if path == use.path else use._replace(path=path, asked="")


def _told(use: Use, tree: Tree) -> Iterable[tuple[str, str]]:
    """What the use says of the program, as field and value of its record."""
    if use.path.startswith("/dev/shm/"):  # shm_open(3), sem_open(3)
        if use.how in WRITES or use.how == "read":
            yield "ipc", f"posix /{use.path.removeprefix('/dev/shm/')}"
    elif use.path.startswith("/dev/"):
        if use.how in ("read", "write"):
            yield "devices", use.path
    elif use.how in WRITES:
        yield "writes", tree.walk(use.path, follow_last=use.how not in _NOT_FOLLOWED).resolved
