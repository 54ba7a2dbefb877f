"""The running container that the steps of a workload are tried on."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slimtasks.engine.container import Container
from slimtasks.errors import EngineError
from slimtasks.spec.service import Service
from slimtasks.workload.failure import StepFailed
from slimtasks.workload.launcher import Exit, Launcher
from slimtasks.workload.other_hosts import hint_for
from slimtasks.workload.reach import Reach
from slimtasks.workload.unstarted import START_HINT, unstarted

LOG_LINES = 15  # last ones, in errors


@dataclass(frozen=True)
class Target:
    """A container that was started, and the ways to it."""

    launcher: Launcher
    container: Container
    reach: Reach
    image_config: Mapping[str, Any]  # the `Config` of the image it runs

    def must_run(self) -> None:
        """StepFailed where the container has ended, or never began."""
        state = self.container.inspect()["State"]
        if state.get("Running"):
            return
        why = self.refusal(state)
        if why:
            raise StepFailed(f"the container does not start: {why}", hint=START_HINT)
        raise StepFailed(f"the container ended by itself {ending(state)}", hint=_ending_hint(state, self.log()))

    def refusal(self, state: Mapping[str, Any]) -> str:
        """Why its program did not start, of a container that has ended in that `State`; empty where it did."""
        return unstarted(Exit(int(state.get("ExitCode", 0)), self.log().encode(), b""))

    def log(self) -> str:
        """The last LOG_LINES lines of what the container printed; empty where the engine cannot tell."""
        try:
            return self.container.logs(tail=LOG_LINES).decode("utf-8", "replace").rstrip()
        except EngineError:
            return ""


@dataclass(frozen=True)
class Running:
    """A service that was started, and the way to its container."""

    service: Service
    target: Target

    def epitaph(self) -> str:
        """That it ended with an error, as messages say it; empty where it did not."""
        state = self.target.container.inspect()["State"]
        failed = not state["Running"] and state["ExitCode"]
        return f"service {self.service.name} ended by itself {ending(state)}" if failed else ""


def ending(state: Mapping[str, Any]) -> str:
    """How a container ended, of the `State` that the engine shows: 'with exit status 137 (SIGKILL, out of memory)'."""
    status = int(state.get("ExitCode", 0))
    notes = [_signal(status), "out of memory" if state.get("OOMKilled") else "", str(state.get("Error") or "")]
    shown = ", ".join(filter(None, notes))
    return f"with exit status {status}" + (f" ({shown})" if shown else "")


def _signal(status: int) -> str:
    try:
        return signal.Signals(status - 128).name if status > 128 else ""
    except ValueError:
        return ""


def _ending_hint(state: Mapping[str, Any], log: str) -> str:
    if state.get("OOMKilled"):
        return "raise `run: mem_limit:`"
    if not state.get("ExitCode"):
        return "for a command that ends use the step `oneshot`; a server has to stay in the foreground"
    return hint_for(log) or "its last words may say why; `run:` holds how it is started"
