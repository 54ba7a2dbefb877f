from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tars import f, tar
from trace_images import with_backend
from traced import LOOKUPS, below, dump, probe, traced

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig, Mount
from slimtasks.errors import IncompleteTrace, WorkloadError
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.sidecar import Sidecar
from slimtasks.workload.launcher import run_to_end

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


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
    if sidecar.backend.lookups != "strace":  # which tells how a process came to where it is; the others, where that is
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
    elif found.lookups != "ebpf":
        assert found.why.startswith("ebpf cannot be used here: ")


@pytest.mark.parametrize("backend", LOOKUPS)
def test_lookups_of_the_start_alone(engine: Engine, tracer_image: str, probe_image: str, backend: str) -> None:
    with with_backend(engine, tracer_image, backend, lookups="startup") as sidecar:
        launcher = TracedLauncher(engine, sidecar)
        line = "stat /t/a fork stat /t/none sleep 4000 open /t/b stat /t/c"
        with launcher.create(probe(probe_image, line), b"") as container:
            launcher.start(container)
            launcher.step(1)
            launcher.exec(container, ("/probe", "open", "/t/d", "stat", "/t/d"), "", 20)
            container.wait(timeout=30)
        with launcher.create(probe(probe_image, "stat /t/sub"), b"") as container:
            run_to_end(launcher, container, 60)
        found = below(launcher.finish())
    assert found == dump("""
        /t/a: stat lookups
        /t/b: read fanotify
        /t/d: read fanotify
        /t/none: miss lookups
        /t/sub: stat lookups""")


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


@pytest.mark.parametrize(("backend", "count"), [("ebpf", 2000), ("notify", 2000), ("strace", 300), ("fanotify", 2000)])
def test_processes_that_hardly_live_are_not_missed(
    engine: Engine, tracer_image: str, probe_image: str, backend: str, count: int
) -> None:
    with Sidecar(engine, tracer_image, backend) as sidecar:
        recording = traced(engine, sidecar, probe(probe_image, f"mkdir /t/many children {count}"))
    for source in {use.source for use in recording.uses}:
        opened = {use.path for use in recording.uses if use.source == source and use.path.startswith("/t/many/")}
        assert len(opened) == count, source


@pytest.mark.parametrize("backend", ["ebpf", "notify", "strace", "fanotify", "inotify"])
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
        backend if backend in LOOKUPS else "none",
        "the spec says so",
    )
    told = [note.partition(":")[0] for note in found.unseen]
    assert (
        told
        == {
            "ebpf": [],
            "notify": [],
            "strace": [],
            "fanotify": ["LOOKUPS ARE NOT SEEN"],
            "inotify": ["LOOKUPS ARE NOT SEEN", "PROGRAMS ARE NOT SEEN by inotify"],
        }[backend]
    )
    seen = {
        (use.how, use.path, use.step) for use in recording.uses if use.source == opens and use.path.startswith("/t/")
    }
    assert seen - {("read", "/t/made/x", 0)} == {("read", "/t/a", 0), ("list", "/t/sub", 0), ("read", "/t/c", 1)}
    assert {use.source for use in recording.uses} == {opens, *({backend} & {*LOOKUPS})}
    if backend != "inotify":
        assert ("read", "/t/made/x", 0) in seen
        assert {use.program for use in recording.uses if use.path in ("/t/a", "/t/c")} == {"/probe"}


def test_a_name_that_is_no_backend(engine: Engine, tracer_image: str) -> None:
    with (
        pytest.raises(IncompleteTrace, match="not understood: backend ptrace"),
        Sidecar(engine, tracer_image, "ptrace"),
    ):
        pass
