"""What one system call, as strace(1) printed it, says of the process that made it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from slimtasks.trace.gate import is_ours
from slimtasks.trace.strace_calls import PATHS, PathArgument, ways_of_opening
from slimtasks.trace.strace_line import Call, descriptor_path, string, unescaped
from slimtasks.trace.use_set import UseSet
from slimtasks.trace.uses import MISSED, NO_LOOKUP, Fact, Use, absolute, asked_besides, outcome

SOURCE = "strace"
OWN_PLACE = re.compile("CLONE_(FS|NEWNS|NEWUSER)")  # of unshare(2): root and working directory are no longer shared
MOST_PROBLEMS = 100
_UNIX = re.compile(r'sun_path=(@?)"((?:[^"\\]|\\.)*)"')
_INET = re.compile(r"sin6?_port=htons\((\d+)\).*?(?:inet_addr\(\"([^\"]*)\"\)|inet_pton\(AF_INET6, \"([^\"]*)\")")
_CONTENT = re.compile(r'iov_base="(?:[^"\\]|\\.)*"')
_NAMES = re.compile(r'msg_name=(\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\})')
INNER_MOUNTS = frozenset({"MS_BIND", "MS_MOVE"})
_TREE = "a process went to another tree of mounts ({}), where paths cannot be followed"
_SYSV = {"shmget": "sysv shm", "semget": "sysv sem", "msgget": "sysv msg"}


@dataclass
class Place:
    """Where paths start; threads share one (CLONE_FS)."""

    cwd: str
    root: str = "/"
    moves: int = 0  # how often it changed
    shared: int = 1  # how many have had it


@dataclass
class Process:
    """What has to be known of a process to understand its calls."""

    place: Place
    program: str = ""  # '' for the gate, and where it is not known

    @property
    def name(self) -> str:
        """For messages."""
        return self.program or "a program"

    def child(self, flags: str) -> Process:
        """What a fork with these flags makes."""
        if "CLONE_FS" not in flags:
            return self.alone()
        self.place.shared += 1
        return replace(self)

    def alone(self) -> Process:
        """The same, with a place of its own."""
        return Process(Place(self.place.cwd, self.place.root), self.program)


@dataclass
class Meanings:
    """All that the calls said so far."""

    uses: UseSet = field(default_factory=UseSet)
    facts: set[Fact] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)
    new_mount_namespaces: bool = False
    mounts: set[tuple[str, str]] = field(default_factory=set)  # place -> what of the tree was mounted there
    _sockets: dict[str, str] = field(default_factory=dict)  # 'socket:[12]' -> 'tcp'

    def problem(self, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.add(text)

    def take(self, process: Process, call: Call, step: int) -> None:
        """Adds what the call says, and moves the process as it does; forks are not for here."""
        if call.name in PATHS:
            for argument in _paths_of(call):
                self._path(process, call, argument, step)
            self._moved(process, call)
        elif call.name in ("bind", "connect", "sendto", "sendmsg", "sendmmsg"):
            for address in _addresses(call):
                self._address(process, call, address, step)
        elif call.name == "socket":
            self._socket(call)
        elif call.name in ("getdents", "getdents64"):
            path = descriptor_path(call.arguments[0])
            if path and path.startswith("/"):
                self._add(process, path, "list", step)
        elif call.name == "fchdir":
            path = descriptor_path(call.arguments[0])
            if path and not call.error:
                _move(process.place, cwd=path)
        elif call.name == "unshare" and not call.error:
            self.new_mount_namespaces |= "CLONE_NEWNS" in call.arguments[0]
            if OWN_PLACE.search(call.arguments[0]):
                process.place = process.alone().place
        elif call.name == "setns" and not call.error:
            self._other_root(call)
        elif call.name == "io_uring_setup" and not call.error:
            self.problem(f"{process.name} uses io_uring, and what it looks at through that strace cannot see")
        elif call.name == "ptrace" and call.error == "EPERM":
            told = "which fails under strace: it may do other things than it would"
            self.problem(f"{process.name} wants to be traced, or to trace (ptrace), {told}")
        elif call.name in _SYSV and not call.error:
            self.facts.add(Fact(process.program, "ipc", _SYSV[call.name]))
        elif call.name in ("mq_open", "mq_unlink"):
            if not call.error:
                self.facts.add(Fact(process.program, "ipc", f"posix /{(string(call.arguments[0]) or '').lstrip('/')}"))
        elif any(argument.startswith('"') for argument in call.arguments) and call.name not in ("getcwd", "quotactl"):
            self.problem(f"strace shows a call that is not known here: {call.name}")

    def _path(self, process: Process, call: Call, argument: PathArgument, step: int) -> None:
        if len(call.arguments) <= argument.string:
            self.problem(f"a call of {call.name} with too few arguments")
            return
        asked = string(call.arguments[argument.string])
        if asked is None:
            if not _harmless(call, call.arguments[argument.string]):
                self.problem(f"a path of {call.name} that cannot be read: {call.arguments[argument.string][:200]}")
            return
        if not asked:  # the descriptor itself, whose open was seen, or ENOENT
            return
        ways: tuple[str, ...] = (argument.how,)
        if argument.flags >= 0 and len(call.arguments) > argument.flags:
            ways = ways_of_opening(call.arguments[argument.flags])
        path = _path_of(process.place, call, argument, asked)
        for how in ways:
            self._add(process, path, outcome(how, call.error), step, asked)

    def _moved(self, process: Process, call: Call) -> None:
        """What a path call changes about the process itself."""
        if call.error or call.value == "?":
            return
        if call.name == "pivot_root":
            self._other_root(call)
        elif call.name == "mount":
            self._mounted(process, call)
        elif call.name.startswith("open_tree") and self.new_mount_namespaces and "OPEN_TREE_CLONE" in call.arguments[2]:
            self.problem(_TREE.format(call.name))
        elif call.name in ("execve", "execveat"):
            _run(process, call)
        elif call.name in ("chdir", "chroot"):
            asked = string(call.arguments[0])
            if asked:
                path = absolute(asked, process.place.cwd, process.place.root)
                _move(process.place, **{"cwd" if call.name == "chdir" else "root": path})

    def _other_root(self, call: Call) -> None:
        if call.name == "pivot_root" or call.arguments[-1] == "0" or "CLONE_NEWNS" in call.arguments[-1]:
            self.problem(_TREE.format(call.name))

    def _socket(self, call: Call) -> None:
        """Remembers the protocol of a socket, which calls on it do not tell."""
        if call.arguments[0] in ("AF_INET", "AF_INET6"):
            kind = call.arguments[1].partition("|")[0]
            self._sockets[call.descriptor] = {"SOCK_STREAM": "tcp", "SOCK_DGRAM": "udp"}.get(kind, "raw")

    def _mounted(self, process: Process, call: Call) -> None:
        """Remembers which part of the tree is at another place now."""
        flags = set(call.arguments[3].split("|")) if len(call.arguments) > 3 else set()
        source, point = (string(argument) for argument in call.arguments[:2])
        if flags & INNER_MOUNTS and "MS_REMOUNT" not in flags and source and point:
            place = process.place
            self.mounts.add((absolute(point, place.cwd, place.root), absolute(source, place.cwd, place.root)))

    def _address(self, process: Process, call: Call, address: str, step: int) -> None:
        kind = "bind" if call.name == "bind" else "connect"
        unix = _UNIX.search(address)
        if unix and unix[2] and not unix[1]:
            asked = unescaped(unix[2])
            path = absolute(asked, process.place.cwd, process.place.root)
            self._add(process, path, outcome("bind" if kind == "bind" else "access", call.error), step, asked)
            value = f"unix {path}"
        elif unix:
            value = f"unix {unix[1]}{unescaped(unix[2])}"
        elif inet := _INET.search(address):
            protocol = self._sockets.get(descriptor_path(call.arguments[0]) or "", "ip")
            value = f"{protocol} {inet[2] if inet[2] is not None else f'[{inet[3]}]'}:{inet[1]}"
        elif "AF_NETLINK" in address:
            value = "netlink"
        else:
            return
        if call.error not in MISSED | NO_LOOKUP and not (call.error and kind == "bind"):
            self.facts.add(Fact(process.program, kind, value))

    def _add(self, process: Process, path: str, how: str, step: int, asked: str = "") -> None:
        if how and not is_ours(path):
            self.uses.add(Use(path, how, process.program, step, SOURCE, asked_besides(asked, path)))


def _addresses(call: Call) -> list[str]:
    """What the call names to a socket, or sends to; what is sent may look like one."""
    if call.name in ("bind", "connect", "sendto"):
        return list(call.arguments[4:5] if call.name == "sendto" else call.arguments[1:2])
    return _NAMES.findall(_CONTENT.sub("", call.arguments[1])) if len(call.arguments) > 1 else []


def _paths_of(call: Call) -> tuple[PathArgument, ...]:
    """Which arguments are paths; the source of a mount is one unless it is a mere name, as in 'none' or 'tmpfs'."""
    if call.name != "mount" or len(call.arguments) < 4 or "MS_REMOUNT" in call.arguments[3]:
        return PATHS[call.name]
    inner = INNER_MOUNTS & set(call.arguments[3].split("|"))
    return (*PATHS["mount"], *[PathArgument(0, "stat")] * bool(inner or call.arguments[0].startswith('"/')))


def _path_of(place: Place, call: Call, argument: PathArgument, asked: str) -> str:
    start = descriptor_path(call.arguments[argument.directory]) if argument.directory >= 0 else None
    start = start if start and start.startswith("/") else place.cwd
    if call.name == "openat2" and "RESOLVE_IN_ROOT" in call.arguments[2]:
        return absolute(f"/{asked}", start, start)
    return absolute(asked, start, place.root)


def _run(process: Process, call: Call) -> None:
    """An exec that succeeded."""
    argument = PATHS[call.name][0]
    asked = string(call.arguments[argument.string]) or ""
    if asked == "/proc/self/exe":
        return
    path = _path_of(process.place, call, argument, asked) if asked else descriptor_path(call.arguments[0]) or ""
    process.program = "" if is_ours(path) else path


def _move(place: Place, *, cwd: str = "", root: str = "") -> None:
    place.cwd, place.root = cwd or place.cwd, root or place.root
    place.moves += 1


def _harmless(call: Call, argument: str) -> bool:
    """Whether a path that strace could not print names nothing: NULL, or the kernel could not read it either."""
    return argument == "NULL" or call.error in NO_LOOKUP or call.value == "?"
