"""What strace(1) saw, as accesses: strings that were looked up, made absolute; symlinks are not resolved.

Expects `strace -f -y -s 4096 --decode-pids=pidns -e signal=none` with a pid before each line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from slimtasks.records import Access, ImagePath
from slimtasks.trace.gate import GATE, is_ours
from slimtasks.trace.strace_calls import FORKS, MISSED, NO_LOOKUP, PATHS, PathArgument, ways_of_opening
from slimtasks.trace.strace_line import Call, descriptor_path, parse_call, string, unescaped

SOURCE = "strace"
MOST_WAITING = 20_000  # lines of processes whose parent is not known yet
MOST_PROBLEMS = 100
_SOCKET = re.compile(r'sun_path="((?:[^"\\]|\\.)*)"')
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>\s?")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+) \+\+\+")
_UNFINISHED = "<unfinished ...>"
_DETACHED = "<detached ...>"


@dataclass
class _Process:
    """Where a process looks from; threads with CLONE_FS share one."""

    cwd: str
    root: str = "/"


@dataclass
class Parser:
    """Reads lines in strace's order; `accesses` and `problems` grow as it goes.

    A process inherits its working directory, so the lines of one whose fork has not returned yet wait for that.
    """

    accesses: set[Access] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)
    new_mount_namespaces: bool = False
    _processes: dict[int, _Process] = field(default_factory=dict)
    _unfinished: dict[int, str] = field(default_factory=dict)
    _waiting: dict[int, list[str]] = field(default_factory=dict)
    _waiting_lines: int = 0
    _lost: list[_Process] = field(default_factory=list)

    def begin(self, pid: int, cwd: str, root: str = "/") -> None:
        """Tells of a process that was there before the trace."""
        self._processes[pid] = _Process(cwd, root)

    def feed(self, line: str) -> None:
        """Takes one line, without its end."""
        number, _, text = line.partition(" ")
        if not number.isdigit():
            self._problem(f"a line of strace that cannot be read: {line[:200]}")
            return
        pid, text = int(number), text.lstrip(" ")
        if text.startswith(("+++", "---")):
            self._event(pid, text)
        elif text.endswith(_DETACHED):  # killed within the call, with all others
            self._whole(pid, text[: -len(_DETACHED)].rstrip().rstrip(",") + ") = ?")
        elif text.endswith(_UNFINISHED):
            self._unfinished[pid] = text[: -len(_UNFINISHED)]
        elif resumed := _RESUMED.match(text):
            begun = self._unfinished.pop(pid, None)
            if begun is None or not begun.startswith(resumed[1] + "("):
                self._problem(f"a line of strace whose beginning is missing: {line[:200]}")
            else:
                self._whole(pid, begun + text[resumed.end() :])
        else:
            self._whole(pid, text)

    def close(self) -> None:
        """Ends the trace: what still waits belongs to processes whose fork never returned."""
        for lines in list(self._waiting.values()):
            if not self._lost:
                self._problem(f"a process whose parent was not seen: {lines[0][:200]}")
            for process in map(replace, self._lost):  # a copy for all of its lines: one may move it for the next
                for text in lines:
                    self._call(0, process, text)
        self._waiting.clear()

    def _problem(self, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.add(text)

    def _event(self, pid: int, text: str) -> None:
        if superseded := _SUPERSEDED.match(text):  # a thread's execve makes it the leader
            thread = int(superseded[1])
            if thread in self._unfinished:
                self._unfinished[pid] = self._unfinished.pop(thread)
            if thread in self._processes:
                self._processes[pid] = self._processes.pop(thread)
        elif text.startswith("+++"):
            # Killed within a call: the call may have looked already.
            if begun := self._unfinished.pop(pid, None):
                self._whole(pid, begun.rstrip().rstrip(",") + ") = ?")
            self._processes.pop(pid, None)

    def _whole(self, pid: int, text: str) -> None:
        text = text.replace(f" {_UNFINISHED})", ")")  # killed within the call
        process = self._processes.get(pid)
        if process is None and f'"{GATE}"' in text:
            process = self._released(pid, text)
        if process is not None:
            self._call(pid, process, text)
            return
        self._waiting.setdefault(pid, []).append(text)
        self._waiting_lines += 1
        if self._waiting_lines > MOST_WAITING:
            self._problem("too many lines of processes whose parent was not seen")
            self._waiting.clear()
            self._waiting_lines = 0

    def _released(self, pid: int, text: str) -> _Process | None:
        """A gate opens itself to say that it is there: its line tells where it was started."""
        call = parse_call(text)
        if call is None or call.name != "openat":
            return None
        process = _Process(descriptor_path(call.arguments[0]) or "/")
        self._processes[pid] = process
        return process

    def _call(self, pid: int, process: _Process, text: str) -> None:
        call = parse_call(text)
        if call is None:
            self._problem(f"a line of strace that cannot be read: {text[:200]}")
        elif call.name in FORKS:
            self._fork(process, call)
        elif call.name in PATHS:
            for argument in PATHS[call.name]:
                self._path(process, call, argument)
            self._moved(process, call)
        else:
            self._other(pid, process, call)

    def _fork(self, process: _Process, call: Call) -> None:
        if call.error:
            return
        flags = " ".join(call.arguments)
        if "CLONE_NEWNS" in flags:
            self.new_mount_namespaces = True
        child = process if "CLONE_FS" in flags else replace(process)
        if not call.child:  # killed in between, or gone before strace could ask for its number
            self._lost.append(child)
            del self._lost[:-100]
            return
        self._processes[call.child] = child
        lines = self._waiting.pop(call.child, [])
        self._waiting_lines -= len(lines)
        for text in lines:
            self._call(call.child, child, text)

    def _other(self, pid: int, process: _Process, call: Call) -> None:
        if call.name in ("bind", "connect"):
            self._socket(process, call)
        elif call.name in ("getdents", "getdents64"):
            path = descriptor_path(call.arguments[0])
            if path and path.startswith("/"):
                self._add(path, "list")
        elif call.name == "fchdir":
            path = descriptor_path(call.arguments[0])
            if path and not call.error:
                process.cwd = path
        elif call.name == "unshare" and not call.error:
            self.new_mount_namespaces |= "CLONE_NEWNS" in call.arguments[0]
            self._processes[pid] = replace(process)
        elif call.name == "setns" and not call.error:
            self._other_root(call)
        elif any(argument.startswith('"') for argument in call.arguments) and call.name not in ("getcwd", "quotactl"):
            self._problem(f"strace shows a call that is not known here: {call.name}")

    def _other_root(self, call: Call) -> None:
        if call.name == "pivot_root" or call.arguments[-1] == "0" or "CLONE_NEWNS" in call.arguments[-1]:
            self._problem(f"a process went to another tree of mounts ({call.name}), where paths cannot be followed")

    def _socket(self, process: _Process, call: Call) -> None:
        address = _SOCKET.search(call.arguments[1]) if len(call.arguments) > 1 else None
        if address and address[1]:
            path = self._absolute(process, unescaped(address[1]), None)
            self._add_result(call, path, ("bind",) if call.name == "bind" else ("look",))

    def _path(self, process: _Process, call: Call, argument: PathArgument) -> None:
        if len(call.arguments) <= argument.string:
            self._problem(f"a call of {call.name} with too few arguments")
            return
        asked = string(call.arguments[argument.string])
        if asked is None:
            if not _harmless(call, call.arguments[argument.string]):
                self._problem(f"a path of {call.name} that cannot be read: {call.arguments[argument.string][:200]}")
            return
        if not asked:  # the descriptor itself, whose open was seen, or ENOENT
            return
        start = descriptor_path(call.arguments[argument.directory]) if argument.directory >= 0 else None
        ways: tuple[str, ...] = (argument.how,)
        if argument.flags >= 0 and len(call.arguments) > argument.flags:
            ways = ways_of_opening(call.arguments[argument.flags])
        self._add_result(call, self._absolute(process, asked, start), ways)

    def _add_result(self, call: Call, path: str, ways: tuple[str, ...]) -> None:
        if call.error in MISSED:
            self._add(path, "miss")
        elif call.error:
            if call.error not in NO_LOOKUP:
                self._add(path, "look")
        else:
            for how in ways:
                self._add(path, how)

    def _add(self, path: str, how: str) -> None:
        if not is_ours(path):
            self.accesses.add(Access(ImagePath(path), how, SOURCE))

    def _moved(self, process: _Process, call: Call) -> None:
        """What a path call changes about the process itself."""
        if call.error or call.value == "?":
            return
        if call.name == "pivot_root":
            self._other_root(call)
        elif call.name in ("chdir", "chroot"):
            asked = string(call.arguments[0])
            if asked:
                path = self._absolute(process, asked, None)
                process.cwd, process.root = (path, process.root) if call.name == "chdir" else (process.cwd, path)

    def _absolute(self, process: _Process, asked: str, start: str | None) -> str:
        """`asked` as a path of the container: below the process's root, or from the directory `start`."""
        if asked.startswith("/"):
            return tidied(asked if process.root == "/" else f"{process.root}/{_clamped(asked)}")
        return tidied(f"{start if start and start.startswith('/') else process.cwd}/{asked}")


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


def _harmless(call: Call, argument: str) -> bool:
    """Whether a path that strace could not print names nothing: NULL, or the kernel could not read it either."""
    return argument == "NULL" or call.error in NO_LOOKUP or call.value == "?"
