"""Reads what a repo declares: images/<name>/image.yaml or image.toml, and [tool.slimtasks] of pyproject.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from slimtasks.spec.cache import cached
from slimtasks.spec.model import Add, Bootstrap, Final, From, Image, Kind, Repo, Rule, Secret, Squash, Trace
from slimtasks.spec.run import Port, Run, Ulimit, Volume
from slimtasks.spec.scenario import Scenario
from slimtasks.spec.steps import (
    Action,
    Client,
    Exec,
    Expectation,
    Host,
    Http,
    Oneshot,
    Step,
    Tcp,
    Wait,
)

__all__ = [
    "Action",
    "Add",
    "Bootstrap",
    "Client",
    "Exec",
    "Expectation",
    "Final",
    "From",
    "Host",
    "Http",
    "Image",
    "Kind",
    "Oneshot",
    "Port",
    "Repo",
    "Rule",
    "Run",
    "Scenario",
    "Secret",
    "Squash",
    "Step",
    "Tcp",
    "Trace",
    "Ulimit",
    "Volume",
    "Wait",
    "cached",
    "load",
]


def load(root: Path, environ: Mapping[str, str], unwritten: Mapping[Path, bytes] | None = None) -> Repo:
    """The images that the repo at `root` declares; raises SpecError with all mistakes of all files.

    `unwritten`: specs that are not written yet, by absolute path, which count as if they were there.
    """
    from slimtasks.spec.loading import load as read

    return read(root, environ, unwritten)
