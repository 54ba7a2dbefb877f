from __future__ import annotations

import os
import resource
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
from trace_images import with_backend
from traced import below, dump, probe, traced

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig, Mount
from slimtasks.engine.container import Container
from slimtasks.engine.labels import Owner
from slimtasks.errors import EngineError, IncompleteTrace, WorkloadError
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.sidecar import Sidecar, sidecar_config
from slimtasks.workload.launcher import run_to_end

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


@pytest.fixture(scope="module", params=["strace", "ebpf"])
def sidecar(engine: Engine, tracer_image: str, request: pytest.FixtureRequest) -> Iterator[Sidecar]:
    """One for the tests that do it no harm, for each source of lookups."""
    with with_backend(engine, tracer_image, request.param) as running:
        yield running


def test_every_way_of_using_a_path(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    line = (
        "open /t/a stat /t/b access /t/c readlink /t/link open /t/link stat /t/none open /t/a/under list /t/sub "
        "create /t/new unlink /t/new mkdir /t/made bind /t/socket connect /t/gone unlink /t/d"
    )
    assert below(traced(engine, sidecar, probe(probe_image, line))) == dump("""
        /t/a: read fanotify, read lookups
        /t/a/under: miss lookups
        /t/b: stat lookups
        /t/c: access lookups
        /t/d: remove lookups
        /t/gone: miss lookups
        /t/link: readlink lookups, read lookups
        /t/made: create lookups
        /t/new: read fanotify, write lookups, create lookups, remove lookups
        /t/none: miss lookups
        /t/socket: bind lookups
        /t/sub: list fanotify, list lookups
    """)


MEANINGS = {
    "chdir /t stat a chdir sub stat e": """
        /t/a: stat lookups
        /t/sub: stat lookups
        /t/sub/e: stat lookups""",
    "fchdir /t stat a fork fchdir sub stat e": """
        /t/a: stat lookups
        /t/sub: list fanotify, list lookups
        /t/sub/e: stat lookups""",
    "chdir /t thread chdir sub stat e": """
        /t/sub: stat lookups
        /t/sub/e: stat lookups""",
    "chdir /t fork chdir sub vfork exec /probe stat e": """
        /t/sub: stat lookups
        /t/sub/e: stat lookups""",
    "chdir /t/sub stat ../a stat ./e": """
        /t/sub: stat lookups
        /t/sub/../a: stat lookups
        /t/sub/e: stat lookups""",
    "chdir /t/loop open e stat f": """
        /t/loop: stat lookups
        /t/loop/f: stat lookups
        /t/sub/e: read fanotify, read lookups""",
    "chdir /t chroot jail stat /g stat /t/a stat a open ../../g": """
        /t/a: stat lookups
        /t/jail: stat lookups
        /t/jail/g: stat lookups
        /t/jail/t/a: stat lookups""",
    "fork setuid 65534 open /t/a stat /t/b": """
        /t/a: read fanotify, read lookups
        /t/b: stat lookups""",
}


@pytest.mark.parametrize(("line", "expected"), MEANINGS.items(), ids=MEANINGS)
def test_what_a_path_means(engine: Engine, sidecar: Sidecar, probe_image: str, line: str, expected: str) -> None:
    found = below(traced(engine, sidecar, probe(probe_image, line)))
    if sidecar.backend.lookups == "ebpf":  # it tells where a process is; strace, how it came there
        expected = expected.replace("/t/loop/f", "/t/sub/f")
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
    assert below(recording) == dump("/t/a: read fanotify, read lookups\n/t/b: stat lookups\n/t/none: miss lookups")
    assert not [use for use in recording.uses if "slimtasks" in use.path + use.program]


def test_volumes_and_tmpfs(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    with engine.volume() as volume:
        config = probe(
            probe_image,
            "open /volume/v create /scratch/x open /scratch/x open /etc/hosts",
            volumes=(Mount(volume, "/volume"),),
            tmpfs=(("/scratch", ""),),
        )
        recording = traced(engine, sidecar, config)
    opened = [use.path for use in recording.uses if use.source == "fanotify" and use.how == "read"]
    assert sorted(opened) == ["/etc/hosts", "/scratch/x", "/volume/v"]


MOUNTS = {
    "tmpfs /t/sub create /t/sub/x": (),
    "bind-mount /t/jail:/t/sub open /t/sub/g": ("/t/sub was mounted",),
    "bind-mount /volume:/t/sub open /t/sub/v": ("/t/sub was mounted",),
    "unshare bind-mount /t/jail:/t/sub open /t/sub/g open /t/a": ("mount namespace of its own, in which opened files",),
    "unshare open /t/a": ("mount namespace of its own, in which opened files",),
}


@pytest.mark.parametrize(("line", "reasons"), MOUNTS.items(), ids=MOUNTS)
@pytest.mark.parametrize("volume", [False, True])
def test_what_is_mounted_later(
    engine: Engine, tracer_image: str, probe_image: str, line: str, reasons: tuple[str, ...], volume: bool
) -> None:
    """What one mark on the root's file system covers needs no reason; all else does, but for what is new and empty."""
    with (
        Sidecar(engine, tracer_image, allow_incomplete=True) as sidecar,
        engine.volume() as name,
    ):
        mounts = (Mount(name, "/volume"),) if volume else ()
        done = f"{line} sleep 200"
        recording = traced(engine, sidecar, probe(probe_image, done, cap_add=("SYS_ADMIN",), volumes=mounts))
    is_whole = recording.marks == "filesystem"
    wanted = reasons if not is_whole or (volume and ("volume" in line or "unshare" in line)) else ()
    assert len(recording.incomplete) == len(wanted)
    assert all(reason in found for reason, found in zip(wanted, recording.incomplete, strict=True))
    if "bind-mount /t/jail:/t/sub" in line:
        assert {"read /t/jail/g fanotify", "read /t/jail/g lookups"} <= set(below(recording))
    if "unshare" in line and is_whole:
        assert "read /t/a fanotify" in below(recording)


def test_the_programs_are_there(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    recording = traced(engine, sidecar, probe(probe_image, "exec /script say hi"))
    ran = {(use.path, use.source) for use in recording.uses if use.how == "exec"}
    sources = ("fanotify", sidecar.backend.lookups)
    assert ran == {(path, source) for path in ("/probe", "/script") for source in sources}


def test_one_shots_add_up(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    recording = traced(engine, sidecar, probe(probe_image, "stat /t/a"), probe(probe_image, "stat /t/b"))
    assert below(recording) == ["stat /t/a lookups", "stat /t/b lookups"]
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
    config = ContainerConfig(probe_image, entrypoint=("/probe",), command=(*words, "create", "hex:2f742fff80"))
    recording = traced(engine, sidecar, config)
    found = {(use.path, use.how) for use in recording.uses if use.path.startswith("/t/")}
    expected = {(name, how) for name in names for how in ("read", "write", "create", "stat")}
    assert found == expected | {(os.fsdecode(b"/t/\xff\x80"), how) for how in ("read", "write", "create")}


def test_an_exec_is_traced_and_the_engines_own_part_of_it_is_not(
    engine: Engine, sidecar: Sidecar, probe_image: str
) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "chdir /t hold"), b"") as container:
        launcher.start(container)
        done = launcher.exec(container, ("/probe", "say", "hello", "chdir", "/t/sub", "stat", "e", "fail"), "65534", 20)
        assert (done.status, done.stdout) == (7, b"hello\n")
        # A daemon goes on after the command that started it.
        daemon = ("/probe", "daemon", "sleep", "300", "open", "/t/a", "mkdir", "/t/done")
        assert launcher.exec(container, daemon, "", 20).status == 0
        assert launcher.exec(container, ("missing",), "", 20).status == 127
        mark, deadline = Path(f"/proc/{container.pid()}/root/t/done"), time.monotonic() + 30
        while not mark.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    recording = launcher.finish()
    assert below(recording) == dump("""
        /t/a: read fanotify, read lookups
        /t/done: create lookups
        /t/sub: stat lookups
        /t/sub/e: stat lookups
    """)
    # runc reads these in the container to start an exec; nothing in the image does.
    assert not [use for use in recording.uses if use.path in ("/etc/passwd", "/etc/group")]


def test_steps_and_programs(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "open /t/a hold"), b"") as container:
        launcher.start(container)
        launcher.step(1)
        launcher.exec(container, ("/probe", "open", "/t/a", "fork", "open", "/t/b"), "", 20)
        # what it set off goes on after it has ended, and still counts for it
        launcher.exec(container, ("/probe", "daemon", "sleep", "30", "open", "/t/c"), "", 20)
        launcher.step(2)
        launcher.exec(container, ("/probe", "exec", "/script", "say", "hi", "open", "/t/d"), "", 20)
        launcher.step(3)
    with launcher.create(probe(probe_image, "open /t/sub/e"), b"") as container:
        assert run_to_end(launcher, container, 30).status == 0
    found = {(use.path, use.step, use.program) for use in launcher.finish().uses if use.how == "read"}
    seen = {(path, step, program) for path, step, program in found if path.startswith("/t/")}
    # The kernel runs a script by its interpreter; strace tells what was asked to be run.
    programs = {program for path, _, program in seen if path == "/t/d"}
    assert "/probe" in programs and programs <= {"/probe", "/script"}
    assert {(path, step, "/probe") for path, step, _ in seen} == {
        *(("/t/a", step, "/probe") for step in (0, 1)),
        ("/t/b", 1, "/probe"),
        ("/t/c", 1, "/probe"),
        ("/t/d", 2, "/probe"),
        ("/t/sub/e", 3, "/probe"),
    }
    assert {program for path, _, program in seen if path in ("/t/a", "/t/sub/e")} == {"/probe"}


def test_which_sources_there_are(engine: Engine, sidecar: Sidecar, tracer_image: str) -> None:
    with Sidecar(engine, tracer_image) as automatic:
        found = automatic.backend
    assert (sidecar.backend.opens, sidecar.backend.why) == ("fanotify", "the spec says so")
    assert found.opens == "fanotify"
    if sidecar.backend.lookups == "ebpf":
        assert (found.lookups, found.why) == ("ebpf", "they can be used here")
    elif found.lookups == "strace":
        assert found.why.startswith("ebpf cannot be used here: ")


def test_a_killed_container_is_complete(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "mkdir /t/many many 3000 say done hold"), b"") as container:
        launcher.start(container)
        deadline = time.monotonic() + 30
        while b"done" not in container.logs() and time.monotonic() < deadline:
            time.sleep(0.1)
    uses = launcher.finish().uses
    for source in {use.source for use in uses}:
        opened = [use for use in uses if use.source == source and use.how == "read"]
        assert len([use for use in opened if use.path.startswith("/t/many/")]) == 3000


