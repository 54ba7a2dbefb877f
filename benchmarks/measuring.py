"""Runs programs and says what they took: wall clock, CPU and peak memory, of each run and in the middle of several."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """One run of a program, with the children that it waited for."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    peak: float  # MB of 1,000,000 bytes that were resident at once, at most
    output: str


def run(command: Sequence[str], cwd: Path) -> Run:
    """Runs it to its end; exits, with its output, where it fails."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout
    output = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} in {cwd}: exit status {process.returncode}\n{output}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, output)


def environment() -> dict[str, str]:
    """The caller's, but for what makes Python slow (no .pyc files) or finds another checkout's code."""
    spoilt = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONDEVMODE", "PYTHONTRACEMALLOC")
    return {name: value for name, value in os.environ.items() if name not in spoilt}


def doit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "doit", *arguments]


def spread(values: Iterable[float], unit: float = 1.0) -> str:
    """'142 (139 to 180)': the median, and the smallest and the largest."""
    found = sorted(value / unit for value in values)
    digits = 0 if found[-1] >= 100 else 1 if found[-1] >= 10 else 2
    return f"{statistics.median(found):.{digits}f} ({found[0]:.{digits}f} to {found[-1]:.{digits}f})"


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as text: the first column left, the others right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def machine() -> str:
    """What the figures were taken on."""
    return f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
