"""What the engine's storage driver costs the pipeline: seconds of each stage, and bytes on disk.

Debian's redis on an engine of its own for each driver: a dockerd in namespaces of its own, with its data in the
temporary directory. The fat image is built by this machine's engine and carried to the others in a file. Ends with 1
where a driver's slim image does not pass its workload, or is not the same as with the others. eBPF needs the host's
process numbers, which those engines do not have, so lookups are traced by `notify`. Needs root, our/debian:bookworm
(which `./run debian` makes) and Debian's packages fuse-overlayfs and fuse3.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import CHECKOUT, doit, machine, run, table
from sandbox import OURS, costs, engine, forget, put_tracer_in, sandbox

sys.path.insert(0, str(CHECKOUT / "tests"))

from second_engine import SecondEngine, lacking

from slimtasks.engine.build import Build
from slimtasks.engine.client import Engine

DRIVERS = ("overlay2", "fuse-overlayfs", "vfs")  # all are compared with the first
STAGES = ("fat", "trace", "select", "layers", "sbom", "context", "image", "verify")
NAME, BASE, SOURCE = "redis", "our/debian:bookworm", f"{OURS}redis-source:latest"

SPEC = f"""\
tags: ["{OURS}{NAME}"]
from: {{image: "{SOURCE}"}}
trace: {{backend: notify}}
workload:
  - tcp: {{port: 6379, send: "PING\\r\\n", expect: [+PONG]}}
  - exec: {{command: [redis-cli, SET, greeting, hello], stdout: [OK]}}
  - exec: {{command: [redis-cli, GET, greeting], stdout: [hello]}}
  - exec: {{command: [redis-cli, SAVE], stdout: [OK]}}
  - exec: {{command: [redis-benchmark, -n, "500", -t, "set,get,incr", -q], stdout: [SET, GET]}}
"""


@dataclass
class Bench:
    """One engine with a repo for it, and what was measured there."""

    driver: str
    socket: str
    data: Path  # where the engine keeps all it has
    repo: Path
    load: float = 0.0  # seconds
    fat_bytes: int = 0  # on disk, with nothing but the fat image in it
    all_bytes: int = 0  # with the slim image and the tracer's, too
    rounds: list[dict[str, float]] = field(default_factory=list)  # seconds of each stage
    digests: dict[str, str] = field(default_factory=dict)

    def doit(self, *arguments: str) -> None:
        run(("env", f"DOCKER_HOST=unix://{self.socket}", *doit(*arguments)), self.repo)

    def seconds(self, *stages: str) -> float:
        """The median of what the stages took together."""
        return statistics.median(sum(one[stage] for stage in stages) for one in self.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="runs on each engine, by turns (3)")
    options = parser.parse_args()
    if lacks := next(filter(None, map(lacking, DRIVERS)), ""):
        sys.exit(lacks)
    print(f"{NAME}; medians of {options.rounds} rounds, by turns; {machine()}\n", flush=True)
    with ExitStack() as stack:
        archive = stack.enter_context(fat_image())
        benches = [stack.enter_context(bench(driver, archive)) for driver in DRIVERS]
        for turn in range(options.rounds):
            for number in range(len(benches)):
                measure(benches[(turn + number) % len(benches)])
    print(table(report(benches)))
    for one in benches:
        if one.digests != benches[0].digests:
            sys.exit(f"{one.driver} and {DRIVERS[0]} differ: {one.digests} and {benches[0].digests}")
    print(f"\nverified on all, with the same fat tree, layers and config: {benches[0].digests['config']}")


@contextmanager
def fat_image() -> Iterator[Path]:
    """images/redis as its Dockerfile makes it, as a docker-archive."""
    with TemporaryDirectory(prefix="slimtasks-benchmark-") as name:
        here = engine(Path(name))
        if here.inspect_image(BASE) is None:
            sys.exit(f"the engine has no {BASE}: run `./run debian` first")
        folder = CHECKOUT / "images" / NAME
        context = tuple((file, (folder / file).read_bytes(), 0o644) for file in ("Dockerfile", "redis.conf"))
        here.build(Build(context, SOURCE, name=NAME))
        archive = Path(name, "fat.tar")
        try:
            with here.save(SOURCE) as saved, archive.open("wb") as file:
                while chunk := saved.read(1 << 20):
                    file.write(chunk)
        finally:
            here.untag(SOURCE)
        yield archive


@contextmanager
def bench(driver: str, archive: Path) -> Iterator[Bench]:
    """An engine with the fat image and the tracer's, and a repo; all of it is gone at the end."""
    with sandbox() as repo, TemporaryDirectory(prefix="slimtasks-benchmark-") as name:
        spec = repo / "images" / NAME / "image.yaml"
        spec.parent.mkdir(parents=True)
        spec.write_text(SPEC)
        put_tracer_in(repo)
        second = SecondEngine(Path(name), driver)
        try:
            second.start()
            made = Bench(driver, second.socket, Path(name, "data"), repo)
            fill(made, archive)
            yield made
        finally:
            forget(repo)  # what it says is in the engine is in one that goes now
            second.kill()