def test_added_files_are_there(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    for read_only in (False, True):
        config = probe(probe_image, "open /t/added", read_only=read_only)
        recording = traced(engine, sidecar, config, files=tar(f("t/added", "x")))
        assert "read /t/added fanotify" in below(recording)


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


def tracer_of(pid: int) -> int:
    """The host's number of the strace that traces the process."""
    status = Path(f"/proc/{pid}/status").read_text()
    tracer = int(next(line.split()[1] for line in status.splitlines() if line.startswith("TracerPid")))
    assert tracer  # kill(2) takes 0 for ourselves
    return tracer


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
    with Sidecar(engine, tracer_image, "strace") as sidecar:
        launcher = TracedLauncher(engine, sidecar)
        with launcher.create(probe(probe_image, "hold"), b"") as container:
            launcher.start(container)
            os.kill(tracer_of(container.pid()), signal.SIGKILL)
        with pytest.raises(IncompleteTrace, match="strace was killed by signal 9"):
            launcher.finish()


def test_an_open_that_the_kernel_could_not_tell_is_an_incomplete_trace(
    engine: Engine, tracer_image: str, probe_image: str
) -> None:
    """It opens a descriptor for each event; of one for which it cannot it said nothing, unless that came first."""
    with Sidecar(engine, tracer_image, "fanotify", allow_incomplete=True) as sidecar:
        tracer = sidecar._container.pid()
        launcher = TracedLauncher(engine, sidecar)
        with launcher.create(probe(probe_image, "mkdir /t/many sleep 500 many 3000 say done hold"), b"") as container:
            launcher.start(container)
            most = resource.prlimit(tracer, resource.RLIMIT_NOFILE)
            used = max(int(entry.name) for entry in Path(f"/proc/{tracer}/fd").iterdir())
            resource.prlimit(tracer, resource.RLIMIT_NOFILE, (used + 2, most[1]))
            deadline = time.monotonic() + 30
            while b"done" not in container.logs() and time.monotonic() < deadline:
                time.sleep(0.1)
            resource.prlimit(tracer, resource.RLIMIT_NOFILE, most)
        recording = launcher.finish()
    seen = [use for use in recording.uses if use.how == "read" and use.path.startswith("/t/many/")]
    told = "an opened file could not be read: Too many open files" in recording.incomplete
    assert told == (len(seen) < 3000)


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
    assert below(launcher.finish()) == dump("/t/b: read fanotify, read lookups")


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


def test_a_strace_that_dies_is_told_where_that_is_allowed(engine: Engine, tracer_image: str, probe_image: str) -> None:
    with Sidecar(engine, tracer_image, "strace", allow_incomplete=True) as sidecar:
        launcher = TracedLauncher(engine, sidecar)
        with launcher.create(probe(probe_image, "open /t/a sleep 1000 open /t/b hold"), b"") as container:
            launcher.start(container)
            launcher.step(1)
            os.kill(tracer_of(container.pid()), signal.SIGKILL)
            time.sleep(1.5)
        recording = launcher.finish()
    assert "strace was killed by signal 9" in recording.incomplete
    assert {"read /t/a fanotify", "read /t/a lookups", "read /t/b fanotify"} <= set(below(recording))


def test_a_tracer_that_dies_is_told_where_that_is_allowed(engine: Engine, tracer_image: str, probe_image: str) -> None:
    with Sidecar(engine, tracer_image, allow_incomplete=True) as sidecar:
        launcher = TracedLauncher(engine, sidecar)
        with launcher.create(probe(probe_image, "open /t/a hold"), b"") as container:
            launcher.start(container)
            launcher.step(1)
            sidecar._container.kill()
            launcher.step(2)
            # Nobody is there to let it go.
            with pytest.raises(IncompleteTrace, match="ended early"):
                launcher.exec(container, ("/probe",), "", 20)
        recording = launcher.finish()
    assert recording.incomplete == ("the tracer ended before the container did", "the tracer ended early")
    assert below(recording) == ["read /t/a fanotify", "read /t/a lookups"]


def test_a_process_that_strace_is_not_put_on_is_an_incomplete_trace(
    engine: Engine, sidecar: Sidecar, probe_image: str
) -> None:
    if sidecar.backend.lookups != "strace":
        pytest.skip("eBPF follows it")
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "hold"), b"") as container:
        launcher.start(container)
        container.exec(("/probe", "open", "/t/a", "sleep", "1000")).run()  # not by the launcher: nothing holds it
    with pytest.raises(IncompleteTrace, match="strace is not attached to a process that runs /probe"):
        launcher.finish()


