"""What tracing costs, and whether it loses anything, for each backend.

Five parts, of which --parts takes some:
  cost    wall clock of five loads, traced over untraced, by turns; medians of the ratio, smallest and largest
  ways    the same for ways to see lookups where eBPF cannot, and whether they see what strace does
  start   seconds from `docker start` to a container that runs, traced
  flood   opens at 20,000 and at 100,000 a second: what was done, and what the trace has of it
  memory  of the sidecar and of this side, after a million opens
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring import CHECKOUT, doit, machine, run, spread, table
from sandbox import OURS, Engine, engine
from trace_backends import BACKENDS, UNTRACED, launching, working
from trace_loads import LOADS, Load, bench
from trace_ways import ways

from slimtasks.engine.build import Build
from slimtasks.engine.config import ContainerConfig

START_GOAL = 1.0  # seconds
MEMORY_GOAL = 100.0  # MB, sidecar and this side together
IMAGE = Path(__file__).resolve().parent / "trace_image"
FLOODS = ((20_000, 30), (100_000, 5))  # opens a second, seconds
FLOOD_FILES = 200_000
MEMORY_FILES = (20_000, 200_000, 1_000_000)  # of these, a million opens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [load.name for load in LOADS]
    parser.add_argument("--parts", default="cost,ways,start,flood,memory", help="which parts (all)")
    parser.add_argument("--backends", default="", help=f"which of {', '.join(BACKENDS)} (those that work here)")
    parser.add_argument("--loads", default="", help=f"words, of which a load's name has one (all: {'; '.join(names)})")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each load with each backend (3)")
    options = parser.parse_args()
    backends = options.backends.split(",") if options.backends else []
    loads = [load for load in LOADS if any(word in load.name for word in options.loads.split(","))]
    parts = {
        "cost": lambda *known: cost(*known, loads, options.rounds),
        "ways": lambda made, image, tracer, _: ways(made, image, tracer, loads, options.rounds),
        "start": start,
        "flood": flood,
        "memory": memory,
    }
    chosen = options.parts.split(",")
    if unknown := sorted({*chosen} - {*parts}) or sorted({*backends} - {*BACKENDS}):
        sys.exit(f"unknown: {', '.join(unknown)}")
    made = engine(CHECKOUT)
    with images(made) as (image, tracer):
        backends = backends or list(working(made, tracer))
        for part in chosen:
            parts[part](made, image, tracer, backends)
            print(f"({machine()})", flush=True)


@contextmanager
def images(made: Engine) -> Iterator[tuple[str, str]]:
    """The ids of the loads' image and of the tracer image; the former is removed at the end."""
    run(doit("tracer"), CHECKOUT)
    base, tracer = (
        json.loads((CHECKOUT / f"build/{name}/base.json").read_text())["id"] for name in ("debian", "tracer")
    )
    sources = CHECKOUT / "slimtasks/trace/programs"
    files = [path for path in (*IMAGE.iterdir(), *sources.glob("*.[ch]"), sources / "Makefile") if path.is_file()]
    tag, base_tag = f"{OURS}trace:latest", f"{OURS}trace-base:latest"
    context = tuple((path.name, path, 0o644) for path in sorted(files))
    made.tag(base, base_tag)
    try:
        yield made.build(Build(context, tag, args=(("BASE", base_tag),), name="the image of the loads")), tracer
    finally:
        made.untag(tag)
        made.untag(base_tag)


def cost(made: Engine, image: str, tracer: str, backends: Sequence[str], loads: Sequence[Load], rounds: int) -> None:
    print(f"\nwall clock, traced over untraced: median of {rounds} rounds (smallest to largest)\n", flush=True)
    rows = [("load", "untraced, s", *backends)]
    with bench(made, image) as loaded:
        for load in loads:
            seconds: dict[str, list[float]] = {name: [] for name in (UNTRACED, *backends)}
            for _ in range(rounds):
                for backend, found in seconds.items():
                    with launching(made, tracer, backend) as launcher:
                        found.append(loaded.seconds(launcher, load))
            plain = seconds.pop(UNTRACED)
            ratios = [[one / other for one, other in zip(found, plain, strict=True)] for found in seconds.values()]
            rows.append((load.name, spread(plain), *map(spread, ratios)))
    print(table(rows))


