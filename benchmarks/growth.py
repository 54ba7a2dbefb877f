"""What our own stages cost as the fat image grows, and as what is kept of it grows.

Generated images are loaded into the engine, one after the other, and removed again; the largest one needs 20 GB of
disk for a while. `fat` and `trace` run once, the stages behind them several times, all of them by one run of doit.
Seconds are those of slimtasks itself: without the engine's, and without the start of doit. They include the waiting
for disk and CPU, so that on a busy machine only those of CPU tell.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from big_image import Part, big_image
from measuring import CHECKOUT, Run, doit, machine, run, table
from sandbox import OURS, clean, costs, engine, put_tracer_in, sandbox

sys.path.insert(0, str(CHECKOUT))

from slimtasks.workspace import Workspace

STAGES = ("select", "layers", "sbom", "context", "image")
IN_GOAL = ("select", "layers", "context", "image")
OTHERS = ("engine", "workload", "programs")
SECONDS_GOAL, MEMORY_GOAL = 3.0, 150.0  # of an image of 1.5 GB with 40,000 files; MB of Python
UNMOVED = ("layers", "context", "image")  # what is thrown away is none of their business
GROWTH_GOAL = 1.25  # times their CPU for the smallest image is what they may take for the largest
FILES_PER_MB = 40_000 / 1500
KEPT_PER_MB = 20
NAME, TAG = "big", f"{OURS}big-source:latest"

SPEC = f"""
tags: ["{OURS}big"]
from: {{image: "{TAG}"}}
unowned: traced
keep: ["/usr/lib/kept/**"]
workload:
  - oneshot: {{command: [--listening]}}
