"""The loads of benchmarks/trace.py: what runs in the traced container, and what measures it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox import Engine

from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.workload.launcher import Exit, Launcher
from slimtasks.workload.plain import PlainLauncher

TARGET = "target"  # the traced container's name in the network
PATIENCE = 120.0  # seconds


@dataclass(frozen=True)
class Load:
    """A container, and a line of bash that makes it work."""

    name: str
    command: tuple[str, ...]  # what the container starts
    line: str  # what is timed
    ready: str = ":"  # fails until it can be
    user: str = ""
    inside: bool = False  # the line runs in the traced container, as an exec; else beside it, untraced


LOADS = (
    Load(
        "redis-benchmark",
        ("redis-server", "--bind", "*", "--protected-mode", "no", "--save", ""),
        f"redis-benchmark -h {TARGET} -n 30000 -c 20 -t set,get -q",
        ready=f"redis-cli -h {TARGET} ping | grep -q PONG",
    ),
    Load(
        "nginx, ab",
        ("nginx", "-g", "daemon off;"),
        f"ab -q -n 8000 -c 20 http://{TARGET}/index.nginx-debian.html",
        ready=f"ab -n 1 http://{TARGET}/",
    ),
    Load(
        "pgbench",
        ("postgres", "-D", "/tmp/database"),
        f"pgbench -h {TARGET} -U postgres -c 4 -t 400 -n postgres",
        ready=f"pg_isready -h {TARGET}",
        user="postgres",
    ),
    Load(
        "python imports",
        ("sleep", "infinity"),
        "for i in {1..10}; do python3 -c 'import asyncio, email.message, http.client, json, sqlite3, unittest'; done",
        inside=True,
    ),
    Load(
        "C compile",
        ("sleep", "infinity"),
        "for i in 1 2 3; do make -B -C /src archive relay CC='gcc -o /dev/null' || exit; done",
        inside=True,
    ),
)


class Bench:
    """The image of the loads, and a client in a network for what is loaded from outside."""

    def __init__(self, engine: Engine, image: str, network: str, client: Container) -> None:
        self._engine = engine
        self._image = image
        self._network = network
        self._client = client

    def seconds(
        self,
        launcher: Launcher,
        load: Load,
        around: tuple[str, ...] = (),
        after: Callable[[Container], None] = lambda _: None,
    ) -> float:
        """How long the line takes, as the shell that runs it sees it.

        `around`: a program that starts what is loaded, with its arguments; `after`: what is done before its end.
        """
        config = ContainerConfig(
            self._image,
            entrypoint=load.command if load.inside else (*around, *load.command),
            command=(),
            user=load.user,
            network=self._network,
            network_aliases=(TARGET,),
            log_driver="none",
        )
        with launcher.create(config, b"") as container:
            launcher.start(container)
            command = ("bash", "-c", timed(load))
            if load.inside:
                done = launcher.exec(container, (*around, *command), "", PATIENCE)
            else:
                done = PlainLauncher(self._engine).exec(self._client, command, "", PATIENCE)
            after(container)
            return seconds_of(load, done)


def timed(load: Load) -> str:
    """Prints the clock before and after the line; nothing else is started for that."""
    ready = f"for i in {{1..200}}; do {load.ready} && break; sleep 0.05; done >&2"
    return f"{ready}; s=$EPOCHREALTIME; {load.line} >&2 || exit; echo $s $EPOCHREALTIME"


def seconds_of(load: Load, done: Exit) -> float:
    if done.status:
        sys.exit(f"{load.name}: exit status {done.status}\n{(done.stdout + done.stderr).decode(errors='replace')}")
    began, ended = map(float, done.stdout.split()[-2:])
    return ended - began


@contextmanager
def bench(engine: Engine, image: str) -> Iterator[Bench]:
    with engine.network(internal=True) as network:
        config = ContainerConfig(image, entrypoint=("sleep", "infinity"), command=(), network=network, init=True)
        with engine.container(config) as client:
            client.start()
            yield Bench(engine, image, network, client)
