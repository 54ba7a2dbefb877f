"""What the traced run used: opened, executed, listed, looked at, written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache

from slimtasks.records import LOOKS, NAMED, WRITES, Access, ImagePath, Reason
from slimtasks.rootfs import is_engines, parent
from slimtasks.selection.kept import Kept

LATE = "proc"  # the source that tells what was open when a recording began
RESOLVED_ONLY = frozenset({"fanotify", "inotify", LATE, NAMED})  # sources that do not tell how the run asked
WORDS = {
    "exec": "executed",
    "read": "opened",
    "list": "listed",
    "map": "mapped",
    "stat": "looked at",
    "access": "looked at",
    "readlink": "looked at",
    "write": "written to",
    "create": "created",
    "rename": "renamed",
    "remove": "removed",
    "bind": "made",
}


def keep_used(accesses: Iterable[Access], kept: Kept) -> None:
    """Keeps what was used and exists, and the directories of what the run created, renamed, bound or unlinked."""
    for access in accesses:
        if access.how == "miss":
            continue
        reason = _reason(access.how, access.sources)
        walk = kept.follow(access.path, reason)
        if walk.final is None:
            kept.keep_passed(walk, access.path, reason)  # readlink, or a link to /dev/stdout, which the engine brings
        if access.how in WRITES:
            _keep_ancestors(walk.resolved, access.path, kept)


@cache
def _reason(how: str, sources: tuple[str, ...]) -> Reason:
    return Reason("asked" if how in LOOKS else "traced", f"{WORDS[how]} ({', '.join(sources)})")


def _keep_ancestors(place: ImagePath, asked: ImagePath, kept: Kept) -> None:
    """The directory that was written to, as far as the fat image has it, with the links that lead there."""
    if is_engines(place):
        return
    directory = parent(place)
    while kept.tree.lookup(directory) is None:
        directory = parent(directory)
    reason = Reason("needed", f"the run wrote in {directory}")  # not what: that may have a random name
    kept.keep(directory, reason)
    kept.keep_passed(kept.tree.walk(parent(asked)), asked, reason)


def keep_links_to_kept(accesses: Iterable[Access], kept: Kept) -> None:
    """Where a trace has no source that tells paths as they were asked: keeps every symlink to something kept.

    Where it has, and began late: every symlink to what was open by then.
    """
    accesses = tuple(accesses)
    traces: dict[str, set[str]] = defaultdict(set)  # sources by the file that they came with; '' is the own trace
    for source in {source for access in accesses for source in access.sources}:
        file, _, name = source.rpartition(":")
        traces[file].add(name)
    late = {kept.tree.walk(access.path).resolved for access in accesses if _is_late(access)}
    all_asked = bool(traces) and all(names - RESOLVED_ONLY for names in traces.values())
    if all_asked and not late:
        return
    for entry in kept.tree:
        if entry.type == "link" and entry.path not in kept:
            walk = kept.tree.walk(entry.path)
            # Opens of devices are not seen by these sources, so a log that is a link to /dev/stdout always stays.
            if walk.resolved in late or (not all_asked and (walk.resolved in kept or is_engines(walk.resolved))):
                for link in walk.passed:
                    kept.keep(link, Reason("needed", f"symlink to {walk.resolved}", walk.resolved))


def _is_late(access: Access) -> bool:
    return any(source.rpartition(":")[2] == LATE for source in access.sources)