"""


@dataclass(frozen=True)
class Shape:
    """A fat image to be, in MB, and how much of that is kept."""

    megabytes: int
    kept: int

    @property
    def files(self) -> int:
        return round(self.megabytes * FILES_PER_MB)

    @property
    def kept_files(self) -> int:
        return self.kept * KEPT_PER_MB

    @property
    def parts(self) -> tuple[Part, Part]:
        away = Part("away", (self.megabytes - self.kept) * 1_000_000, self.files - self.kept_files, 200)
        return away, Part("kept", self.kept * 1_000_000, self.kept_files, 40)


@dataclass(frozen=True)
class Measured:
    """Medians over the runs, by stage: our own seconds, and those of CPU. Peaks in MB, of the worst run."""

    shape: Shape
    own: dict[str, float]
    cpu: dict[str, float]
    peak: float
    peak_of_fat: float

    @property
    def seconds(self) -> float:
        return sum(self.own[stage] for stage in IN_GOAL)

    @property
    def cpu_seconds(self) -> float:
        return sum(self.cpu[stage] for stage in IN_GOAL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of the stages behind trace, of each image (5)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 500, 1500, 4000], help="of the fat images, MB")
    parser.add_argument("--kept", type=int, nargs="+", default=[100, 300, 600], help="of 1500 MB; the first of all, MB")
    options = parser.parse_args()
    print(f"{machine()}; medians of {options.runs} runs\n", flush=True)
    with sandbox() as folder:
        tracer = put_tracer_in(folder)
        spec = folder / "images" / NAME / "image.yaml"
        spec.parent.mkdir(parents=True)
        spec.write_text(SPEC)
        shapes = dict.fromkeys([Shape(size, options.kept[0]) for size in options.sizes])
        shapes |= dict.fromkeys(Shape(1500, kept) for kept in options.kept)
        found = {shape: measured(folder, tracer, shape, options.runs) for shape in shapes}
    thrown = [found[Shape(size, options.kept[0])] for size in options.sizes]
    kept = [found[Shape(1500, kept)] for kept in options.kept if Shape(1500, kept) in found]
    report("what is thrown away grows", thrown)
    report("what is kept grows", kept)
    print("\n".join(verdicts(thrown, kept)))


def measured(folder: Path, tracer: Path, shape: Shape, runs: int) -> Measured:
    """Loads the image, takes it through the stages, and removes it."""
    with loaded(folder, tracer, shape):
        fat = run(doit(f"fat:{NAME}"), folder)
        run(doit(f"trace:{NAME}"), folder)
        runs_of_all: list[Run] = []
        taken: list[dict[str, dict[str, float]]] = []
        for _ in range(runs):
            start_over(folder)
            runs_of_all.append(run(doit(*(f"{stage}:{NAME}" for stage in STAGES)), folder))
            taken.append(costs(folder)[NAME])
    stages = ("fat", *STAGES)
    return Measured(
        shape,
        {stage: statistics.median(own_seconds(one[stage]) for one in taken) for stage in stages},
        {stage: statistics.median(one[stage]["cpu"] for one in taken) for stage in stages},
        max(one.peak for one in runs_of_all),
        fat.peak,
    )


@contextmanager
def loaded(folder: Path, tracer: Path, shape: Shape) -> Iterator[None]:
    made = engine(folder)
    made.load_stream(big_image(TAG, tracer, shape.parts), TAG)
    try:
        yield
    finally:
        clean(folder)
        made.untag(TAG)


def start_over(folder: Path) -> None:
    """Forgets what came of the trace."""
    workspace = Workspace(folder)
    files = workspace.image(NAME)
    for path in (files.selection, files.layers, *files.of_sbom, files.context, files.archive, files.image):
        path.unlink(missing_ok=True)
    shutil.rmtree(workspace.layer_store, ignore_errors=True)


def own_seconds(cost: dict[str, float]) -> float:
    return cost["seconds"] - sum(cost[what] for what in OTHERS)


def report(title: str, found: Sequence[Measured]) -> None:
    head = ("fat MB", "files", "kept MB", "files", "fat", *STAGES, "goal's four", "peak MB", "fat's")
    for what in ("seconds of our own", "of CPU"):
        rows: list[tuple[str, ...]] = [head]
        for one in found:
            values = one.own if what.startswith("seconds") else one.cpu
            shape = one.shape
            counts = (shape.megabytes, shape.files, shape.kept, shape.kept_files)
            four = sum(values[stage] for stage in IN_GOAL)
            seconds = (*(values[stage] for stage in ("fat", *STAGES)), four)
            cells = (f"{s:.2f}" for s in seconds)
            rows.append((*map(str, counts), *cells, f"{one.peak:.0f}", f"{one.peak_of_fat:.0f}"))
        print(f"{title}: {what}\n\n{table(rows)}\n", flush=True)


def verdicts(thrown: Sequence[Measured], kept: Sequence[Measured]) -> Iterator[str]:
    """The fits, and the goals."""
    gone = [float(one.shape.files - one.shape.kept_files) for one in thrown]
    stays = [float(one.shape.kept) for one in kept]
    for stage in STAGES:
        by_path = slope(gone, [one.cpu[stage] for one in thrown]) * 1e6
        by_size = slope(stays, [one.cpu[stage] for one in kept]) * 1e3
        yield f"{stage}: {by_path:.1f} us of CPU for each path thrown away, {by_size:.1f} ms for each MB kept"
    small, large = (sum(one.cpu[stage] for stage in UNMOVED) for one in (thrown[0], thrown[-1]))
    yield (
        f"{', '.join(UNMOVED)}: {small:.2f} s of CPU for {thrown[0].shape.megabytes} MB, {large:.2f} s for "
        f"{thrown[-1].shape.megabytes} MB, of which as much is kept; {goal(large / small, GROWTH_GOAL, 'times')}"
    )
    for one in kept:
        told = f"1500 MB, {one.shape.kept} MB kept"
        yield f"{told}: {one.seconds:.2f} s of our own, {goal(one.seconds, SECONDS_GOAL, 's')}"
        yield f"{told}: {one.cpu_seconds:.2f} s of CPU, {goal(one.cpu_seconds, SECONDS_GOAL, 's')}"
        yield f"{told}: peak {one.peak:.0f} MB, {goal(one.peak, MEMORY_GOAL, 'MB')}"


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    return statistics.linear_regression(x, y).slope if len(set(x)) > 1 else 0.0


def goal(found: float, most: float, unit: str) -> str:
    return f"goal, at most {most:g} {unit}: {'met' if found <= most else 'NOT MET'}"


if __name__ == "__main__":
    main()
