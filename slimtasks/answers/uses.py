"""What the traced run did with a path, in words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slimtasks.records import LOOKS, Access, ImagePath
from slimtasks.rootfs import Tree
from slimtasks.selection.used import WORDS
from slimtasks.trace.file import HEALTH, Trace

_NAMED = 3  # steps or programs in one sentence
_MISSED = "asked for in vain"
_STEP = re.compile(r"(?:(?P<of>.+?): )??(?:start|(?P<number>\d+) (?P<words>.*))", re.DOTALL)


@dataclass(frozen=True)
class Use:
    """One or more ways in which the same programs used a path in the same steps."""

    kind: str  # traced | asked | missed
    words: tuple[str, ...]  # 'executed', 'opened'
    by: tuple[str, ...]  # paths of programs
    steps: tuple[str, ...]  # in the trace's own words: 'start', '2 http GET http :80/'
    asked: str  # the path by which it was used, where that is another one
    sources: tuple[str, ...]

    @property
    def text(self) -> str:
        """'opened by /usr/sbin/nginx as /lib/libz.so.1 at the start and in step 11 (exec nginx -s reload)'."""
        parts = [" and ".join(self.words)]
        if self.by:
            parts.append(f"by {_several(self.by)}")
        if self.asked:
            parts.append(f"as {self.asked}")
        if self.steps:
            parts.append(_several([_step(step) for step in self.steps]))
        return " ".join(parts)


class Uses:
    """The uses of a trace by the path of the fat image that they met."""

    def __init__(self, trace: Trace | None, tree: Tree) -> None:
        self._steps: Sequence[str] = trace.header["steps"] if trace else ()
        self._met: Mapping[str, list[Access]] = defaultdict(list)
        for access in trace.accesses if trace else ():
            for path in _met(access, tree):
                self._met[path].append(access)

    def of(self, path: ImagePath) -> tuple[Use, ...]:
        """What met it, as `Use`s that tell most first; a symlink is met by whoever passed it."""
        found = self._grouped(path)
        return tuple(sorted(found, key=lambda use: (use.kind, use.asked, use.steps, use.by)))

    def _grouped(self, path: ImagePath) -> Iterable[Use]:
        groups: dict[tuple[str, str, tuple[str, ...], tuple[int, ...]], list[Access]] = defaultdict(list)
        for access in self._met.get(path, ()):
            kind = "missed" if access.how == "miss" else "asked" if access.how in LOOKS else "traced"
            groups[kind, access.path, access.by, access.steps].append(access)
        for (kind, asked, by, steps), accesses in groups.items():
            words = (WORDS.get(access.how, _MISSED) for access in accesses)
            yield Use(
                kind=kind,
                words=tuple(dict.fromkeys(words)),
                by=by,
                steps=tuple(self._steps[step] for step in steps),
                asked=asked if asked != path else "",
                sources=tuple(sorted({source for access in accesses for source in access.sources})),
            )


def _met(access: Access, tree: Tree) -> Iterable[str]:
    """The paths that it led over and to; of a lookup that failed, the path that was not there."""
    walk = tree.walk(access.path)
    if access.how == "miss":
        return {access.path, walk.resolved}
    return {access.reached or access.path, *walk.passed}


def _step(step: str) -> str:
    """'at the start', 'in step 2 of worker (exec x)': in front of a step stands its scenario, or its file."""
    told = _STEP.fullmatch(step)
    if not told:
        of, _, what = step.rpartition(": ")
        return f"in the HEALTHCHECK{f' of {of}' if of else ''}" if what == HEALTH else f"in {step}"
    of = f" of {told['of']}" if told["of"] else ""
    return f"in step {told['number']}{of} ({told['words']})" if told["number"] else f"at the start{of}"


def _several(names: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b, c and 4 more'."""
    shown = [*names[:_NAMED], *([f"{len(names) - _NAMED} more"] if len(names) > _NAMED else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
