"""The errors that a user may see.

SlimError            what happened, and what to do next
├── SpecError        mistakes in image.yaml, image.toml or pyproject.toml, all at once
├── EngineError      the container engine refused, failed or cannot be reached
├── BuildError       a Dockerfile build or a bootstrap failed
├── WorkloadError    a step of the workload failed
│   └── ServiceFailed    or a service that it needs, whatever the image under test does
├── Damaged          a file below build/ is not as it was written
└── IncompleteTrace  the trace may have missed something
"""

from __future__ import annotations

import errno
from pathlib import Path


class SlimError(Exception):
    """`what` happened (with file, line, key where there are any), and `hint`: what to do next."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  -> {self.hint}" if self.hint else self.what


class SpecError(SlimError):
    """Mistakes in a spec; `what` has one line for each."""


class EngineError(SlimError):
    """The container engine refused, failed or cannot be reached."""


class BuildError(SlimError):
    """A Dockerfile build or a bootstrap failed; `base` is the image that the builder could not get, if that is why."""

    def __init__(self, what: str, hint: str = "", *, base: str = "") -> None:
        super().__init__(what, hint)
        self.base = base


class WorkloadError(SlimError):
    """A step of the workload failed; `step` is what messages call it, as in 'step 2 (http)'."""

    def __init__(self, what: str, hint: str = "", *, step: str = "") -> None:
        super().__init__(what, hint)
        self.step = step


class ServiceFailed(WorkloadError):
    """A service that the workload needs did not start or get ready; `step` is 'service db'."""


class IncompleteTrace(SlimError):
    """The trace may have missed something, so nothing was kept of it."""


class Damaged(SlimError):
    """A file below build/ is not as it was written; each of them can be made anew."""

    def __init__(self, path: Path, reason: str) -> None:
        hint = f"`rm {path}`, then run the same command again; if that is not enough, `doit clean` its image before"
        super().__init__(f"{path} is damaged: {reason}", hint)


def of_system(error: OSError) -> SlimError:
    """What the operating system refused: which file, why, what to do next."""
    path = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = f" in {Path(error.filename).parent}" if error.filename else ""
        return SlimError(f"the disk is full: cannot write{path}", f"make room{folder}, then run the same command again")
    reason = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "see whose it is (`ls -ld`): what one user has built no other may go on with; or remove it"
        return SlimError(f"cannot use{path}: {reason.lower()}", hint)
    return SlimError(f"cannot use{path}: {reason.lower()}", "")
