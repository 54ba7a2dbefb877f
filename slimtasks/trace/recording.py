"""What was traced, put together from the tracer's frames."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from slimtasks.errors import IncompleteTrace
from slimtasks.trace import frames
from slimtasks.trace.frames import Frame
from slimtasks.trace.gate import is_ours
from slimtasks.trace.strace import Parser
from slimtasks.trace.strace_meaning import Meanings
from slimtasks.trace.use_set import UseSet
from slimtasks.trace.uses import Fact, Use, absolute, asked_besides, outcome, tidied

MOST_MOUNTS = 4  # of parts of what was mounted, one after the other, that a path is followed through


@dataclass(frozen=True)
class Backend:
    """Which sources the tracer uses, and why these."""

    opens: str  # fanotify | inotify
    lookups: str  # ebpf | notify | strace | none
    why: str
    only_start: bool = False  # of lookups: until the first step after a container's start

    @property
    def unseen(self) -> tuple[str, ...]:
        """What these sources cannot see, a sentence each."""
        notes = []
        if self.lookups == "none":
            notes.append("LOOKUPS ARE NOT SEEN: neither what is only looked at, nor what is asked for in vain")
        elif self.only_start:
            notes.append("LOOKUPS AFTER STEP 0 ARE NOT SEEN: trace.lookups is startup")
        if self.opens == "inotify":
            notes.append("PROGRAMS ARE NOT SEEN by inotify: neither who opens a file, nor whether it is executed")
        return tuple(notes)


@dataclass(frozen=True)
class Recording:
    """All that the traced containers used, from every source."""

    uses: UseSet
    facts: frozenset[Fact]
    containers: int
    commands: int  # that passed a gate: first processes and execs
    events: int  # of fanotify, repetitions included
    lines: int  # of strace, repetitions included
    marks: str  # 'filesystem', 'mounts' or both: what fanotify watched
    incomplete: tuple[str, ...] = ()  # what may be missing, and why


@dataclass
class TracedContainer:
    """One traced container, as far as the tracer has told."""

    number: int
    step: int = 0  # the tracer's
    released: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)  # in their gates, so that nothing of them ran
    done: bool = False
    problems: set[str] = field(default_factory=set)
    uses: UseSet = field(default_factory=UseSet)
    facts: set[Fact] = field(default_factory=set)
    mounts: set[tuple[str, str]] = field(default_factory=set)  # place -> the part of the root that was mounted there
    parser: Parser = field(init=False)
    counters: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parser = Parser(Meanings(self.uses, self.facts))

    def take(self, frame: Frame) -> None:
        """Adds what a frame says."""
        if frame.type == frames.LINE:
            step, line = frame.fields
            self.parser.feed(line, int(step))
        elif frame.type == frames.ACCESS:
            self._access(*frame.fields)
        elif frame.type == frames.FACT:
            _, program, kind, value = frame.fields
            self.facts.add(Fact(_theirs(program), kind, value))
        elif frame.type == frames.MOUNT:
            point, source = map(tidied, frame.fields)
            self.mounts.add((point, source))
        elif frame.type == frames.STEP:
            self.step = int(frame.text)
        elif frame.type == frames.RELEASED:
            self.released.add(int(frame.text))
        elif frame.type == frames.KILLED:
            self.killed.add(int(frame.text))
        elif frame.type == frames.INCOMPLETE:
            self.problems.add(frame.text)
        elif frame.type == frames.DONE:
            self._end(frame.text)

    def count(self, name: str) -> int:
        """What the tracer counted; 0 where it did not."""
        return int(self.counters.get(name, "0"))

    def _access(self, step: str, program: str, source: str, how: str, error: str, base: str, asked: str) -> None:
        how = outcome(how, errno.errorcode.get(int(error), error) if int(error) else "")
        path = absolute(asked, base, base)
        if how and asked and not is_ours(path):
            self.uses.add(Use(path, how, _theirs(program), int(step), source, asked_besides(asked, path)))

    def _end(self, text: str) -> None:
        self.counters = dict(word.split("=", 1) for word in text.split())
        self.close()
        if self.parser.meanings.new_mount_namespaces or self.count("unshared"):
            unwatched = self.counters["marks"] == "mounts" or self.count("volumes")
            where = "opened files" if self.counters["marks"] == "mounts" else "opened files of volumes"
            if unwatched:
                self.problems.add(f"a process made a mount namespace of its own, in which {where} were not watched")
        self.done = True

    def close(self) -> None:
        """Takes what the lines of strace said, as far as they came."""
        self.parser.close()
        self.problems |= self.parser.meanings.problems
        if mounts := _chained(self.mounts | self.parser.meanings.mounts):
            sources = ((use, path) for use in self.uses for path in _sources(use.path, mounts))
            self.uses.update(UseSet(use._replace(path=path, asked=use.asked or use.path) for use, path in sources))


def _chained(mounts: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The same, with those of a part that was mounted itself: what is at its place is what the first mount brought."""
    mounts = {(point, source) for point, source in mounts if point != source}
    inner = {mount for mount in mounts if mount[0] != "/"}
    for _ in range(MOST_MOUNTS):
        mounts |= {(point, path) for point, source in mounts for path in _sources(source, inner) if path != point}
    return mounts


def _sources(path: str, mounts: set[tuple[str, str]]) -> Iterator[str]:
    """Where else in the root the file may really be: whoever named it may have meant what was mounted there."""
    for point, source in mounts:
        below = path.removeprefix(point) if point != "/" else path
        if (path != below and (not below or below.startswith("/"))) or point == "/":
            yield tidied(f"{source}{below}")


def _theirs(program: str) -> str:
    return "" if is_ours(program) else program


def union(targets: Iterable[TracedContainer], *, allow_incomplete: bool = False) -> Recording:
    """The whole recording; raises IncompleteTrace, with every reason, where anything may be missing unless allowed."""
    targets = tuple(targets)
    for target in targets:
        if not target.done:
            target.close()
            target.problems.add("the tracer ended before the container did")
    problems = sorted({problem for target in targets for problem in target.problems})
    if problems and not allow_incomplete:
        raise incomplete(problems)
    return Recording(
        uses=UseSet(use for target in targets for use in target.uses),
        facts=frozenset(fact for target in targets for fact in target.facts),
        containers=len(targets),
        commands=sum(len(target.released) for target in targets),
        events=sum(target.count("events") for target in targets),
        lines=sum(target.count("lines") for target in targets),
        marks=", ".join(sorted({target.counters["marks"] for target in targets if target.done})),
        incomplete=tuple(problems),
    )


def incomplete(problems: Iterable[str]) -> IncompleteTrace:
    """The error that names what may be missing."""
    reasons = list(problems)
    shown = reasons[:5] + [f"and {len(reasons) - 5} more reasons"] * (len(reasons) > 5)
    return IncompleteTrace(
        "the trace may have missed something: " + "; ".join(shown),
        "run it again; if it happens again, `trace: {allow-incomplete: true}` goes on without what the reasons name",
    )
