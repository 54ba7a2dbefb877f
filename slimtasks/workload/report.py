"""What came of a workload, step by step."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from slimtasks.errors import WorkloadError
from slimtasks.spec.steps import Http, Pytest, Step, StructureTest, Tcp, Wait
from slimtasks.workload.failure import PartResult, StepFailed
from slimtasks.workload.other_hosts import hint_for

STARTS_NOTHING = ", which starts nothing"  # of a step's title: it tells nothing of what the image has to do


@dataclass(frozen=True)
class StepResult:
    """How one step went."""

    name: str  # 'step 2 (http)'
    where: str
    seconds: float
    title: str  # 'GET http :80/'
    parts: tuple[PartResult, ...] = ()  # the tests of a `structure-test`
    failed: bool = False


@dataclass(frozen=True)
class WorkloadResult:
    """All steps went well, and how the container started and stopped. Without one, its fields stay as they are here."""

    steps: tuple[StepResult, ...]
    startup_seconds: float = 0.0  # from the start until it was ready for the first step
    stop_seconds: float = 0.0  # from the stop signal to the end
    exit_status: int = 0
    killed: bool = False  # it did not stop by its stop signal within its grace period
    start: str = ""  # what its start showed where there are no steps: 'stayed up' | 'exited 0'; empty where it had none


def step_title(step: Step) -> str:
    """What the step does, in a few words."""
    action = step.action
    if isinstance(action, Http):
        return f"{action.method} {action.scheme} :{action.port}{action.path}"
    if isinstance(action, Tcp):
        return f"port {action.port}"
    if isinstance(action, Wait):
        return f"port {action.port}" if action.port else f"log {action.log}" if action.log else "healthcheck"
    if isinstance(action, StructureTest):
        return action.file.name if action.starts else f"{action.file.name}{STARTS_NOTHING}"
    if isinstance(action, Pytest):
        return shlex.join((action.path.name, *action.args))
    return shlex.join(action.command)


def workload_error(
    name: str, where: str, failure: StepFailed, log: str, note: str = "", others: Mapping[str, str] | None = None
) -> WorkloadError:
    """The error for the user: which step, where it stands, what went wrong, and the container's last words.

    `others`: what became of other containers -> the log of each.
    """
    lines = [f"{where}: {name} failed: {failure.text()}"]
    if note:
        lines.append(f"  {note}")
    lines += _last_words("the container's last log lines", log)
    for fate, words in (others or {}).items():
        lines += [f"  {fate}", *_last_words("its last log lines", words)]
    hint = failure.hint or hint_for("\n".join((failure.came, log)))
    return WorkloadError("\n".join(lines), hint, step=name)


def _last_words(title: str, log: str) -> list[str]:
    return [f"  {title}:", *(f"    {line}" for line in log.splitlines())] if log else []
