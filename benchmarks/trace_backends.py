"""What the benchmarks of tracing trace with: the product's own launchers, one for each backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args, get_type_hints

from sandbox import Engine

from slimtasks.errors import SlimError
from slimtasks.spec.model import Trace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.sidecar import Sidecar
from slimtasks.workload.launcher import Launcher
from slimtasks.workload.plain import PlainLauncher

UNTRACED = "untraced"
BACKENDS = tuple(name for name in get_args(get_type_hints(Trace)["backend"]) if name != "auto")


@contextmanager
def launching(engine: Engine, tracer: str, backend: str) -> Iterator[Launcher]:
    """A launcher whose sidecar is there only while inside: one backend's cost must not show in another's figures."""
    if backend == UNTRACED:
        yield PlainLauncher(engine)
        return
    with Sidecar(engine, tracer, backend) as sidecar:
        yield TracedLauncher(engine, sidecar)


def working(engine: Engine, tracer: str) -> Iterator[str]:
    """The backends that can be had here, the one that `auto` takes first; says why the others cannot."""
    for backend in BACKENDS:
        try:
            with Sidecar(engine, tracer, backend):
                yield backend
        except SlimError as error:
            print(f"without {backend}: {error.what}")
