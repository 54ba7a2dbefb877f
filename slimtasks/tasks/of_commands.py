"""The tasks behind commands, which no plain run shows or does: hence their names, which doit lists nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slimtasks import inputs
from slimtasks.job import result_file
from slimtasks.session import Session
from slimtasks.spec import Image
from slimtasks.tasks.actions import (
    run_push,
    run_relayer,
    run_repair,
    run_reproducible,
    run_stage,
    run_update,
    tell_changes,
)

Task = dict[str, Any]


def relayer_task(session: Session) -> Task:
    """What `doit relayer` runs."""
    return {
        "basename": "_relayer",
        "params": [{"name": "yes", "long": "yes", "type": bool, "default": False}],
        "uptodate": [False],
        "actions": [(run_relayer, [session])],
    }


def lock_task(image: Image, session: Session) -> Task:
    """What `doit lock NAME` runs."""
    return {
        "basename": "_lock",
        "name": image.name,
        "file_dep": sorted({str(path) for path in inputs.traced_files(image, session)}),
        "task_dep": [f"verify:{name}" for name in sorted(inputs.traced_images(image, session))],
        "uptodate": [False],
        "actions": [(run_stage, ["lock", image, session])],
    }


def reproducible_task(image: Image, session: Session) -> Task:
    """What `doit verify-reproducible NAME` runs."""
    return {
        "basename": "_verify-reproducible",
        "name": image.name,
        "task_dep": [f"image:{image.name}"],
        "uptodate": [False],
        "actions": [(run_reproducible, [image, session])],
    }


def repair_task(image: Image, session: Session) -> Task:
    """What `doit repair NAME` runs."""
    uses = inputs.step_images(image, checks=True) | inputs.tracer_images(session)
    return {
        "basename": "_repair",
        "name": image.name,
        "params": [{"name": "write", "long": "write", "type": bool, "default": False}],
        "task_dep": [f"image:{image.name}", *(f"verify:{name}" for name in sorted(uses))],
        "uptodate": [False],
        "actions": [(run_repair, [image, session])],
    }


def push_task(image: Image, session: Session) -> Task:
    """What `doit push NAME` runs."""
    return {
        "basename": "_push",
        "name": image.name,
        "params": [{"name": "to", "long": "to", "type": str, "default": ""}],
        "task_dep": [image.name],
        "uptodate": [False],
        "actions": [(run_push, [image, session])],
    }


def update_tasks(image: Image, session: Session) -> Iterator[Task]:
    """What `doit update` runs; see there for the order."""
    yield {
        "basename": "_update",
        "name": image.name,
        "task_dep": [f"_update:{name}" for name in image.depends],
        "uptodate": [False],
        "actions": [(run_update, [image, session])] if inputs.is_updated(image) else None,
        "meta": {"uses": image.depends, "built": result_file(session.workspace, image).exists()},
    }
    yield {
        "basename": "_changes",
        "name": image.name,
        "uptodate": [False],
        "actions": [(tell_changes, [image, session])],
    }
