"""What strace(1) saw, line by line: strings that were looked up, made absolute; symlinks are not resolved.

Expects `strace -f -y -s 4096 --decode-pids=pidns -e signal=...` with a pid before each line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from slimtasks.trace.gate import GATE
from slimtasks.trace.strace_calls import FORKS
from slimtasks.trace.strace_line import Call, descriptor_path, parse_call
from slimtasks.trace.strace_meaning import OWN_PLACE, Meanings, Place, Process

MOST_WAITING = 20_000  # lines of processes whose parent is not known yet
MOST_LOST = 1000
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>\s?")
_CHANGED = re.compile(r"<pid changed to \d+ \.\.\.>$")  # by a thread's execve: its line, where nothing came between
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+) \+\+\+")
_UNFINISHED = "<unfinished ...>"
_DETACHED = "<detached ...>"
_MOVED = "a thread moved the working directory that it shares, while others may have used it: where from is not known"


@dataclass(frozen=True)
class _Line:
    """A whole call of a process, and the workload's step in which it ended."""

    text: str
    step: int


@dataclass(frozen=True)
class _Lost:
    """A process whose number strace could not tell: how it began, and whose place it shares."""

    process: Process
    shares: Place | None
    moves: int  # of that place, until then


@dataclass
class Parser:
    """Reads lines in strace's order; `meanings` grows as it goes.

    A process inherits its working directory and its program, so the lines of one whose fork has not returned yet
    wait for that.
    """

    meanings: Meanings = field(default_factory=Meanings)
    _processes: dict[int, Process] = field(default_factory=dict)
    _unfinished: dict[int, str] = field(default_factory=dict)
    _last_step: int = 0
    _waiting: dict[int, list[_Line]] = field(default_factory=dict)
    _waiting_lines: int = 0
    _ended: set[int] = field(default_factory=set)  # of those that wait
    _lost: dict[object, _Lost] = field(default_factory=dict)

    def feed(self, line: str, step: int = 0) -> None:
        """Takes one line, without its end."""
        number, _, text = line.partition(" ")
        if not number.isdigit():
            self.meanings.problem(f"a line of strace that cannot be read: {line[:200]}")
            return
        pid, text, self._last_step = int(number), text.lstrip(" "), step
        if text.startswith("+++"):
            self._event(pid, text, step)
        elif text.endswith(_DETACHED):
            self._unfinished[pid] = text[: -len(_DETACHED)]
            self._killed(pid, step)
        elif text.endswith(_UNFINISHED):
            self._unfinished[pid] = text[: -len(_UNFINISHED)]
        elif changed := _CHANGED.search(text):
            self._unfinished[pid] = text[: changed.start()]
        elif resumed := _RESUMED.match(text):
            begun = self._unfinished.pop(pid, None)
            if begun is None or not begun.startswith(resumed[1] + "("):
                self.meanings.problem(f"a line of strace whose beginning is missing: {line[:200]}")
            else:
                self._whole(pid, _Line(begun + text[resumed.end() :], step))
        else:
            self._whole(pid, _Line(text, step))

    def close(self) -> None:
        """Ends the trace: what still waits belongs to processes whose number strace could not tell."""
        for pid in list(self._unfinished):
            self._killed(pid, self._last_step)
        waiting = list(self._waiting.values())
        self._waiting.clear()
        for lines in waiting:
            if not self._lost:
                self.meanings.problem(f"a process whose parent was not seen: {lines[0].text[:200]}")
            self._check_shared(lines)
            unsure = len({lost.process.program for lost in self._lost.values()}) > 1
            for lost in self._lost.values():
                process = lost.process.alone()  # for all of its lines: one may move it for the next
                process.program = "" if unsure else process.program
                for line in lines:
                    self._call(0, process, line)

    def _check_shared(self, lines: list[_Line]) -> None:
        """A lost thread may have moved others with it, or they it, while nobody can say where that was."""
        shared = [lost for lost in self._lost.values() if lost.shares]
        if (shared and _move(lines)) or any(lost.shares and lost.shares.moves > lost.moves for lost in shared):
            self.meanings.problem(_MOVED)

    def _event(self, pid: int, text: str, step: int) -> None:
        if superseded := _SUPERSEDED.match(text):  # a thread's execve makes it the leader
            thread = int(superseded[1])
            if thread in self._unfinished:
                self._unfinished[pid] = self._unfinished.pop(thread)
            if thread in self._processes:
                self._processes[pid] = self._processes.pop(thread)
        elif text.startswith("+++"):
            self._killed(pid, step)
            self._processes.pop(pid, None)
            if pid in self._waiting:
                self._ended.add(pid)

    def _killed(self, pid: int, step: int) -> None:
        """Ends a call in which the process was killed: it may have looked already."""
        if begun := self._unfinished.pop(pid, None):
            self._whole(pid, _Line(begun.rstrip().rstrip(",") + ") = ?", step))

    def _whole(self, pid: int, line: _Line) -> None:
        line = _Line(line.text.replace(f" {_UNFINISHED})", ")"), line.step)  # killed within the call
        process = self._processes.get(pid)
        if process is None and f'"{GATE}"' in line.text:
            process = self._released(pid, line.text)
        if process is not None:
            self._call(pid, process, line)
            return
        self._waiting.setdefault(pid, []).append(line)
        self._waiting_lines += 1
        if self._waiting_lines > MOST_WAITING:
            self.meanings.problem("too many lines of processes whose parent was not seen")
            self._waiting.clear()
            self._ended.clear()
            self._waiting_lines = 0

    def _released(self, pid: int, text: str) -> Process | None:
        """A gate opens itself to say that it is there: its line tells where it was started."""
        call = parse_call(text)
        if call is None or call.name != "openat":
            return None
        process = Process(Place(descriptor_path(call.arguments[0]) or "/"))
        self._processes[pid] = process
        return process

    def _call(self, pid: int, process: Process, line: _Line) -> None:
        call = parse_call(line.text)
        if call is None:
            self.meanings.problem(f"a line of strace that cannot be read: {line.text[:200]}")
        elif call.name in FORKS:
            self._fork(process, call)
        else:
            self.meanings.take(process, call, line.step)

    def _fork(self, process: Process, call: Call) -> None:
        if call.error:
            return
        flags = " ".join(call.arguments)
        if "CLONE_NEWNS" in flags:
            self.meanings.new_mount_namespaces = True
        pid = call.child or self._only_ended()
        if not pid:
            self._lose(process, shares="CLONE_FS" in flags)
            return
        child = process.child(flags)
        if call.child:
            self._processes[pid] = child
        self._catch_up(pid, child)

    def _only_ended(self) -> int:
        """The child of a fork that strace gave no number, as that was gone by then: who else can have ended; or 0.

        Its lines have all come, as strace tells them before it lets go of the process.
        """
        if len(self._ended) != 1:
            return 0
        forking = (*self._unfinished.values(), *(line.text for lines in self._waiting.values() for line in lines))
        return 0 if any(text.startswith(tuple(FORKS)) for text in forking) else next(iter(self._ended))

    def _catch_up(self, pid: int, process: Process) -> None:
        """Reads what the process did before its fork returned."""
        lines = self._waiting.pop(pid, [])
        self._waiting_lines -= len(lines)
        self._ended.discard(pid)
        if process.place.shared > 2 and _move(lines):  # besides parent, which waited, and child
            self.meanings.problem(_MOVED)
        for line in lines:
            self._call(pid, process, line)

    def _lose(self, process: Process, *, shares: bool) -> None:
        """Remembers a start that some lines whose process is not known may have had."""
        place = process.place
        key = (place.cwd, place.root, process.program, id(place) if shares else 0)
        if len(self._lost) < MOST_LOST:
            self._lost.setdefault(key, _Lost(process.alone(), place if shares else None, place.moves))
        else:
            self.meanings.problem("too many processes of which strace could not tell the number")


def _move(lines: list[_Line]) -> bool:
    """Whether a process with these lines moved those that it shares its place with."""
    for line in lines:
        if line.text.startswith("unshare") and line.text.endswith("= 0") and OWN_PLACE.search(line.text):
            return False
        if line.text.startswith(("chdir", "fchdir", "chroot")) and line.text.endswith("= 0"):
            return True
    return False
