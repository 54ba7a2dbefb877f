"""Runs the probe under the tracer, and what was seen of it, as sorted lines.

PYTEST_DONT_REWRITE: modules import it before pytest could; what it asserts has its own message.
"""

from __future__ import annotations

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.recording import Recording
from slimtasks.trace.sidecar import Sidecar
from slimtasks.workload.launcher import run_to_end

LOOKUPS = {"strace": "lookups", "ebpf": "lookups", "notify": "lookups"}


def probe(image: str, line: str, **more: object) -> ContainerConfig:
    """A container of the probe that does what `line` says."""
    return ContainerConfig(image, entrypoint=("/probe",), command=tuple(line.split()), **more)  # type: ignore[arg-type]


def traced(engine: Engine, sidecar: Sidecar, *configs: ContainerConfig, files: bytes = b"") -> Recording:
    """Runs containers to their ends, one after the other."""
    launcher = TracedLauncher(engine, sidecar)
    for config in configs:
        with launcher.create(config, files) as container:
            done = run_to_end(launcher, container, 60)
            assert done.status == 0, done
    return launcher.finish()


def below(recording: Recording, folder: str = "/t/") -> list[str]:
    """What was used below a folder as sorted lines, e.g. 'read /t/a fanotify'; those of lookups are `lookups`."""
    used = [use for use in recording.uses if use.path.startswith(folder)]
    return sorted({f"{use.how} {use.path} {LOOKUPS.get(use.source, use.source)}" for use in used})


def dump(text: str) -> list[str]:
    """The lines of a table of 'path: how source, how source', in the order of `below`."""
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        path, _, ways = line.rpartition(": ")
        found += [f"{how} {path} {source}" for how, source in (way.split() for way in ways.split(", "))]
    return sorted(found)
