"""What the seccomp filter tells of calls before they are made, and what can be said of how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tars import f, link
from trace_images import folders, loaded, program, with_backend
from traced import probe, traced

from slimtasks.engine.client import Engine
from slimtasks.errors import IncompleteTrace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.sidecar import Sidecar

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


@pytest.fixture(scope="module")
def sidecar(engine: Engine, tracer_image: str) -> Iterator[Sidecar]:
    with with_backend(engine, tracer_image, "notify") as running:
        yield running


@pytest.fixture(scope="module")
def asking_image(engine: Engine, programs: Path) -> Iterator[str]:
    """The tag of an image with /probe, the same with the setuid bit, and a few files and links below /t."""
    made = program("/probe", programs / "probe")
    members = [
        made,
        f("setuid", made[1], 0o4755),
        *(f(f"t/{name}", "content") for name in ("a", "one/config", "jail/t/a", "jail/config")),
        link("t/link", "one"),
        link("t/out", "/t/one"),
        link("t/dangling", "nowhere"),
    ]
    with loaded(engine, "asking", [*folders(members, open_ones=("t",)), *members]) as tag:
        yield tag


ENDS = {
    "stat /t/dangling readlink /t/dangling readlink /t/none": ("miss /t/dangling, readlink /t/dangling, miss /t/none"),
    "stat /t/link/config stat /t/out/config stat /t/a/x": "stat /t/link/config, stat /t/out/config, miss /t/a/x",
    "chdir /t chdir link stat config stat ../a": "stat /t, stat /t/link, stat /t/one/config, stat /t/one/../a",
    "chroot /t/jail stat /config stat /t/one chdir t stat a chdir /t stat a": (
        "stat /t/jail, stat /t/jail/config, miss /t/jail/t/one, stat /t, stat /t/a, stat /t/jail/t, stat /t/jail/t/a"
    ),
    "rename /t/a /t/b create /t/new create /t/b update /t/b": (
        "rename /t/a, rename /t/b, create /t/new, write /t/new, write /t/b, read /t/b"
    ),
    "mkdir /t/made mkdir /t/one mkdir /t/none/x": "create /t/made, stat /t/one, miss /t/none/x",
    "unlink /t/none unlink /t/dangling": "miss /t/none, remove /t/dangling",
    "list /t/one open /t/one": "list /t/one",
}


@pytest.mark.parametrize(("line", "expected"), ENDS.items(), ids=ENDS)
def test_how_it_ends(engine: Engine, sidecar: Sidecar, asking_image: str, line: str, expected: str) -> None:
    uses = traced(engine, sidecar, probe(asking_image, line)).uses
    found = {f"{use.how} {use.path}" for use in uses if use.source == "notify" and use.path.startswith("/t")}
    assert sorted(found) == sorted(expected.split(", "))
    assert {use.program for use in uses if use.path.startswith("/t/")} <= {"/probe"}


def test_facts_of_notify(engine: Engine, sidecar: Sidecar, asking_image: str) -> None:
    told = traced(engine, sidecar, probe(asking_image, "tcp 8080 udp 53 reach 9 queues open /dev/null")).facts
    assert {(fact.program, fact.kind, fact.value) for fact in told} == {
        ("/probe", "bind", "tcp 0.0.0.0:8080"),
        ("/probe", "bind", "udp 0.0.0.0:53"),
        ("/probe", "connect", "tcp 127.0.0.1:9"),
        ("/probe", "ipc", "sysv shm"),
        ("/probe", "ipc", "sysv msg"),
        ("/probe", "device", "/dev/null"),
    }


def test_rights_that_the_filter_takes(engine: Engine, sidecar: Sidecar, asking_image: str) -> None:
    """Who has no_new_privs anyway loses nothing by the filter; nor does who has the rights already."""
    line = "exec /setuid stat /t/a"
    for more in ({"user": "65534", "security_opt": ("no-new-privileges",)}, {"user": "0"}):
        assert not traced(engine, sidecar, probe(asking_image, line, **more)).incomplete
    with pytest.raises(IncompleteTrace, match="/probe executes a file that would give it other rights"):
        traced(engine, sidecar, probe(asking_image, line, user="65534"))


def test_a_container_that_takes_no_filter(engine: Engine, sidecar: Sidecar, asking_image: str) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["seccomp"], "action": "SCMP_ACT_ERRNO"}],
    }
    launcher = TracedLauncher(engine, sidecar)
    config = probe(asking_image, "stat /t/a", security_opt=(f"seccomp={json.dumps(profile)}",))
    with launcher.create(config, b"") as container, pytest.raises(IncompleteTrace, match="cannot install its filter"):
        launcher.start(container)


def test_another_tree_of_mounts(engine: Engine, sidecar: Sidecar, asking_image: str) -> None:
    free = {"cap_add": ("SYS_ADMIN",), "security_opt": ("apparmor=unconfined", "seccomp=unconfined")}
    with pytest.raises(IncompleteTrace, match="went to another tree of mounts"):
        traced(engine, sidecar, probe(asking_image, "pivot /t stat /a", **free))


def test_calls_of_notify_that_are_many(engine: Engine, sidecar: Sidecar, asking_image: str) -> None:
    uses = traced(engine, sidecar, probe(asking_image, "misses 20000")).uses
    missed = {use.path for use in uses if use.how == "miss" and use.path.startswith("/t/none/")}
    assert missed == {f"/t/none/{number}" for number in range(20000)}
