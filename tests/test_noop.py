"""A run with nothing to do imports nothing that it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HEAVY = (
    *("docker", "requests", "urllib3", "pydantic", "yaml", "tarfile", "tomllib", "ssl", "http.client", "zstandard"),
    *("slimtasks.engine.client", "slimtasks.workload", "slimtasks.selection", "slimtasks.oci", "slimtasks.stages"),
    "slimtasks.sbom",
)
GRAPH = """
import os, sys
from pathlib import Path
from slimtasks.inputs import Check
from slimtasks.session import Session
from slimtasks.tasks.of_images import report_task, tasks_of
session = Session(Path(), os.environ, print)
session.__dict__["images"] = {}
made = [task for image in session.repo.images for task in tasks_of(image, session)]
for task in made:
    for check in task.get("uptodate", ()):
        if isinstance(check, Check):
            check()
print(len(made), *(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_the_graph_of_a_known_repo_needs_no_heavy_module(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "app"
    folder.mkdir(parents=True)
    (folder / "image.yaml").write_text("tags: [my/app]\nfrom: {dockerfile: Dockerfile}\nworkload: [{http: {}}]\n")
    (folder / "Dockerfile").write_text("FROM scratch\n")
    for path in folder.iterdir():
        os.utime(path, (1, 1))  # a file that is too fresh is not trusted to stay as it is
    first, second = (graph(tmp_path) for _ in range(2))
    count, _, imported = first.partition(" ")
    assert "yaml" in imported.split()
    assert second == count and int(count) > 1


def graph(root: Path) -> str:
    """The number of tasks, and which heavy modules were imported, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", GRAPH, *HEAVY]
    return subprocess.run(
        command, cwd=root, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
