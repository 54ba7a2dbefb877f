"""What a run with nothing to do costs, beside doit alone with as many trivial tasks.

Both sides run by turns: `doit` in the repo (whose images are built first, where they are not), and `doit` in a
folder with a generated dodo.py that has the same tasks, with as many files and dependencies, and nothing in them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import CHECKOUT, Run, doit, environment, machine, run, spread, table

FACTOR, ALLOWANCE = 1.5, 0.080  # the goal: at most this many times doit alone, plus seconds

SHAPE = """
import json, sys
sys.path.insert(0, "")
import dodo
from doit.loader import load_tasks
tasks = load_tasks(vars(dodo))
print(json.dumps([dodo.DOIT_CONFIG["default_tasks"], [
    {"name": t.name, "file_dep": sorted(t.file_dep), "targets": list(t.targets), "task_dep": list(t.task_dep),
     "group": bool(t.has_subtask), "always": any(u[0] is False for u in t.uptodate), "actions": bool(t.actions)}
    for t in tasks]]))
"""

TRIVIAL = """
from doit.tools import config_changed
DOIT_CONFIG = {{"default_tasks": {default!r}, "verbosity": 2}}
TASKS = {tasks!r}
def nothing():
    return {{}}
def make(task):
    basename, _, name = task[0].partition(":")
    made = {{"basename": basename, "actions": [nothing] if task[5] else None, "task_dep": task[3]}}
    if name:
        made["name"] = name
    if task[5]:
        made |= {{"file_dep": task[1], "targets": task[2], "uptodate": [False if task[4] else config_changed("same")]}}
    return made
def task_all():
    for task in TASKS:
        yield make(task)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", type=Path, default=CHECKOUT, help="the repo whose images are looked at (this one)")
    parser.add_argument("--runs", type=int, default=15, help="runs of each side (15)")
    options = parser.parse_args()
    repo = options.repo.resolve()
    print("bringing the repo up to date")
    run(doit(), repo)
    run(doit(), repo)
    default, tasks = shape(repo)
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder)
        generate(alone, default, tasks)
        run(doit(), alone)
        before = costs(repo)
        ours, theirs = by_turns(repo, alone, options.runs)
        if costs(repo) != before:
            sys.exit("a stage was run meanwhile: this was no run with nothing to do")
    files, targets = (sum(len(task[key]) for task in tasks) for key in ("file_dep", "targets"))
    print(f"{len(tasks)} tasks, {files} file_deps, {targets} targets; {options.runs} runs of each; {machine()}\n")
    print(table(report(ours, theirs)))


def shape(repo: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """The default tasks, and all tasks as doit loads them."""
    found = subprocess.run(
        [sys.executable, "-c", SHAPE], cwd=repo, env=environment(), check=True, stdout=subprocess.PIPE
    ).stdout
    default, tasks = json.loads(found)
    return default, tasks


def generate(folder: Path, default: list[str], tasks: list[dict[str, Any]]) -> None:
    """Writes a dodo.py with the same tasks, and a file for each file."""
    names: dict[str, str] = {}
    for task in tasks:
        for path in (*task["file_dep"], *task["targets"]):
            names.setdefault(path, f"f{len(names)}")
    for name in names.values():
        (folder / name).write_text(name)
    rows = [
        (
            task["name"],
            [names[path] for path in task["file_dep"]],
            [names[path] for path in task["targets"]],
            task["task_dep"],
            task["always"],
            task["actions"],
        )
        for task in tasks
        if not task["group"]  # doit makes it of its sub-tasks
    ]
    (folder / "dodo.py").write_text(TRIVIAL.format(default=default, tasks=rows))


def costs(repo: Path) -> list[tuple[str, int]]:
    """Changes whenever a stage is run."""
    return sorted((str(path), path.stat().st_mtime_ns) for path in repo.glob("build/*/costs.json"))


def by_turns(repo: Path, alone: Path, runs: int) -> tuple[list[Run], list[Run]]:
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(run(doit(), repo))
        theirs.append(run(doit(), alone))
    return ours, theirs


def report(ours: list[Run], theirs: list[Run]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "slimtasks", "doit alone", "ratio", "goal at most", "")]
    for name in ("wall", "cpu"):
        mine, other = ([getattr(one, name) for one in side] for side in (ours, theirs))
        goal = FACTOR * statistics.median(other) + ALLOWANCE
        ratio = f"{statistics.median(mine) / statistics.median(other):.2f}"
        met = "met" if statistics.median(mine) <= goal else "NOT MET"
        rows.append((f"{name}, ms", spread(mine, 1e-3), spread(other, 1e-3), ratio, f"{goal * 1e3:.0f}", met))
    peaks = [[one.peak for one in side] for side in (ours, theirs)]
    rows.append(("peak, MB", spread(peaks[0]), spread(peaks[1]), "", "", ""))
    return rows


if __name__ == "__main__":
    main()
