from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tars import f, tar

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig, Mount
from slimtasks.engine.container import Container
from slimtasks.engine.labels import Owner
from slimtasks.errors import EngineError, IncompleteTrace, WorkloadError
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.recording import Recording
from slimtasks.trace.sidecar import Sidecar, sidecar_config
from slimtasks.workload.launcher import run_to_end

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


def probe(image: str, line: str, **more: object) -> ContainerConfig:
    """A container of the probe that does what `line` says."""
    return ContainerConfig(image, entrypoint=("/probe",), command=tuple(line.split()), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sidecar(engine: Engine, tracer_image: str) -> Iterator[Sidecar]:
    """One for the tests that do it no harm."""
    with Sidecar(engine, tracer_image) as running:
        yield running


def traced(engine: Engine, sidecar: Sidecar, *configs: ContainerConfig, files: bytes = b"") -> Recording:
    """Runs containers to their ends, one after the other."""
    launcher = TracedLauncher(engine, sidecar)
    for config in configs:
        with launcher.create(config, files) as container:
            done = run_to_end(launcher, container, 30)
            assert done.status == 0, done
    return launcher.finish()


def below(recording: Recording, folder: str = "/t/") -> list[str]:
    """The accesses below a folder as lines, e.g. 'open /t/a fanotify'."""
    return [f"{a.how} {a.path} {a.source}" for a in recording.accesses if a.path.startswith(folder)]


def dump(text: str) -> list[str]:
    """The lines of a table of 'path: how source, how source', in the order of `below`."""
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        path, _, ways = line.rpartition(": ")
        found += [f"{how} {path} {source}" for how, source in (way.split() for way in ways.split(", "))]
    return found


def test_every_way_of_using_a_path(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    line = (
        "open /t/a stat /t/b access /t/c readlink /t/link open /t/link stat /t/none open /t/a/under list /t/sub "
        "create /t/new unlink /t/new mkdir /t/made bind /t/socket connect /t/gone unlink /t/d"
    )
    assert below(traced(engine, sidecar, probe(probe_image, line))) == dump("""
        /t/a: open fanotify, open strace
        /t/a/under: miss strace
        /t/b: look strace
        /t/c: look strace
        /t/d: write strace
        /t/gone: miss strace
        /t/link: look strace, open strace
        /t/made: write strace
        /t/new: open fanotify, write strace
        /t/none: miss strace
        /t/socket: bind strace
        /t/sub: list fanotify, list strace
    """)


MEANINGS = {
    "chdir /t stat a chdir sub stat e": """
        /t/a: look strace
        /t/sub: look strace
        /t/sub/e: look strace""",
    "fchdir /t stat a fork fchdir sub stat e": """
        /t/a: look strace
        /t/sub: list fanotify, list strace
        /t/sub/e: look strace""",
    "chdir /t thread chdir sub stat e": """
        /t/sub: look strace
        /t/sub/e: look strace""",
    "chdir /t fork chdir sub vfork exec /probe stat e": """
        /t/sub: look strace
        /t/sub/e: look strace""",
    "chdir /t/sub stat ../a stat ./e": """
        /t/sub: look strace
        /t/sub/../a: look strace
        /t/sub/e: look strace""",
    "chdir /t/loop open e stat f": """
        /t/loop: look strace
        /t/loop/f: look strace
        /t/sub/e: open fanotify, open strace""",
    "chdir /t chroot jail stat /g stat /t/a stat a open ../../g": """
        /t/a: look strace
        /t/jail: look strace
        /t/jail/g: look strace
        /t/jail/t/a: look strace""",
    "fork setuid 65534 open /t/a stat /t/b": """
        /t/a: open fanotify, open strace
        /t/b: look strace""",
}


@pytest.mark.parametrize(("line", "expected"), MEANINGS.items(), ids=MEANINGS)
def test_what_a_path_means(engine: Engine, sidecar: Sidecar, probe_image: str, line: str, expected: str) -> None:
    found = below(traced(engine, sidecar, probe(probe_image, line)))
    assert [entry for entry in found if "/../../" not in entry] == dump(expected)


@pytest.mark.parametrize(
    "more",
    [
        {"user": "65534"},
        {"read_only": True},
        {"read_only": True, "user": "65534"},
        {"tty": True},
        {"init": True},
        {"cap_drop": ("ALL",), "security_opt": ("no-new-privileges",)},
        {"tmpfs": (("/tmp", ""),)},
        {"network": "none"},
        {"working_dir": "/t"},
    ],
    ids=str,
)
def test_every_kind_of_container(engine: Engine, sidecar: Sidecar, probe_image: str, more: dict[str, object]) -> None:
    recording = traced(engine, sidecar, probe(probe_image, "open /t/a stat /t/b stat /t/none", **more))
    assert below(recording) == dump("/t/a: open fanotify, open strace\n/t/b: look strace\n/t/none: miss strace")
    assert not [access.path for access in recording.accesses if "slimtasks" in access.path]


def test_volumes_and_tmpfs(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    with engine.volume() as volume:
        config = probe(
            probe_image,
            "open /volume/v create /scratch/x open /scratch/x open /etc/hosts",
            volumes=(Mount(volume, "/volume"),),
            tmpfs=(("/scratch", ""),),
        )
        recording = traced(engine, sidecar, config)
    opened = [access.path for access in recording.accesses if access.source == "fanotify" and access.how == "open"]
    assert opened == ["/etc/hosts", "/probe", "/scratch/x", "/volume/v"]


def test_the_programs_are_there(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    recording = traced(engine, sidecar, probe(probe_image, "exec /script say hi"))
    ran = [f"{access.path} {access.source}" for access in recording.accesses if access.how == "exec"]
    assert ran == ["/probe fanotify", "/probe strace", "/script fanotify", "/script strace"]


def test_one_shots_add_up(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    recording = traced(engine, sidecar, probe(probe_image, "stat /t/a"), probe(probe_image, "stat /t/b"))
    assert below(recording) == ["look /t/a strace", "look /t/b strace"]
    assert (recording.containers, recording.commands) == (2, 2)


def test_names(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    names = [
        "/t/new\nline",
        '/t/quo"te',
        "/t/<angle>",
        "/t/blank blank",
        "/t/ends (deleted)",
    ]
    words = [word for name in names for word in ("create", name, "open", name, "stat", name)]
    config = ContainerConfig(probe_image, entrypoint=("/probe",), command=(*words, "hex", "ff80"))
    recording = traced(engine, sidecar, config)
    found = [(access.path, access.how) for access in recording.accesses if access.path.startswith("/t/")]
    expected = {(name, how) for name in names for how in ("open", "write", "look")}
    assert set(found) == expected | {(os.fsdecode(b"/t/\xff\x80"), how) for how in ("open", "write")}


def test_an_exec_is_traced_and_the_engines_own_part_of_it_is_not(
    engine: Engine, sidecar: Sidecar, probe_image: str
) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "chdir /t hold"), b"") as container:
        launcher.start(container)
        done = launcher.exec(container, ("/probe", "say", "hello", "chdir", "/t/sub", "stat", "e", "fail"), "65534", 20)
        assert (done.status, done.stdout) == (7, b"hello\n")
        # A daemon goes on after the command that started it.
        assert launcher.exec(container, ("/probe", "daemon", "sleep", "300", "open", "/t/a"), "", 20).status == 0
        assert launcher.exec(container, ("missing",), "", 20).status == 127
        time.sleep(0.6)
    recording = launcher.finish()
    assert below(recording) == dump("""
        /t/a: open fanotify, open strace
        /t/sub: look strace
        /t/sub/e: look strace
    """)
    # runc reads these in the container to start an exec; nothing in the image does.
    assert not [access for access in recording.accesses if access.path in ("/etc/passwd", "/etc/group")]


def test_a_killed_container_is_complete(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "mkdir /t/many many 3000 say done hold"), b"") as container:
        launcher.start(container)
        deadline = time.monotonic() + 30
        while b"done" not in container.logs() and time.monotonic() < deadline:
            time.sleep(0.1)
    accesses = launcher.finish().accesses
    for source in ("fanotify", "strace"):
        opened = [access for access in accesses if access.source == source and access.how == "open"]
        assert len([access for access in opened if access.path.startswith("/t/many/")]) == 3000


def test_added_files_are_there(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    for read_only in (False, True):
        config = probe(probe_image, "open /t/added", read_only=read_only)
        recording = traced(engine, sidecar, config, files=tar(f("t/added", "x")))
        assert "open /t/added fanotify" in below(recording)


def test_read_only_ones_at_once_leave_no_image(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    before = {image["Id"] for image in engine.images()}
    launcher = TracedLauncher(engine, sidecar)
    config = probe(probe_image, "hold", read_only=True)
    with launcher.create(config, b"") as first, launcher.create(config, b"") as second:
        launcher.start(first)
        launcher.start(second)
    launcher.finish()
    made = [image for image in engine.images() if image["Id"] not in before]
    assert [image["Id"] for image in made if "read-only" in str(image["RepoTags"]) or not image["RepoTags"]] == []


def test_an_image_without_a_command(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with (
        pytest.raises(WorkloadError, match="has neither CMD nor ENTRYPOINT"),
        launcher.create(ContainerConfig(probe_image), b""),
    ):
        pass


def test_a_tracer_that_dies_is_an_incomplete_trace(engine: Engine, tracer_image: str, probe_image: str) -> None:
    with Sidecar(engine, tracer_image) as sidecar:
        launcher = TracedLauncher(engine, sidecar)
        with (
            pytest.raises(IncompleteTrace, match="ended early"),
            launcher.create(probe(probe_image, "hold"), b"") as container,
        ):
            launcher.start(container)
            sidecar._container.kill()
        with pytest.raises(IncompleteTrace):
            launcher.finish()


def test_a_strace_that_dies_is_an_incomplete_trace(engine: Engine, tracer_image: str, probe_image: str) -> None:
    with Sidecar(engine, tracer_image) as sidecar:
        launcher = TracedLauncher(engine, sidecar)
        with launcher.create(probe(probe_image, "hold"), b"") as container:
            launcher.start(container)
            status = Path(f"/proc/{container.pid()}/status").read_text()
            tracer = int(next(line.split()[1] for line in status.splitlines() if line.startswith("TracerPid")))
            os.kill(tracer, signal.SIGKILL)
        with pytest.raises(IncompleteTrace, match="strace was killed by signal 9"):
            launcher.finish()


@contextmanager
def stopped(sidecar: Sidecar) -> Iterator[None]:
    """While inside, the tracer does not get on, so that gates wait."""
    tracer = sidecar._container.pid()
    os.kill(tracer, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(tracer, signal.SIGCONT)


def waiting_gate(container: Container, besides: int = 0) -> int:
    """The host's number of the process of the container that waits in its gate, once it does.

    `besides`: one that was let go, but may not have got on yet.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                waits = (process / "comm").read_text() == "gate waits\n"
                if waits and container.id in (process / "cgroup").read_text() and int(process.name) != besides:
                    return int(process.name)
        time.sleep(0.02)
    raise TimeoutError("no gate waits")


END = {"killed with the container": None, "killed alone": signal.SIGKILL}


@pytest.mark.parametrize("number", END.values(), ids=END)
def test_a_command_that_ends_in_its_gate_is_nothing_missed(
    engine: Engine, sidecar: Sidecar, probe_image: str, number: int | None
) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "open /t/b hold"), b"") as container, ThreadPoolExecutor(1) as pool:
        launcher.start(container)
        with stopped(sidecar):
            command = pool.submit(launcher.exec, container, ("/probe", "open", "/t/a"), "", 30)
            gate = waiting_gate(container, container.pid())
            os.kill(gate, number) if number else container.kill()
        assert command.result().status == 137
    assert below(launcher.finish()) == dump("/t/b: open fanotify, open strace")


def test_a_container_that_ends_in_its_gate_was_not_traced(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "hold"), b"") as container, ThreadPoolExecutor(1) as pool:
        with stopped(sidecar):
            start = pool.submit(launcher.start, container)
            waiting_gate(container)
            container.kill()
        with pytest.raises(EngineError, match="ended before it could be traced"):
            start.result()
    assert launcher.finish().containers == 0


def test_a_gate_that_somebody_else_opens_is_an_incomplete_trace(
    engine: Engine, sidecar: Sidecar, probe_image: str
) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "hold"), b"") as container, ThreadPoolExecutor(1) as pool:
        launcher.start(container)
        with stopped(sidecar):
            command = pool.submit(launcher.exec, container, ("/probe", "open", "/t/a"), "", 30)
            gate = waiting_gate(container, container.pid())
            os.kill(gate, signal.SIGURG)
            deadline = time.monotonic() + 30
            while Path(f"/proc/{gate}").exists() and time.monotonic() < deadline:
                time.sleep(0.02)
        assert command.result().status == 0
    with pytest.raises(IncompleteTrace, match="a process left its gate before it was let go"):
        launcher.finish()


@pytest.mark.slow  # the tracer's patience is 30 s
def test_a_gate_that_waits_on_is_an_incomplete_trace(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "hold"), b"") as container, ThreadPoolExecutor(1) as pool:
        launcher.start(container)
        with stopped(sidecar):
            command = pool.submit(launcher.exec, container, ("/probe", "open", "/t/a"), "", 90)
            os.kill(waiting_gate(container, container.pid()), signal.SIGSTOP)
        with pytest.raises(IncompleteTrace, match="a process never left its gate"):
            command.result()
    with pytest.raises(IncompleteTrace, match="a process never left its gate"):
        launcher.finish()


def test_the_sidecar_ends_with_whoever_started_it(engine: Engine, tracer_image: str) -> None:
    # Ours by its label, or another run's sweep may take what the killed process left before it is looked at.
    script = (
        "import sys; from pathlib import Path; from slimtasks.engine.client import Engine;"
        "from slimtasks.engine.labels import Owner; from slimtasks.trace.sidecar import Sidecar;"
        "owner = Owner.parse(sys.argv[3]); Owner.current = staticmethod(lambda: owner);"
        "s = Sidecar(Engine(Path(sys.argv[1])), sys.argv[2]).__enter__();"
        "print(s._container.id, flush=True); import time; time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(engine.checkout), tracer_image, str(Owner.current())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        identifier = process.stdout.readline().strip()
        process.kill()
    sidecar = Container(engine.connection, identifier, sidecar_config(engine, tracer_image))
    try:
        assert sidecar.wait(timeout=30) == 0
    finally:
        sidecar.remove()
