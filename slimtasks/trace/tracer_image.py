"""Where the tracer image comes from: built in a checkout, or shipped with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from slimtasks.fingerprint import digest_of_code

PROGRAMS = Path(__file__).parent / "programs"
_SOURCES = ("*.c", "*.h", "Makefile", "Dockerfile*")
_PARSERS = (
    "file.py",
    "frames.py",
    "gate.py",
    "launcher.py",
    "recording.py",
    "sidecar.py",
    "strace*.py",
    "summary.py",
    "use_set.py",
    "uses.py",
)


@cache
def sources_digest() -> str:
    """Names how traces are made: a digest (hex) of the tracer's programs and of what reads their output."""
    return digest_of_code((PROGRAMS, _SOURCES), (PROGRAMS.parent, _PARSERS))


def packaged(architecture: str) -> Path | None:
    """The tracer image as a docker-archive for `architecture` ('amd64'), where the installed package has one."""
    path = Path(__file__).parent / f"tracer-{architecture}.tar"
    return path if path.is_file() else None
