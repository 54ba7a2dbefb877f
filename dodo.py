"""The images of this repo, and the checks of its code."""

from typing import Any

from slimtasks.dodo import DOIT_CONFIG, task_images

__all__ = ["DOIT_CONFIG", "task_images", "task_lint", "task_typecheck"]


def task_lint() -> dict[str, Any]:
    """ruff: style and format of the code."""
    return {"actions": ["ruff check .", "ruff format --check ."], "uptodate": [False]}


def task_typecheck() -> dict[str, Any]:
    """mypy, strict."""
    return {"actions": ["mypy"], "uptodate": [False]}
