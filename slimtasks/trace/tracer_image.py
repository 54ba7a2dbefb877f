"""Where the tracer image comes from: built in a checkout, or shipped with the package."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
_SOURCES = ("*.c", "*.h", "Makefile", "Dockerfile")
_PARSERS = ("frames.py", "gate.py", "launcher.py", "recording.py", "sidecar.py", "strace*.py")


@cache
def sources_digest() -> str:
    """Names how traces are made: a digest (hex) of the tracer's programs and of what reads their output."""
    digest = hashlib.sha256()
    for folder, patterns in ((PROGRAMS, _SOURCES), (PROGRAMS.parent, _PARSERS)):
        for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def packaged(architecture: str) -> Path | None:
    """The tracer image as a docker-archive for `architecture` ('amd64'), where the installed package has one."""
    path = Path(__file__).parent / f"tracer-{architecture}.tar"
    return path if path.is_file() else None
