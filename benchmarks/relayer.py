"""What planning shared layers costs: `doit relayer` over ten images on disk, and the plan of up to a thousand.

All of it is made up: each image has a core that all have, some of many stacks that others have, too, and files of its
own, all of packages. No engine is asked. The thousand are planned in memory: their fat images' inventories, which
`doit relayer` reads for each, are not made for them. Goals are judged by CPU: nothing is waited for, so that on a
quiet machine it is all there is.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import CHECKOUT, doit, machine, run, spread, table

sys.path.insert(0, str(CHECKOUT))

from slimtasks.layers.changes import Changes, Layered
from slimtasks.layers.members import Bundle, bundles
from slimtasks.layers.plan import plan
from slimtasks.records import Entry, ImagePath, Package, Reason, Selected, write_lines
from slimtasks.workspace import Workspace

TEN_GOAL, THOUSAND_GOAL = 1.0, 20.0  # seconds
PATHS = 8000  # of a fat image
CORE, STACKS, STACK, OWN = 200, 60, 60, 300  # files of each kind
NOON = 1_700_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of the ten (5)")
    parser.add_argument("--images", type=int, default=1000, help="how many to plan at most (1000)")
    options = parser.parse_args()
    print(machine())
    ten(options.runs)
    many(options.images)


def ten(runs: int) -> None:
    """The whole command, its start and what it reads included."""
    with TemporaryDirectory(prefix="slimtasks-benchmark-") as name:
        folder = Path(name)
        (folder / "dodo.py").write_text("from slimtasks.dodo import DOIT_CONFIG, task_images\n")
        for number in range(10):
            write_image(folder, f"image{number}", number)
        run(doit("relayer"), folder)  # compiles the code, reads the specs
        took = [run(doit("relayer"), folder) for _ in range(runs)]
        print(took[0].output)
    walls, cpus = [one.wall for one in took], [one.cpu for one in took]
    peak = max(one.peak for one in took)
    print(f"`doit relayer`, 10 images of {PATHS} paths each: {spread(walls)} s, of CPU {spread(cpus)} s, {peak:.0f} MB")
    print(verdict(statistics.median(cpus), TEN_GOAL), "\n")


def many(most: int) -> None:
    """The plan, and what it changes, in memory."""
    rows = [("images", "files", "seconds", "of CPU", "us of CPU a file")]
    cpu = 0.0
    for images in sorted({max(2, most // part) for part in (8, 4, 2, 1)}):
        fleet = made_up(images)
        files = sum(len(found) for found in fleet.values())
        began, cpu = time.perf_counter(), time.process_time()
        changes = Changes({name: Layered(found, ships) for name, found in fleet.items()}, None, plan(fleet, 6, 0))
        list(changes.lines())
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        rows.append((str(images), str(files), f"{seconds:.2f}", f"{cpu:.2f}", f"{cpu / files * 1e6:.1f}"))
    print(table(rows))
    print(verdict(cpu, THOUSAND_GOAL))


def verdict(seconds: float, goal: float) -> str:
    return f"goal, at most {goal:.0f} s of CPU: {'met' if seconds <= goal else 'NOT met'}"


def ships(package: str, path: ImagePath) -> bool:
    return True


def made_up(images: int) -> dict[str, Sequence[Bundle]]:
    """The fleet in memory; equal files are one object, as they would not be when read."""
    known: dict[ImagePath, Entry] = {}
    fleet = {}
    for number in range(images):
        entries = {entry.path: known.setdefault(entry.path, entry) for entry in kept(number)}
        fleet[f"image{number:04}"] = bundles(entries, selected(entries), lambda entry: entry.mtime)
    return fleet


def kept(number: int) -> Iterator[Entry]:
    """What stays of the image of that number."""
    yield from files("core", CORE)
    chosen = random.Random(number).sample(range(STACKS), 5)
    for stack in sorted(chosen):
        yield from files(f"stack{stack}", STACK)
    yield from files(f"own{number}", OWN)


def files(package: str, count: int) -> Iterator[Entry]:
    for file in range(count):
        path = ImagePath(f"/usr/lib/{package}/file{file:05}")
        digest = f"{hash((package, file)) & (1 << 64) - 1:064x}"
        yield Entry(path, "file", 0o644, size=20_000, mtime=1_600_000_000, digest=digest, package=f"deb/{package}")


def selected(entries: Mapping[ImagePath, Entry]) -> list[Selected]:
    reasons = (Reason("traced", "opened (ebpf)"), Reason("traced", "opened (fanotify)"))
    return [Selected(path, reasons) for path in sorted(entries)]


def write_image(folder: Path, name: str, number: int) -> None:
    """A declared image, and what its stages up to select would have left."""
    spec = folder / "images" / name / "image.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text("from: {image: debian}\ngranularity: file\n")
    made = Workspace(folder).image(name)
    entries = {entry.path: entry for entry in kept(number)}
    unused = files("unused", PATHS - len(entries))
    packages = sorted({entry.package for entry in entries.values()})
    lists = (Entry(ImagePath(f"/var/lib/dpkg/info/{p[4:]}.list"), "file", 0o644, mtime=NOON) for p in packages)
    write_lines(made.inventory, {}, sorted([*entries.values(), *unused, *lists], key=lambda entry: entry.path))
    write_lines(made.packages, {}, [Package(package, "1") for package in packages])
    write_lines(made.selection, {}, selected(entries))


if __name__ == "__main__":
    main()
