"""All samples of this repo, a row each: sizes, seconds from the fat image to the verified slim one, what passed.

Each sample is built once so that its fat image is known, then slimmed anew from that: a trace, all stages, all steps of
its workload and its checks. Sizes are also taken at `granularity: file`, which nothing is run for. Everything happens
in a temporary folder with images of its own. Takes a minute a sample where the engine's cache has its build. Ends with
1 where a sample does not pass or a goal is not met.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from measuring import CHECKOUT, doit, machine, run, table
from sandbox import costs, put_tracer_in, sandbox

sys.path.insert(0, str(CHECKOUT / "tests"))

from syft import found_in

from slimtasks import fatfiles
from slimtasks.records import Selected, read_lines
from slimtasks.selection.whole import is_metadata
from slimtasks.spec.loading import load
from slimtasks.workspace import ImageFiles

HEAD = (
    *("sample", "fat MB", "file MB", "metadata MB", "auto MB", "files", "layers", "seconds", "engine", "workload"),
    *("programs", "our own", "no-op s", "workload", "checks", "syft's packages"),
)
OTHERS = ("engine", "workload", "programs")
METADATA = 0.4  # MB that package metadata and licence texts may add to the sizes that have a goal
IDLE = 1.0  # seconds of a run with nothing to do, at most


@dataclass(frozen=True)
class Goal:
    """What a sample may take at most, and how many operations its workload has at least."""

    size: float = math.inf  # MB at `granularity: file`, without package metadata and licence texts
    seconds: float = math.inf  # from the fat image to the verified slim one
    operations: int = 8


GOALS = {
    "flask": Goal(29.3, 7.5, 9),
    "git": Goal(11.2, 5.0, 18),
    "java-app": Goal(174.0, 10.0),
    "memcached": Goal(8.4, 4.0),
    "nginx": Goal(9.9, 7.5),
    "node-app": Goal(97.0, 8.5, 7),
    "perl-app": Goal(16.9, 7.5),
    "postgres": Goal(74.0, 9.0, 14),
    "redis": Goal(17.7, 3.5, 13),
}


@dataclass(frozen=True)
class Measured:
    """What is known of one sample; sizes in MB of 1,000,000 bytes."""

    name: str
    fat: float
    by_file: float  # with the metadata
    metadata: float
    size: float
    files: int
    layers: int
    cost: Mapping[str, float]  # seconds, in all and by what they were spent on
    idle: float  # seconds
    steps: int  # of the workload, that passed; without those that wait
    checks: int
    packages: int

    def row(self) -> tuple[str, ...]:
        sizes = (f"{size:.2f}" for size in (self.fat, self.by_file, self.metadata, self.size))
        seconds = [self.cost["seconds"], *(self.cost[what] for what in OTHERS)]
        seconds += [seconds[0] - sum(seconds[1:]), self.idle]
        counts = (str(count) for count in (self.steps, self.checks, self.packages))
        return (self.name, *sizes, str(self.files), str(self.layers), *(f"{one:.2f}" for one in seconds), *counts)

    def goals(self) -> Iterator[tuple[str, bool]]:
        """Each goal with what was measured, and whether it is met."""
        goal = GOALS.get(self.name, Goal())
        for what, most, found in (
            ("MB at `granularity: file`, without metadata", goal.size, self.by_file - self.metadata),
            ("MB of metadata", METADATA if goal.size < math.inf else math.inf, self.metadata),
            ("seconds to verified", goal.seconds, self.cost["seconds"]),
            ("seconds with nothing to do", IDLE, self.idle),
        ):
            if most < math.inf:
                yield f"{self.name}: {found:.2f} {what}; goal: at most {most:g}", found <= most
        told = f"{self.name}: {self.steps} operations; goal: at least {goal.operations}"
        yield told, self.steps >= goal.operations


def main() -> None:
    repo = load(CHECKOUT, {})
    known = {image.name: image for image in repo.images if image.kind == "slim" and image.name not in repo.default}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="*", metavar="SAMPLE", help=f"these alone, of {', '.join(known)}")
    names = parser.parse_args().samples or list(known)
    if unknown := set(names) - known.keys():
        parser.error(f"no such sample: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    print(machine())
    needed = {name for one in names for name in (one, *known[one].depends)}
    with sandbox(tuple(sorted(needed | {"build-nginx", "debian"}))) as folder:
        put_tracer_in(folder)
        found = [measured(folder, name) for name in names]
    print(f"\n{table([HEAD, *(one.row() for one in found)])}\n")
    goals = [goal for one in found for goal in one.goals()]
    for told, met in goals:
        print(f"{told}: {'met' if met else 'NOT MET'}")
    sys.exit(not all(met for _, met in goals))


def measured(folder: Path, name: str) -> Measured:
    """Builds the sample, slims it anew, then once more by files; exits where a step does not pass."""
    spec, build = folder / "images" / name / "image.yaml", folder / "build" / name
    run(doit(name), folder)  # with all that it is made of
    run(doit("clean", name), folder)
    shutil.rmtree(folder / "build/traces")
    run(doit(name), folder)
    cost = costs(folder)[name].values()
    whole = {what: sum(one[what] for one in cost) for what in ("seconds", *OTHERS)}
    idle = run(doit(name), folder).wall
    fat, image, verified = (json.loads((build / f"{one}.json").read_text()) for one in ("fat", "image", "verify"))
    packages = len(found_in(build / "image.tar"))
    steps = [step["name"] for result in verified["results"] for step in result["steps"]]
    text = spec.read_text()
    spec.write_text(f"{text}\ngranularity: file\n")
    run(doit(f"image:{name}"), folder)
    by_file = json.loads((build / "image.json").read_text())["size"]
    metadata = metadata_of(ImageFiles(build))
    spec.write_text(text)
    return Measured(
        name,
        fat["size"] / 1e6,
        by_file / 1e6,
        metadata / 1e6,
        image["size"] / 1e6,
        image["files"],
        len(image["layers"]),
        whole,
        idle,
        sum("step" in step and "(wait)" not in step for step in steps),
        sum("check" in step for step in steps),
        packages,
    )


def metadata_of(files: ImageFiles) -> int:
    """The bytes of what was selected only to tell of packages: databases' entries, sums, licences."""
    sizes = {entry.path: entry.size for entry in fatfiles.inventory(files)}
    told = [choice for choice in read_lines(files.selection, Selected)[1] if is_metadata(choice)]
    return sum(len(one.content.encode()) if one.content else sizes.get(one.source or one.path, 0) for one in told)


if __name__ == "__main__":
    main()
