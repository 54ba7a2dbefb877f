"""Records what a container uses that runs already, on whatever engine: a trace for `trace.also`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slimtasks import fatfiles, interrupt
from slimtasks.engine.client import Engine
from slimtasks.errors import EngineError, IncompleteTrace, SlimError
from slimtasks.rootfs import Tree
from slimtasks.sizes import count
from slimtasks.trace.file import Trace, header_of, read_trace, write_trace
from slimtasks.trace.recording import Backend, Recording, union
from slimtasks.trace.sidecar import Sidecar
from slimtasks.trace.summary import accesses, programs
from slimtasks.workspace import ImageFiles

BACKENDS = {"auto": "recorder", "fanotify": "fanotify", "inotify": "inotify"}
"""What the user may say, and the tracer's name for it; no strace, which would slow down what serves others."""

LATE = "WHAT WAS OPENED AND CLOSED BEFORE THE RECORDING, and what was only looked at, is not seen"


@dataclass(frozen=True)
class Running:
    """What is recorded."""

    name: str  # 'container web'
    pid: int  # of its first process, as the engine's host counts
    image: str  # the engine's id
    attached: str  # the header's word of how it was come by


def running_container(engine: Engine, ref: str) -> Running:
    """The container with that name or id; raises SlimError where it does not run, or no tracer can follow it."""
    found = engine.inspect_container(ref)
    if found is None:
        raise SlimError(f"the engine has no container {ref}", "`docker ps` lists them; DOCKER_HOST says where")
    name, state = f"container {found['Name'].lstrip('/')}", found["State"]
    if not state["Running"] or not state["Pid"]:
        raise SlimError(f"{name} does not run, it is {state['Status']}", "start it, and record then")
    _check_native(engine, found["Image"], name)
    return Running(name, int(state["Pid"]), found["Image"], "to a running container")


def running_process(engine: Engine, pid: int, image: str) -> Running:
    """The process of the engine's host with that number, in a container of whatever kind, taken for one of `image`."""
    found = engine.inspect_image(image)
    if found is None:
        raise SlimError(f"the engine has no image {image}", "pull or load it: its files say what the paths are")
    _check_native(engine, found["Id"], f"process {pid}")
    return Running(f"process {pid}", pid, found["Id"], f"to a running process, which was said to be of {image}")


def record(
    engine: Engine,
    running: Running,
    *,
    files: ImageFiles,
    tracer: str,
    backend: str,
    seconds: float | None,
    say: Callable[[str], None],
) -> Trace:
    """The trace of what it uses until it ends, the time is over or a signal comes; `files`: what is in its image."""
    recording, sources = _recorded(engine, running, tracer, backend, seconds, say)
    fat, tree = fatfiles.fat(files), Tree(fatfiles.inventory(files))
    header = header_of(recording, sources, fat, engine.info.kernel, ["recorded"])
    header |= {"attached": running.attached, "image": fat.id, "unseen": [LATE, *sources.unseen]}
    return Trace(header, accesses(recording.uses, tree), programs(recording.uses, recording.facts, tree))


def _recorded(
    engine: Engine, running: Running, tracer: str, backend: str, seconds: float | None, say: Callable[[str], None]
) -> tuple[Recording, Backend]:
    with Sidecar(engine, tracer, BACKENDS[backend]) as sidecar:
        target = sidecar.join(running.pid)
        if target.problems:
            raise SlimError(f"{running.name} cannot be recorded: {'; '.join(sorted(target.problems))}")
        if not target.released:
            raise SlimError(f"{running.name} is not there, or has ended", "`docker top` tells numbers of processes")
        began = time.monotonic()
        try:
            say(f"recording {running.name} ({sidecar.backend.opens}, {sidecar.backend.lookups}); Ctrl-C ends it")
            sidecar.wait(target, seconds)
        except interrupt.Interrupted:
            interrupt.forget()
        ended = target.done
        try:
            sidecar.stop(target)
        except (EngineError, IncompleteTrace) as error:
            target.problems.add(error.what)
        say(f"recorded for {time.monotonic() - began:.0f} s{f', until {running.name} ended' if ended else ''}")
        return union([target], allow_incomplete=True), sidecar.backend


def check_output(path: Path) -> None:
    """SlimError where the trace could not be written at the end."""
    folder = path.parent
    if path.is_dir():
        raise SlimError(f"{path} is a folder", "name the file to be written: -o FILE")
    if not folder.is_dir():
        raise SlimError(f"{path} cannot be written: {folder} is no folder", "make it, or name another: -o FILE")
    if not os.access(folder, os.W_OK):
        raise SlimError(f"{path} cannot be written: {folder} is not yours to write to", "name another: -o FILE")


def written(path: Path, trace: Trace) -> str:
    """Writes the trace, in place of what stood there; what to say of it."""
    write_trace(path, trace)
    paths = {access.path for access in read_trace(path).accesses}
    return f"{path}: {count(len(paths), 'path')}, fat digest {trace.header['fat']}"


def _check_native(engine: Engine, image: str, name: str) -> None:
    """An emulator's system calls are not the program's."""
    architecture = (engine.inspect_image(image) or {}).get("Architecture", "")
    if architecture and architecture != engine.info.architecture:
        raise SlimError(
            f"{name} is of an image for {architecture}, which this engine's {engine.info.architecture} only emulates",
            f"record it on an engine for {architecture}: what is seen here is what the emulator does",
        )