def fill(one: Bench, archive: Path) -> None:
    """Loads the fat image, and runs the pipeline once: that compiles the code, and loads the tracer image."""
    there = Engine(one.repo, {"DOCKER_HOST": f"unix://{one.socket}"})
    used = there.connection.json("GET", "/info", doing="asking for the storage driver")["Driver"]
    if used != one.driver:
        sys.exit(f"asked for the storage driver {one.driver}, the engine took {used}")
    empty = on_disk(one.data)
    began = time.monotonic()
    there.load(archive)
    one.load = time.monotonic() - began
    one.fat_bytes = on_disk(one.data) - empty
    one.doit()
    one.all_bytes = on_disk(one.data) - empty


def on_disk(folder: Path) -> int:
    """Bytes of all blocks below it, a file of several names once."""
    os.sync()
    found = {}
    for parent, _, files in os.walk(folder):
        for path in (parent, *(f"{parent}/{file}" for file in files)):
            status = os.lstat(path)
            found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def measure(one: Bench) -> None:
    """The pipeline once more, from the fat image on."""
    one.doit("clean", "--clean-all")
    forget(one.repo)
    one.doit()
    one.rounds.append({stage: costs(one.repo)[NAME][stage]["seconds"] for stage in STAGES})
    digests = digests_of(one.repo / "build" / NAME)
    if one.digests and one.digests != digests:
        sys.exit(f"{one.driver}: two rounds differ: {one.digests} and {digests}")
    one.digests = digests


def digests_of(build: Path) -> dict[str, str]:
    fat, image = (json.loads((build / name).read_text()) for name in ("fat.json", "image.json"))
    layers = {f"layer {number}": layer["diff_id"] for number, layer in enumerate(image["layers"], 1)}
    return {"fat": fat["tree_digest"], "config": image["config_digest"], **layers}


def report(benches: list[Bench]) -> list[tuple[str, ...]]:
    first, *others = benches
    rows: list[tuple[str, ...]] = [("", first.driver, *(cell for one in others for cell in (one.driver, "ratio")))]

    def row(name: str, values: list[float], form: str) -> None:
        ratios = ((f"{value:{form}}", f"{value / values[0]:.2f}") for value in values[1:])
        rows.append((name, f"{values[0]:{form}}", *(cell for pair in ratios for cell in pair)))

    row("load, s (once)", [one.load for one in benches], ".2f")
    for stage in STAGES:
        row(f"{stage}, s", [one.seconds(stage) for one in benches], ".2f")
    row("all stages, s", [one.seconds(*STAGES) for one in benches], ".2f")
    row("disk: fat image, MB", [one.fat_bytes / 1e6 for one in benches], ".0f")
    row("disk: with the slim and the tracer's, MB", [one.all_bytes / 1e6 for one in benches], ".0f")
    return rows


if __name__ == "__main__":
    main()
