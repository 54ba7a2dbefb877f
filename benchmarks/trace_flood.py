"""One flood of opens under one backend, as a process of its own whose memory is the host side's; prints JSON.

Both sides are counted: what the flood did, and what the trace has of it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from typing import Any

from measuring import CHECKOUT
from sandbox import Engine, engine
from trace_backends import launching

from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.labels import RUN
from slimtasks.errors import IncompleteTrace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.recording import Recording

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
            found |= seen(launcher.finish())
        except IncompleteTrace as error:
            found["incomplete"] = error.what
        found["drained"] = time.monotonic() - began
        found["sidecar"] = sidecar_memory(made)
    found["host"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(found))


def seen(recording: Recording) -> dict[str, Any]:
    """What the trace has of the flood's files, by source."""
    opened = {(use.source, use.path) for use in recording.uses if use.how == "read" and use.path.startswith("/f/")}
    counts = Counter(source for source, _ in opened)
    return {"paths": dict(counts), "events": recording.events, "lines": recording.lines}


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
