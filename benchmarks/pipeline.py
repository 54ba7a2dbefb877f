"""Seconds and peak memory of each stage.

Without options: micronginx from an existing build image (our/build-nginx, which `./run` makes) to a verified slim
image, and a run with nothing to do. Everything happens in a temporary folder with images of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from measuring import CHECKOUT, Run, doit, machine, run, spread, table
from sandbox import clean, costs, engine, put_tracer_in, sandbox

STAGES = ("fat", "trace", "select", "layers", "sbom", "context", "image", "verify")
OTHERS = ("engine", "workload", "programs")
GOAL = 3.0  # seconds of our own, from fat to verified, for nginx on 2 cores
NGINX, BUILD_IMAGE = "micronginx", "our/build-nginx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each (5); cold is run once")
    parser.add_argument("--image", default=BUILD_IMAGE, help=f"the engine's image to slim ({BUILD_IMAGE})")
    parser.add_argument(
        "--cold", action="store_true", help="also all of this repo's images from nothing; takes minutes"
    )
    parser.add_argument("--prune", action="store_true", help="before that, empty the engine's whole build cache")
    parser.add_argument("--no-nginx", action="store_true", help="leave out what is run without options")
    options = parser.parse_args()
    print(machine())
    if not options.no_nginx:
        slim(options.image, options.runs)
    if options.cold:
        cold(options.prune)


def slim(image: str, runs: int) -> None:
    """From an existing image to a verified slim one, and once more with nothing to do."""
    with sandbox((NGINX,)) as folder:
        if engine(folder).inspect_image(image) is None:
            sys.exit(f"the engine has no {image}: run `./run build-nginx` first")
        spec = folder / "images" / NGINX / "image.yaml"
        spec.write_text(spec.read_text().replace("image: build-nginx", f"image: {image}"))
        put_tracer_in(folder)
        run(doit(), folder)  # compiles the code, and loads the tracer image
        whole, parts = [], []
        for _ in range(runs):
            clean(folder)
            whole.append(run(doit(), folder))
            parts.append(costs(folder)[NGINX])
        idle = [run(doit(), folder) for _ in range(runs)]
        clean(folder)
        alone = each_alone(folder, NGINX)
    print(f"\n{NGINX} from {image} to verified, one run of doit; medians of {runs}\n")
    print(table(stage_rows(parts, alone)))
    own = [sum(own_seconds(cost) for cost in part.values()) for part in parts]
    met = "met" if statistics.median(own) <= GOAL else "NOT MET"
    print(f"\nour own seconds: {spread(own)}; goal: at most {GOAL:g}: {met}")
    print(f"\n{table([HEAD, run_row('from fat to verified', whole), run_row('nothing to do', idle)])}")


def cold(prune: bool) -> None:
    """All images of this repo, from an empty folder."""
    names = tuple(sorted(path.name for path in (CHECKOUT / "images").iterdir() if path.is_dir()))
    with sandbox(names) as folder:
        if prune:
            engine(folder).connection.request("POST", "/build/prune", params={"all": "1"}, doing="emptying the cache")
        whole = run(doit(), folder)
        found = costs(folder)
    print(f"\nall images of this repo from nothing; build cache {'emptied' if prune else 'as it was'}; one run\n")
    rows: list[tuple[str, ...]] = [("image", *COST_HEAD)]
    for image, stages in found.items():
        rows += [(f"{image} {stage}", *cost_cells([cost])) for stage, cost in stages.items()]
    print(table(rows))
    print(f"\n{table([HEAD, run_row('all', [whole])])}")


def each_alone(folder: Path, image: str) -> dict[str, Run]:
    """Each stage as a process of its own, so that its peak is its own."""
    return {stage: run(doit(f"{stage}:{image}"), folder) for stage in STAGES}


COST_HEAD = ("seconds", "engine", "workload", "programs", "our own", "our CPU")
HEAD = ("", "wall, s", "CPU, s", "peak, MB")


def own_seconds(cost: Mapping[str, float]) -> float:
    """What is left without the engine's work, the workload and other programs."""
    return cost["seconds"] - sum(cost[what] for what in OTHERS)


def stage_rows(parts: Sequence[dict[str, Any]], alone: Mapping[str, Run]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("stage", *COST_HEAD, "alone: wall", "CPU", "peak, MB")]
    for stage in STAGES:
        one = alone[stage]
        cells = cost_cells([part[stage] for part in parts])
        rows.append((stage, *cells, f"{one.wall:.2f}", f"{one.cpu:.2f}", f"{one.peak:.0f}"))
    total = [{what: sum(cost[what] for cost in part.values()) for what in part["fat"]} for part in parts]
    rows.append(("all", *cost_cells(total), "", "", ""))
    return rows


def cost_cells(found: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    columns = [[cost["seconds"] for cost in found], *([cost[what] for cost in found] for what in OTHERS)]
    columns += [[own_seconds(cost) for cost in found], [cost["cpu"] for cost in found]]
    return tuple(f"{statistics.median(column):.2f}" for column in columns)


def run_row(name: str, runs: Sequence[Run]) -> tuple[str, ...]:
    return (name, spread(r.wall for r in runs), spread(r.cpu for r in runs), spread(r.peak for r in runs))


if __name__ == "__main__":
    main()
