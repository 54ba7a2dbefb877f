"""What is recorded of a container that runs already."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine_images import APPLETS, image_of
from tars import d, f, link, tar
from trace_images import with_backend
from traced import below, dump, probe

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.engine.stream import Stream
from slimtasks.trace.recording import Recording, TracedContainer, union
from slimtasks.trace.sidecar import Sidecar

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


@pytest.fixture(scope="module")
def shell_image(engine: Engine, busybox_layer: bytes) -> Iterator[str]:
    """The tag of an image with a busybox and a few files below /t."""
    tag = engine.temporary_tag("test", "shell")
    engine.load_stream(iter([image_of(tag, busybox_layer)]))
    yield tag
    engine.untag(tag)


@pytest.fixture(scope="module")
def busybox_layer(busybox: Path) -> bytes:
    names = ("before", "held", "a", "b", "c", "sub/e")
    return tar(
        *(d(name, 0o1777 if name == "tmp" else 0o755) for name in ("bin", "etc", "tmp", "t", "t/sub")),
        f("bin/busybox", busybox.read_bytes(), 0o755),
        *(link(f"bin/{name}", "busybox") for name in APPLETS),
        *(f(f"t/{name}", "content") for name in names),
    )


class Shell:
    """A container whose first process is a shell that does what it is told."""

    def __init__(self, container: Container, stream: Stream) -> None:
        self.container = container
        self._stream = stream

    def do(self, line: str) -> None:
        """Returns once it is done."""
        self._stream.write(f"{line}\necho done\n".encode())
        said = b""
        while b"done\n" not in said:
            frame = self._stream.read(30)
            assert frame is not None, said
            said += frame[1]


@contextmanager
def shell(engine: Engine, image: str, **more: object) -> Iterator[Shell]:
    config = ContainerConfig(image, entrypoint=("/bin/sh",), command=(), stdin_open=True, **more)  # type: ignore[arg-type]
    with engine.container(config) as container, container.attach() as stream:
        container.start()
        yield Shell(container, stream)


@contextmanager
def recorded(engine: Engine, tracer: str, backend: str, container: Container) -> Iterator[list[Recording]]:
    """What the container does while inside; the recording is there afterwards."""
    found: list[Recording] = []
    with with_backend(engine, tracer, backend) as sidecar:
        target = joined(sidecar, container)
        yield found
        sidecar.stop(target)
        found.append(union([target]))


def joined(sidecar: Sidecar, container: Container) -> TracedContainer:
    target = sidecar.join(container.pid())
    assert target.problems == set() and target.released
    return target


def test_what_it_has_open_and_what_it_does(engine: Engine, tracer_image: str, shell_image: str) -> None:
    with shell(engine, shell_image) as told:
        told.do("cat /t/before >/dev/null; exec 7</t/held; cd /t; sleep 1000 &")
        with recorded(engine, tracer_image, "ebpf", told.container) as found:
            told.do("[ -e none ]; cd sub; [ -e e ]; cat /t/a >/dev/null")
            assert told.container.exec(("cat", "/t/b")).run() == (0, b"content", b"")
        told.do("cat /t/c >/dev/null")
        assert told.container.running()
    assert below(found[0]) == dump("""
        /t/held: read proc
        /t/a: read fanotify, read lookups
        /t/b: read fanotify, read lookups
        /t/none: miss lookups
        /t/sub: stat lookups
        /t/sub/e: stat lookups
    """)
    assert {f"{use.how} {use.path}" for use in found[0].uses if use.source == "proc"} >= {
        "exec /bin/busybox",
        "map /bin/busybox",
        "stat /t",
        "read /t/held",
    }
    execs = {(use.path, use.source) for use in found[0].uses if use.how == "exec"}
    assert execs >= {("/bin/cat", "ebpf"), ("/bin/busybox", "fanotify")}
    assert {use.program for use in found[0].uses if use.path in ("/t/none", "/t/a", "/t/b")} <= {"/bin/busybox", ""}
    assert not [use.path for use in found[0].uses if use.path.startswith("/.slimtasks")]


@pytest.mark.parametrize("backend", ["fanotify", "inotify"])
def test_opens_alone(engine: Engine, tracer_image: str, shell_image: str, backend: str) -> None:
    with shell(engine, shell_image) as told:
        told.do("cat /t/before >/dev/null; exec 7</t/held; cd /t")
        with recorded(engine, tracer_image, backend, told.container) as found:
            told.do("cat a >/dev/null; [ -e none ]")
            assert told.container.exec(("cat", "/t/b")).run() == (0, b"content", b"")
    assert below(found[0]) == dump(f"/t/held: read proc\n/t/a: read {backend}\n/t/b: read {backend}")


def test_every_thread_that_runs_already(engine: Engine, tracer_image: str, probe_image: str) -> None:
    waits = probe(probe_image, "chdir /t say on thread sleep 4000 stat a chdir sub stat e hold")
    with engine.container(waits) as container, container.attach() as stream:
        container.start()
        assert stream.read(30) == (1, b"on\n")
        time.sleep(0.5)  # its thread sleeps
        with recorded(engine, tracer_image, "ebpf", container) as found:
            time.sleep(5)
    assert below(found[0]) == dump("""
        /t/a: stat lookups
        /t/sub: stat lookups
        /t/sub/e: stat lookups
    """)
    assert {use.program for use in found[0].uses if use.path.startswith("/t/")} == {"/probe"}


def test_twice_at_once_and_one_after_the_other(engine: Engine, tracer_image: str, shell_image: str) -> None:
    with (
        shell(engine, shell_image) as told,
        shell(engine, shell_image) as other,
        with_backend(engine, tracer_image, "ebpf") as sidecar,
    ):
        targets = [joined(sidecar, told.container), joined(sidecar, other.container)]
        told.do("cat /t/a >/dev/null")
        other.do("cat /t/b >/dev/null")
        sidecar.stop(targets[0])
        targets.append(joined(sidecar, told.container))
        told.do("cat /t/c >/dev/null; [ -e /t/a ]")
        for target in targets[1:]:
            sidecar.stop(target)
    assert [below(union([target])) for target in targets] == [
        dump("/t/a: read fanotify, read lookups"),
        dump("/t/b: read fanotify, read lookups"),
        dump("/t/c: read fanotify, read lookups\n/t/a: stat lookups"),
    ]


def test_a_container_that_ends(engine: Engine, tracer_image: str, shell_image: str) -> None:
    with shell(engine, shell_image) as told, with_backend(engine, tracer_image, "ebpf") as sidecar:
        target = joined(sidecar, told.container)
        told.do("cat /t/a >/dev/null")
        told.container.kill()
        sidecar.wait(target, 60)
        assert target.done
        sidecar.stop(target)
        assert below(union([target])) == dump("/t/a: read fanotify, read lookups")


def test_processes_that_are_not_there_or_in_no_container(engine: Engine, tracer_image: str) -> None:
    with with_backend(engine, tracer_image, "fanotify") as sidecar:
        target = sidecar.join(2**22 - 1)
        assert (target.released, target.problems, target.done) == (set(), set(), True)
        target = sidecar.join(os.getpid())
        assert (target.released, target.problems) == (
            set(),
            {"it is in no container: its root directory is the host's"},
        )
