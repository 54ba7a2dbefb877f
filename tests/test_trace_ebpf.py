from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from tars import f, link
from trace_images import folders, loaded, program, with_backend
from traced import below, paused, probe, traced

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.errors import IncompleteTrace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.recording import Recording
from slimtasks.trace.sidecar import Sidecar

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


@pytest.fixture(scope="module")
def sidecar(engine: Engine, tracer_image: str) -> Iterator[Sidecar]:
    with with_backend(engine, tracer_image, "ebpf") as running:
        yield running


@pytest.fixture(scope="module")
def corners_image(engine: Engine, programs: Path) -> Iterator[str]:
    """The tag of an image with /probe and a few files below /t, where anybody may write."""
    members = [
        program("/probe", programs / "probe"),
        *(f(f"t/{name}", "content") for name in ("a", "one/config", "two/config", "jail/t/a", "jail/one/config")),
        *(f(f"etc/{name}", "root:x:0:\n") for name in ("passwd", "group")),
        link("t/link", "one"),
    ]
    with loaded(engine, "corners", [*folders(members, open_ones=("t",)), *members]) as tag:
        yield tag


def looked_up(recording: Recording) -> list[str]:
    """What ebpf saw below /t and of what is not there, as 'how path'."""
    uses = [use for use in recording.uses if use.source == "ebpf" and (use.path.startswith("/t") or use.how == "miss")]
    return sorted({f"{use.how} {use.path}" for use in uses})


WITH_SYS_ADMIN = {"cap_add": ("SYS_ADMIN",), "security_opt": ("apparmor=unconfined",)}
STARTS = {
    "chdir /t/one stat config chdir /t/two stat config": (
        "stat /t/one, stat /t/one/config, stat /t/two, stat /t/two/config"
    ),
    "at /t/one config at /t/two config": "stat /t/one, stat /t/one/config, stat /t/two, stat /t/two/config",
    "chdir /t chdir link stat config": "stat /t, stat /t/link, stat /t/one/config",
    "chdir /t/one chroot /t/jail stat /t/a chdir ../two stat config chroot /t": (
        "stat /t/one, stat /t/jail, stat /t/jail/t/a, stat /t/one/../two, stat /t/two/config, stat /t/jail/t"
    ),
    "stat /absent/x chdir /t open absent open a/b": "stat /t, miss /absent/x, miss /t/absent, miss /t/a/b",
    "rename /t/a /t/b create /t/new create /t/b update /t/b": (
        "rename /t/a, rename /t/b, create /t/new, write /t/new, write /t/b, read /t/b"
    ),
    "32bit /t/a 32bit /t/none": "access /t/a, miss /t/none",
    "unreadable memfd stat /t/a": "stat /t/a",
}


@pytest.mark.parametrize(("line", "expected"), STARTS.items(), ids=STARTS)
def test_the_string_and_where_it_starts(
    engine: Engine, sidecar: Sidecar, corners_image: str, line: str, expected: str
) -> None:
    recording = traced(engine, sidecar, probe(corners_image, line))
    assert looked_up(recording) == sorted(expected.split(", "))


FOLLOWED = {
    "pid-namespace stat /t/a": "stat /t/a",
    "unshare chdir /t stat a stat /t/none": "stat /t, stat /t/a, miss /t/none",
    "thread-exec /probe stat /t/a": "stat /t/a",
    "in-root /t/jail /t/a": "stat /t/jail, read /t/jail/t/a",
}


@pytest.mark.parametrize(("line", "expected"), FOLLOWED.items(), ids=FOLLOWED)
def test_every_process_is_followed(
    engine: Engine, sidecar: Sidecar, corners_image: str, line: str, expected: str
) -> None:
    recording = traced(engine, sidecar, probe(corners_image, line, **WITH_SYS_ADMIN))
    assert looked_up(recording) == sorted(expected.split(", "))
    assert {use.program for use in recording.uses if use.path.startswith("/t/")} <= {"/probe", ""}


