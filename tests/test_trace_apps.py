"""What each source tells of real apps, compared in one run of each: every difference has its reason in a table here.

Takes up to a minute an app: `pytest -m apps`, of which `-k` names some.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import pytest
from pipeline_repo import cloned

pytestmark = [pytest.mark.engine, pytest.mark.apps]

APPS = (
    *("nginx", "redis", "postgres", "flask", "node-app", "perl-app", "java-app", "git", "bash"),
    *("node-local", "python-local", "ruby-app", "spool", "venv-app"),
)
LOOKUPS = ("ebpf", "strace")
OPENS = ("ebpf", "fanotify", "inotify", "strace")
OPENED = frozenset({"read", "write", "list", "exec", "create"})


class Ways(defaultdict[tuple[str, str], set[str]]):
    """In which ways a source told of a path: (source, path) -> how."""

    def __init__(self) -> None:
        super().__init__(set)

    def of(self, source: str, path: str) -> set[str]:
        return self.get((source, path), set())


@dataclass(frozen=True)
class Told:
    """What the sources told of one app."""

    asked: Ways  # by the path that was asked for
    opened: Ways  # of what the fat image has, by the path that was reached


@dataclass(frozen=True)
class Difference:
    """A source told of a path in a way in which another did not."""

    how: str
    path: str
    source: str  # that told it
    silent: str  # that did not


@dataclass(frozen=True)
class Explained:
    """A line of the tables: why some sources tell what others do not, and whether a difference is of that sort."""

    sources: str
    silent: str
    why: str
    fits: Callable[[Difference, Told], bool]

    def explains(self, difference: Difference, told: Told) -> bool:
        sources, silent = self.sources.split(), self.silent.split()
        return difference.source in sources and difference.silent in silent and self.fits(difference, told)


ASKED_DIFFER = (
    Explained(
        "ebpf",
        "strace",
        "strace is not told to stop at mmap(2), which is too frequent; what is mapped was opened before",
        lambda d, told: d.how == "map" and bool(told.opened.of("strace", d.path) & OPENED),
    ),
    Explained(
        "ebpf",
        "strace",
        "a directory was opened and not listed: strace does not know that it is one",
        lambda d, told: d.how == "list" and "read" in told.asked.of("strace", d.path),
    ),
    Explained(
        "strace",
        "ebpf",
        "a directory was opened and not listed: strace does not know that it is one",
        lambda d, told: d.how == "read" and "list" in told.asked.of("ebpf", d.path),
    ),
    Explained(
        "strace",
        "ebpf",
        "O_CREAT for a file that is there: strace does not know that nothing was made",
        lambda d, told: d.how == "create" and bool(told.asked.of("ebpf", d.path) & {"read", "write"}),
    ),
    Explained(
        "ebpf",
        "strace",
        "the kernel opens the interpreter of a script, which no call names; select reads the script",
        lambda d, told: d.how == "exec" and not told.asked.of("strace", d.path) & OPENED,
    ),
)
OPENED_DIFFER = (
    Explained(
        "fanotify inotify",
        "ebpf strace",
        "the kernel opens the loader of dynamic programs, which no call names; select reads the programs",
        lambda d, told: Path(d.path).name.startswith("ld-linux"),
    ),
    Explained(
        "ebpf fanotify inotify",
        "strace",
        "the kernel opens the interpreter of a script, which no call names; select reads the script",
        lambda d, told: "exec" in told.opened.of("ebpf", d.path),
    ),
    Explained(
        "inotify",
        "ebpf fanotify strace",
        "the engine looks up the user and goes through /: inotify does not say who opens",
        lambda d, told: d.path in ("/", "/etc/passwd", "/etc/group"),
    ),
    Explained(
        "strace",
        "ebpf fanotify inotify",
        "O_CREAT for a link that is there: strace does not know that it was followed",
        lambda d, told: d.how == "create" and bool(told.asked.of("ebpf", d.path) & {"read", "write"}),
    ),
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with cloned(tmp_path_factory.mktemp("apps") / "clone") as made:
        yield made


@pytest.mark.parametrize("app", APPS)
def test_the_sources_tell_the_same_of(app: str, clone: Path) -> None:
    spec = clone / "images" / app / "image.yaml"
    spec.write_text(f"{spec.read_text()}\ntrace: {{backend: all}}\n")
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    subprocess.run([sys.executable, "-m", "doit", f"trace:{app}"], cwd=clone, env=environment, check=True)
    told = read(clone / "build" / app)
    for source in LOOKUPS:
        assert sum(teller == source for teller, _ in told.asked) > 10
    for source in OPENS:
        assert sum(teller == source for teller, _ in told.opened) > 10
    assert [d for d in asked_differently(told) if not any(line.explains(d, told) for line in ASKED_DIFFER)] == []
    assert [d for d in opened_differently(told) if not any(line.explains(d, told) for line in OPENED_DIFFER)] == []


def read(build: Path) -> Told:
    """What a trace by all sources tells."""
    image = {json.loads(line)["path"] for line in (build / "inventory.jsonl").read_text().splitlines()[1:]}
    told = Told(Ways(), Ways())
    for line in (build / "trace.jsonl").read_text().splitlines():
        row = json.loads(line)
        for source in row.get("sources", ()):
            reached = row.get("reached", row["path"])
            if source in LOOKUPS:
                told.asked[source, row["path"]].add(row["how"])
            if row["how"] in OPENED and reached in image:
                told.opened[source, reached].add(row["how"])
    return told


def asked_differently(told: Told) -> Iterator[Difference]:
    """By path and way of using."""
    for source, silent in permutations(LOOKUPS, 2):
        for (teller, path), hows in sorted(told.asked.items()):
            if teller == source:
                yield from (Difference(how, path, source, silent) for how in hows - told.asked.of(silent, path))


def opened_differently(told: Told) -> Iterator[Difference]:
    """By path alone: what is an open for reading to one source is more to another, which saw more of it."""
    for source, silent in permutations(OPENS, 2):
        for (teller, path), hows in sorted(told.opened.items()):
            if teller == source and not told.opened.of(silent, path):
                yield Difference(min(hows), path, source, silent)
