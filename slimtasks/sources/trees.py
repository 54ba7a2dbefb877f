"""Folders for trees in the making, outside of the checkout, and the end of those that killed runs left."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from slimtasks import process
from slimtasks.errors import SlimError

_PREFIX = "slimtasks-tree-"


@contextmanager
def tree_folder(environ: Mapping[str, str]) -> Iterator[tuple[Path, int]]:
    """An empty folder in TMPDIR, and a file descriptor that whatever works in it has to inherit; removed at the end.

    It lies there as the checkout may be below a home directory, where neither apt's user nor those of a user namespace
    may go. The descriptor holds a lock: of a folder that nobody has locked the owner is dead, and it goes, too.
    """
    place = Path(environ.get("TMPDIR") or "/tmp").absolute()
    sweep_trees(place, environ)
    folder, lock = _locked_folder(place)
    try:
        folder.chmod(0o711)  # those users have to get through
        yield folder, lock
    finally:
        _remove(folder, environ)
        os.close(lock)
        # Of a run that was killed just before this one, mmdebstrap may have ended meanwhile.
        sweep_trees(place, environ)


def sweep_trees(place: Path, environ: Mapping[str, str]) -> None:
    """Removes the folders of this user on which nothing is at work any more."""
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, held, or just removed by another run
            lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    _remove(folder, environ)
            finally:
                os.close(lock)


def _locked_folder(place: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        with suppress(OSError):
            lock = _lock(folder, fcntl.LOCK_EX)
            if folder.exists():  # another run's sweep may have come between both
                return folder, lock
            os.close(lock)


def _lock(folder: Path, how: int) -> int:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, how)
    except OSError:
        os.close(lock)
        raise
    return lock


def _remove(folder: Path, environ: Mapping[str, str]) -> None:
    """By whoever may: what mmdebstrap made in a user namespace belongs to users of that.

    Never across a mount, which may be one of this machine's own; what is left is tried again by the next run.
    """
    command = ["rm", "-rf", "--one-file-system", "--"]
    inside = [str(path) for path in folder.iterdir()]
    with suppress(SlimError):
        if inside and os.geteuid() != 0:
            process.run(["mmdebstrap", "--unshare-helper", *command, *inside], env=environ, cwd=folder, check=False)
        process.run([*command, str(folder)], env=environ, check=False)
