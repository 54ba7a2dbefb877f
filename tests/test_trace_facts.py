"""What programs did besides using paths: sockets, IPC objects and devices, by each of the sources that tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from trace_images import with_backend
from traced import below, dump, probe, traced

from slimtasks.engine.client import Engine
from slimtasks.records import Program
from slimtasks.rootfs import Tree
from slimtasks.trace.recording import Recording
from slimtasks.trace.sidecar import Sidecar
from slimtasks.trace.summary import programs

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


@pytest.fixture(scope="module", params=["strace", "ebpf"])
def facts_sidecar(engine: Engine, tracer_image: str, request: pytest.FixtureRequest) -> Iterator[Sidecar]:
    with with_backend(engine, tracer_image, request.param) as running:
        yield running


@dataclass(frozen=True)
class Told:
    """What the probe is told to do, and the whole of what its record says of it (paths that were written aside)."""

    line: str
    binds: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    ipc: tuple[str, ...] = ()
    uses: str = ""  # below /t


TOLD = {
    "ports": Told(
        "tcp 8080 udp 53 reach 9 reach :9",
        binds=("tcp 0.0.0.0:8080", "udp 0.0.0.0:53"),
        connects=("tcp 127.0.0.1:9", "tcp [::1]:9"),
    ),
    "datagrams": Told(
        "send 53 send :54 message 55 messages 56 57",
        connects=("udp 127.0.0.1:53", "udp 127.0.0.1:55", "udp 127.0.0.1:56", "udp 127.0.0.1:57", "udp [::1]:54"),
    ),
    "datagrams along a connection": Told("udp 53 send-along 53", ("udp 0.0.0.0:53",), ("udp 127.0.0.1:53",)),
    "sockets with a path": Told(
        "bind /t/stream connect /t/stream udp /t/one udp /t/two send /t/one message /t/one messages /t/one /t/two",
        binds=("unix /t/one", "unix /t/stream", "unix /t/two"),
        connects=("unix /t/one", "unix /t/stream", "unix /t/two"),
        uses="/t/stream: bind lookups, access lookups\n/t/one: bind lookups, access lookups\n"
        "/t/two: bind lookups, access lookups",
    ),
    "sockets that are not there": Told(
        "send /t/none message /t/gone connect /t/away",
        uses="/t/none: miss lookups\n/t/gone: miss lookups\n/t/away: miss lookups",
    ),
    "sockets with a name": Told("udp @name send @name", binds=("unix @name",), connects=("unix @name",)),
    "IPC": Told(
        "queues semaphores mq /queue shm /part",
        ipc=("posix /part", "posix /queue", "sysv msg", "sysv sem", "sysv shm"),
    ),
    "IPC in vain": Told("no-queues"),
    "devices": Told("open /dev/null open /dev/zero stat /dev/full", devices=("/dev/null", "/dev/zero")),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_a_program_shares(engine: Engine, facts_sidecar: Sidecar, probe_image: str, name: str) -> None:
    told = TOLD[name]
    recording = traced(engine, facts_sidecar, probe(probe_image, told.line))
    record = record_of(recording, "/probe")
    found = Told(told.line, record.binds, record.connects, record.devices, record.ipc, told.uses)
    assert found == told
    assert below(recording) == dump(told.uses)


def record_of(recording: Recording, path: str) -> Program:
    """The record of a program, as trace.jsonl has it; one that says nothing is not there."""
    records = {found.program: found for found in programs(recording.uses, recording.facts, Tree(()))}
    return records.get(path, Program(path))


def test_what_a_program_sends_is_no_news(engine: Engine, facts_sidecar: Sidecar, probe_image: str) -> None:
    """Neither source tells of what goes where the socket is connected to, however often."""
    few, many = (traced(engine, facts_sidecar, probe(probe_image, "udp 53" + " send-along 53" * n)) for n in (1, 20))
    assert few.facts == many.facts
