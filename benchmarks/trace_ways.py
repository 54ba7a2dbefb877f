"""Ways to see what is looked up without eBPF: what each costs, and whether it sees what `strace -f -e %file` does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from measuring import spread, table
from sandbox import Engine
from trace_backends import UNTRACED, launching
from trace_loads import Bench, Load, bench

from slimtasks.engine.container import Container
from slimtasks.trace.gate import is_ours
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.strace_calls import PATHS
from slimtasks.trace.strace_line import parse_call, string
from slimtasks.workload.plain import PlainLauncher

OUTPUT = "/var/tmp/ways"  # of a strace in the traced container
STRACE = ("strace", "-f", "-qq", "-s", "4096", "-o", OUTPUT, "-e")
ALL = "trace=%file,getdents64,fchdir,clone,clone3,unshare,setns,socket,bind,connect,shmget,semget,msgget,mq_open,ptrace"
REFERENCE = "strace -f -e %file"
INSIDE = {  # strace as the parent of what it traces, where --seccomp-bpf works
    REFERENCE: (*STRACE, "trace=%file"),
    "strace, our calls, -y": (*STRACE, ALL, "-y"),
    "strace --seccomp-bpf": (*STRACE, "trace=%file", "--seccomp-bpf"),
}
BESIDE = ("strace", "notify")  # backends
GOAL = 3.0
_CHANGES = (  # what is another one in each run
    (re.compile(r"/tmp/cc\w{6}"), "/tmp/cc*"),
    (re.compile(r"\d+"), "*"),
)


@dataclass
class Way:
    """What the runs of one way took, and the strings that were looked up in them."""

    seconds: list[float] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)


def ways(made: Engine, image: str, tracer: str, loads: Sequence[Load], rounds: int) -> None:
    print(f"\nlookups without eBPF, over untraced: median of {rounds} rounds (smallest to largest); goal: {GOAL:g}")
    print(f"and the paths of `{REFERENCE}` that the way did not see in any of its runs, as strings\n", flush=True)
    names = (*INSIDE, *BESIDE)
    with bench(made, image) as loaded:
        for load in loads:
            found = {name: Way() for name in (UNTRACED, *names)}
            for _ in range(rounds):
                for name, way in found.items():
                    seconds, asked = one_run(made, tracer, loaded, load, name)
                    way.seconds.append(seconds)
                    way.asked |= asked
            plain = found.pop(UNTRACED).seconds
            wanted = found[REFERENCE].asked
            cells = [cell(way, plain, wanted) for way in found.values()]
            rows = [("", "untraced, s", "paths", *names), (load.name, spread(plain), str(len(wanted)), *cells)]
            print(table(rows), flush=True)
            for name, way in found.items():
                if lacking := sorted(wanted - way.asked):
                    print(f"{load.name}, {name}: not seen: {', '.join(lacking[:10])}", flush=True)


def cell(way: Way, plain: Sequence[float], wanted: set[str]) -> str:
    ratios = [one / other for one, other in zip(way.seconds, plain, strict=True)]
    lacking = len(wanted - way.asked)
    return f"{spread(ratios)}, {f'LACKS {lacking}' if lacking else 'the same'}"


def one_run(made: Engine, tracer: str, loaded: Bench, load: Load, name: str) -> tuple[float, set[str]]:
    """How long it took, and what was asked for; nothing of that where untraced."""
    asked: set[str] = set()
    if name in BESIDE:
        with launching(made, tracer, name) as launcher:
            assert isinstance(launcher, TracedLauncher)
            seconds = loaded.seconds(launcher, load)
            uses = launcher.finish().uses
        return seconds, {same(use.asked) for use in uses if use.asked and use.source == name}
    around = INSIDE.get(name, ())

    def look(container: Container) -> None:
        if around:
            asked.update(strings_in(container.read_file(OUTPUT).decode(errors="surrogateescape")))

    return loaded.seconds(PlainLauncher(made), load, around, look), asked


def strings_in(output: str) -> Iterator[str]:
    """The paths in the output of strace, but for what failed before it looked anywhere and the empty one."""
    begun: dict[str, str] = {}
    for line in output.splitlines():
        pid, _, text = line.partition(" ")
        text = text.lstrip()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>")
            continue
        if text.startswith("<... "):
            text = begun.pop(pid, "") + text.partition("resumed>")[2]
        call = parse_call(text)
        if call is None or call.error in ("EFAULT", "ENAMETOOLONG", "EBADF", "ENOSYS"):
            continue
        for argument in PATHS.get(call.name, ()):
            path = string(call.arguments[argument.string]) if len(call.arguments) > argument.string else ""
            if path and not is_ours(path):
                yield same(path)


def same(path: str) -> str:
    """The path as it is called in each run."""
    for pattern, instead in _CHANGES:
        path = pattern.sub(instead, path)
    return path