def start(made: Engine, image: str, tracer: str, backends: Sequence[str], runs: int = 5) -> None:
    config = ContainerConfig(image, entrypoint=("sleep", "infinity"), command=(), network="none", log_driver="none")
    seconds: dict[str, list[float]] = {name: [] for name in (UNTRACED, *backends)}
    for _ in range(runs):
        for backend, found in seconds.items():
            with launching(made, tracer, backend) as launcher, launcher.create(config, b"") as container:
                began = time.monotonic()
                launcher.start(container)
                found.append(time.monotonic() - began)
    print(f"\nseconds from `docker start` to a container that was let go; {runs} runs; goal: at most {START_GOAL:g}\n")
    rows = [(name, spread(found), met(statistics.median(found), START_GOAL)) for name, found in seconds.items()]
    print(table([("", "seconds", ""), *rows]))


FLOOD_HEAD = (
    "",
    "opens",
    "a second",
    "events",
    "lines",
    "files",
    "seen",
    "drained, s",
    "sidecar, MB",
    "host, MB",
    "verdict",
)


def flood(made: Engine, image: str, tracer: str, backends: Sequence[str]) -> None:
    print("\nopens at a rate, each counted by both sides\n", flush=True)
    rows = [FLOOD_HEAD]
    for rate, seconds in FLOODS:
        for backend in backends:
            found = flooded(image, tracer, backend, FLOOD_FILES, rate * seconds, rate, seconds + 1)
            rows.append(flood_row(f"{backend}, {rate:,}/s, {seconds} s", found))
    print(table(rows))


def memory(made: Engine, image: str, tracer: str, backends: Sequence[str]) -> None:
    print(
        f"\nmemory of a whole trace stage of a million opens; goal: at most {MEMORY_GOAL:g} MB together\n",
        flush=True,
    )
    rows = [(*FLOOD_HEAD[:-1], "written, s", "selecting, MB", "together")]
    for files in MEMORY_FILES:
        for backend in backends:
            found = flooded(image, tracer, backend, files, 1_000_000, 100_000, 200)
            both = (found["sidecar"] + found["host"]) / 1e6
            staged = (f"{found.get('written', 0):.0f}", f"{found.get('selecting', 0) / 1e6:.0f}")
            verdict = "INCOMPLETE, " * ("incomplete" in found) + met(both, MEMORY_GOAL)
            rows.append((*flood_row(f"{backend}, {files:,} files", found)[:-1], *staged, f"{both:.0f} MB: {verdict}"))
    print(table(rows))


def flooded(image: str, tracer: str, backend: str, *numbers: int) -> dict[str, Any]:
    """One flood, in a process of its own; `numbers` are flood.c's."""
    program = str(Path(__file__).with_name("trace_flood.py"))
    done = run([sys.executable, program, image, tracer, backend, *map(str, numbers)], CHECKOUT)
    found: dict[str, Any] = json.loads(done.output)
    return found


def flood_row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    opened = min(found["done"], found["files"])
    paths = found.get("paths", {})
    seen = ", ".join(f"{source} {count}" for source, count in sorted(paths.items()))
    if "incomplete" in found:
        verdict = f"incomplete: {found['incomplete']}"
    else:
        verdict = "nothing lost" if paths and min(paths.values()) == opened else "LOST, AND NOT SAID"
    return (
        name,
        f"{found['done']}",
        f"{found['done'] / found['took']:.0f}",
        f"{found.get('events', '')}",
        f"{found.get('lines', '')}",
        f"{opened}",
        seen,
        f"{found['drained']:.1f}",
        f"{found['sidecar'] / 1e6:.0f}",
        f"{found['host'] / 1e6:.0f}",
        verdict,
    )


def met(value: float, goal: float) -> str:
    return "met" if value <= goal else "NOT MET"


if __name__ == "__main__":
    main()