def test_a_command_that_passed_no_gate(engine: Engine, sidecar: Sidecar, probe_image: str) -> None:
    """As a health check or another `docker exec` begins."""
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(ContainerConfig(probe_image, entrypoint=("/probe",), command=("hold",)), b"") as container:
        launcher.start(container)
        launcher.step(3)
        with container.exec(("/probe", "chdir", "/t", "stat", "b", "fork", "stat", "/t/c")).start() as stream:
            stream.read_all(1000, 20)
    found = {(use.how, use.path, use.step, use.program) for use in launcher.finish().uses if use.source == "ebpf"}
    assert {use for use in found if use[2] == 3} == {
        ("exec", "/probe", 3, ""),
        ("readlink", "/proc/self/exe", 3, "/probe"),
        ("stat", "/t", 3, "/probe"),
        ("stat", "/t/b", 3, "/probe"),
        ("stat", "/t/c", 3, "/probe"),
    }


def test_the_engines_own_work_is_not_the_containers(engine: Engine, sidecar: Sidecar, corners_image: str) -> None:
    """It looks for the user before it starts a command, by the same process; when that is asked for, both are gone."""
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(ContainerConfig(corners_image, entrypoint=("/probe",), command=("hold",)), b"") as container:
        launcher.start(container)
        with paused(engine, sidecar):
            for _ in range(3):
                assert container.exec(("/probe", "open", "/t/a", "fork", "open", "/t/one/config")).run(20)[0] == 0
    opened = ["/t/a", "/t/one/config"]
    told = {f"read {path} {source}" for path in opened for source in ("fanotify", "lookups")}
    assert set(below(launcher.finish(), "/t")) == told
    (target,) = launcher._targets.values()
    assert not [use for use in target.uses if use.path.startswith("/etc")]
    assert target.count("dropped") >= 3  # there was something to tell apart


UNSURE = {
    "pivot /t stat /a": "/probe went to another tree of mounts",
    "overwrite /t/link": "/probe had a path overwritten by the result of the call that it was for",
}


@pytest.mark.parametrize(("line", "reason"), UNSURE.items(), ids=UNSURE)
def test_what_cannot_be_told_is_incomplete(
    engine: Engine, sidecar: Sidecar, corners_image: str, line: str, reason: str
) -> None:
    more = {**WITH_SYS_ADMIN, "security_opt": ("apparmor=unconfined", "seccomp=unconfined")}
    with pytest.raises(IncompleteTrace, match=reason):
        traced(engine, sidecar, probe(corners_image, line, **more))


def test_facts(engine: Engine, sidecar: Sidecar, corners_image: str) -> None:
    line = "tcp 8080 udp 53 reach 9 queues open /dev/null chown /t/a"
    told = traced(engine, sidecar, probe(corners_image, line)).facts
    assert {fact.program for fact in told} == {"/probe"}
    facts = {(fact.kind, fact.value) for fact in told}
    calls = {value for kind, value in facts if kind == "syscall"}
    assert {fact for fact in facts if fact[0] not in ("syscall", "capability")} == {
        ("bind", "tcp 0.0.0.0:8080"),
        ("bind", "udp 0.0.0.0:53"),
        ("connect", "tcp 127.0.0.1:9"),
        ("ipc", "sysv shm"),
        ("ipc", "sysv msg"),
        ("device", "/dev/null"),
    }
    assert {"bind", "connect", "shmget", "exit_group"} <= calls
    assert not {"execve", "fork", "mount"} & calls
    capabilities = {value for kind, value in facts if kind == "capability"}
    assert "CHOWN" in capabilities or not capabilities  # kernels before 6.14 tell of none


@pytest.mark.skipif(platform.machine() != "x86_64", reason="its 32-bit calls are known")
def test_calls_of_32_bits(engine: Engine, sidecar: Sidecar, corners_image: str) -> None:
    facts = traced(engine, sidecar, probe(corners_image, "32bit /t/a")).facts
    assert "32bit:access" in {fact.value for fact in facts if fact.kind == "syscall"}


def test_as_many_as_there_were(engine: Engine, sidecar: Sidecar, corners_image: str) -> None:
    """More than the kernel remembers: what was pushed out is told again, and nothing is lost."""
    recording = traced(engine, sidecar, probe(corners_image, "misses 200000 misses 1000"))
    missed = {use.path for use in recording.uses if use.how == "miss" and use.path.startswith("/t/none/")}
    assert missed == {f"/t/none/{number}" for number in range(200000)}