@pytest.mark.parametrize(("backend", "count"), [("ebpf", 2000), ("strace", 300), ("fanotify", 2000)])
def test_processes_that_hardly_live_are_not_missed(
    engine: Engine, tracer_image: str, probe_image: str, backend: str, count: int
) -> None:
    with Sidecar(engine, tracer_image, backend) as sidecar:
        recording = traced(engine, sidecar, probe(probe_image, f"mkdir /t/many children {count}"))
    for source in {use.source for use in recording.uses}:
        opened = {use.path for use in recording.uses if use.source == source and use.path.startswith("/t/many/")}
        assert len(opened) == count, source


@pytest.mark.parametrize("backend", ["ebpf", "strace", "fanotify", "inotify"])
def test_every_backend(engine: Engine, tracer_image: str, probe_image: str, backend: str) -> None:
    with with_backend(engine, tracer_image, backend) as sidecar:
        launcher = TracedLauncher(engine, sidecar)
        line = "open /t/a stat /t/b list /t/sub mkdir /t/made create /t/made/x hold"
        with launcher.create(probe(probe_image, line), b"") as container:
            launcher.start(container)
            launcher.step(1)
            launcher.exec(container, ("/probe", "open", "/t/c"), "", 20)
        recording = launcher.finish()
        found = sidecar.backend
    opens = "inotify" if backend == "inotify" else "fanotify"
    assert (found.opens, found.lookups, found.why) == (
        opens,
        backend if backend in ("ebpf", "strace") else "none",
        "the spec says so",
    )
    told = [note.partition(":")[0] for note in found.unseen]
    assert (
        told
        == {
            "ebpf": [],
            "strace": [],
            "fanotify": ["LOOKUPS ARE NOT SEEN"],
            "inotify": ["LOOKUPS ARE NOT SEEN", "PROGRAMS ARE NOT SEEN by inotify"],
        }[backend]
    )
    seen = {
        (use.how, use.path, use.step) for use in recording.uses if use.source == opens and use.path.startswith("/t/")
    }
    assert seen - {("read", "/t/made/x", 0)} == {("read", "/t/a", 0), ("list", "/t/sub", 0), ("read", "/t/c", 1)}
    assert {use.source for use in recording.uses} == {opens, *({backend} & {"ebpf", "strace"})}
    if backend != "inotify":
        assert ("read", "/t/made/x", 0) in seen
        assert {use.program for use in recording.uses if use.path in ("/t/a", "/t/c")} == {"/probe"}


def test_a_name_that_is_no_backend(engine: Engine, tracer_image: str) -> None:
    with (
        pytest.raises(IncompleteTrace, match="not understood: backend ptrace"),
        Sidecar(engine, tracer_image, "ptrace"),
    ):
        pass


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
