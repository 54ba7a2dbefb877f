"""Tags that stay where they are while something is built on them: a user's checkouts on one machine take turns."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from slimtasks.job import Job


@contextmanager
def steady(job: Job, tags: Iterable[str]) -> Iterator[None]:
    """While inside, no other checkout of this user moves these tags, or builds on them."""
    folder = _folder()
    with ExitStack() as stack:
        for tag in sorted(set(tags)):
            if not folder:
                break
            name = hashlib.sha256(tag.encode()).hexdigest()[:16]
            file = stack.enter_context((folder / name).open("ab"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                job.say(f"waiting for another checkout, which builds on {tag}, or gives that tag away")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder() -> Path | None:
    """Where the locks are; None where there is no such place, and builds have to look whether a tag was moved."""
    folder = Path(tempfile.gettempdir()) / f"slimtasks-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return None
    return folder if state.st_uid == os.getuid() and state.st_mode & 0o777 == 0o700 and folder.is_dir() else None
