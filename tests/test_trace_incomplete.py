"""Sources that fail or die: the trace is not complete, and says so."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from traced import below, probe

from slimtasks.engine.client import Engine
from slimtasks.engine.container import Container
from slimtasks.engine.labels import Owner
from slimtasks.errors import IncompleteTrace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.sidecar import Sidecar, sidecar_config

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


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


def test_a_process_that_nothing_is_put_on_is_an_incomplete_trace(
    engine: Engine, sidecar: Sidecar, probe_image: str
) -> None:
    source = sidecar.backend.lookups
    if source == "ebpf":
        pytest.skip("eBPF follows it")
    launcher = TracedLauncher(engine, sidecar)
    with launcher.create(probe(probe_image, "hold"), b"") as container:
        launcher.start(container)
        container.exec(("/probe", "open", "/t/a", "sleep", "1000")).run()  # not by the launcher: nothing holds it
    with pytest.raises(IncompleteTrace, match=f"{source} is not attached to a process that runs /probe"):
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
