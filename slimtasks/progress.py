"""What the user sees while doit runs: a line for each task that does something, and the table at the end."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from doit.exceptions import TaskFailed

from slimtasks.interrupt import Interrupted
from slimtasks.terminal import shown

if TYPE_CHECKING:
    from doit.exceptions import BaseFail
    from doit.task import Task

_STAGE_WIDTH = 8
_EVERY = 1.0  # seconds between two lines in a log
_WIDEST = 160  # characters of them


class Progress:
    """Shows how a long-running stage goes on: its last line on a terminal, a line a second in a log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._shown = False
        self._last = 0.0

    def __call__(self, line: str) -> None:
        """Shows one line of progress, or drops it."""
        line = shown(line)
        if self._terminal:
            width = shutil.get_terminal_size().columns
            self._write(f"\r\x1b[K    | {line[: width - 7]}")
            self._shown = True
        elif time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            self._write(f"    | {line[:_WIDEST]}\n")

    def note(self, text: str) -> None:
        """Writes what a stage found, above the line of its end."""
        self.line(f"    {text}")

    def line(self, text: str) -> None:
        """Writes a line that stays."""
        start = "\r\x1b[K" if self._shown else ""
        self._shown = False
        self._write(start + "".join(f"{shown(line)}\n" for line in text.split("\n")))

    def _write(self, text: str) -> None:
        """Raises Interrupted where nobody reads any more, as behind `doit | head`: the run ends as with Ctrl-C."""
        encoding = self._stream.encoding or "utf-8"
        try:  # whatever is in no UTF-8, or not in the terminal's encoding, must not end the run
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # what is still in its buffer, and what comes yet
            os.close(nowhere)
            raise Interrupted from None


PROGRESS = Progress(sys.__stdout__ or sys.stdout)


class Unmet(TaskFailed):  # type: ignore[misc]  # doit has no types
    """A task that was not run, since one that it needs failed."""


class Reporter:
    """doit's reporter: nothing for what is up to date, causes instead of tracebacks for what failed."""

    desc = "slimtasks: what was done, what failed and why, a table at the end"

    def __init__(self, outstream: TextIO, options: dict[str, Any]) -> None:
        self._failed: list[str] = []
        self._skipped: list[str] = []
        self._errors: list[str] = []

    def initialize(self, tasks: dict[str, Task], selected_tasks: list[str]) -> None:
        """Called before the first task."""

    def get_status(self, task: Task) -> None:
        """Called before a task is looked at."""

    def execute_task(self, task: Task) -> None:
        """Called before a task is run."""
        if task.actions and sys.stdout.isatty():
            PROGRESS(f"{_title(task)} ...")

    def add_success(self, task: Task) -> None:
        """Called after a task succeeded."""
        if not task.actions or task.name == "report":
            return
        summary, seconds = task.values.get("summary", ""), task.values.get("seconds", 0.0)
        PROGRESS.line(f"{_title(task)}  {seconds:6.1f} s  {summary}")

    def add_failure(self, task: Task, fail: BaseFail) -> None:
        """Called after a task failed, or could not run since another one failed."""
        if isinstance(fail, Unmet):
            self._skipped.append(task.name)
            return
        self._failed.append(task.name)
        message = fail.get_msg().rstrip().replace("\n", "\n    ")
        PROGRESS.line(f"{_title(task)}  FAILED\n    {message}")

    def skip_uptodate(self, task: Task) -> None:
        """Called for a task that has nothing to do."""

    def skip_ignore(self, task: Task) -> None:
        """Called for a task that the user told doit to ignore."""
        PROGRESS.line(f"{_title(task)}  ignored")

    def cleanup_error(self, exception: BaseFail) -> None:
        """Called when a teardown failed."""
        sys.stderr.write(exception.get_msg())

    def runtime_error(self, msg: str) -> None:
        """Called when doit itself cannot go on."""
        self._errors.append(msg)

    def teardown_task(self, task: Task) -> None:
        """Called before a teardown."""

    def complete_run(self) -> None:
        """Called after the last task."""
        for message in self._errors:
            PROGRESS.line(f"cannot go on: {message}")
        if self._failed:
            PROGRESS.line(f"\nfailed: {', '.join(name.removeprefix('_') for name in self._failed)}")
        names = [name.removeprefix("_") for name in self._skipped if ":" in name]
        if names:
            PROGRESS.line(f"not run, since they need what failed: {', '.join(names)}")


def _title(task: Task) -> str:
    stage, _, name = task.name.removeprefix("_").partition(":")
    return f"{name:18} {stage:{_STAGE_WIDTH}}" if name else f"{stage:18} {'':{_STAGE_WIDTH}}"
