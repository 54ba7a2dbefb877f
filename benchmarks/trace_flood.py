"""One flood of opens under one backend, as a process of its own whose memory is the host side's; prints JSON.

Both sides are counted: what the flood did, and what the trace has of it. The host side's memory is that of the whole
stage, the trace written and read back; what a selection from it takes is told apart.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measuring import CHECKOUT
from sandbox import Engine, engine
from trace_backends import launching

from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.labels import RUN
from slimtasks.errors import IncompleteTrace
from slimtasks.rootfs import Tree
from slimtasks.selection import Inputs, select
from slimtasks.trace.file import Trace, read_trace, write_trace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.recording import Recording
from slimtasks.trace.summary import accesses, programs

PATIENCE = 300.0  # seconds


def main() -> None:
    image, tracer, backend, files, *pace = sys.argv[1:]
    made = engine(CHECKOUT)
    with launching(made, tracer, backend) as launcher:
        assert isinstance(launcher, TracedLauncher)
        config = ContainerConfig(image, entrypoint=("/flood", files, *pace), command=())
        found: dict[str, Any] = {"files": int(files)}
        try:
            with launcher.create(config, b"") as container, container.attach() as stream:
                launcher.start(container)
                while (piece := stream.read(PATIENCE)) and b"ready" not in piece[1]:
                    pass
                container.kill("USR1")
                done, took = stream.read_all(None, PATIENCE)[0].split()
                found |= {"done": int(done), "took": float(took)}
                began = time.monotonic()
            recording = launcher.finish()
            found["drained"] = time.monotonic() - began
            found |= seen(recording)
            found |= staged(recording)
        except IncompleteTrace as error:
            found |= {"incomplete": error.what, "drained": time.monotonic() - began, "host": peak()}
        found["sidecar"] = sidecar_memory(made)
    print(json.dumps(found))


def seen(recording: Recording) -> dict[str, Any]:
    """What the trace has of the flood's files, by source."""
    counts: Counter[str] = Counter()
    for path, uses in groupby(recording.uses, lambda use: use.path):
        counts.update({use.source for use in uses if use.how == "read" and path.startswith("/f/")})
    return {"paths": dict(counts), "events": recording.events, "lines": recording.lines}


def staged(recording: Recording) -> dict[str, Any]:
    """What the stage makes of it, and a selection of that: seconds, and bytes of this process at most until then."""
    began, tree = time.monotonic(), Tree(())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.jsonl"
        made = programs(recording.uses, recording.facts, tree)
        write_trace(path, Trace({}, accesses(recording.uses, tree), made))
        trace = read_trace(path)
        assert trace.header["lines"] == sum(1 for _ in trace.accesses) + len(made)
        found = {"written": time.monotonic() - began, "host": peak()}
        select(Inputs((), tuple(trace.accesses), granularity="file"))
    return found | {"selecting": peak()}


def peak() -> int:
    """Bytes of this process that were resident at once, at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sidecar_memory(made: Engine) -> int:
    """Bytes that its cgroup held at once, at most: processes, page cache, and queues and maps in the kernel.

    Where the engine does not tell the maximum (cgroup v2): what it holds now.
    """
    filters = json.dumps({"label": [f"{RUN}={made.run}"]})
    (sidecar,) = made.connection.json(
        "GET", "/containers/json", params={"filters": filters}, doing="listing containers"
    )
    path = f"/containers/{sidecar['Id']}/stats"
    stats = made.connection.json("GET", path, params={"stream": "0"}, doing="reading the sidecar's memory")[
        "memory_stats"
    ]
    return int(stats.get("max_usage") or stats["usage"])


if __name__ == "__main__":
    main()
