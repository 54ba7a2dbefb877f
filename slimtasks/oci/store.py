"""The store of layers, `<diff ID without 'sha256:'>.tar`, and what it says when the disk is full."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slimtasks.errors import SlimError, of_system


def layer_path(store: Path, diff_id: str) -> Path:
    return store / (diff_id.removeprefix("sha256:") + ".tar")


@contextmanager
def disk_full(path: Path, needed: int = 0) -> Iterator[None]:
    """Turns what a full or unwritable disk does to `path` into a SlimError; `needed` in bytes, 0 where not known."""
    try:
        yield
    except OSError as error:
        raise _told(error, path, needed) from error


def _told(error: OSError, path: Path, needed: int) -> SlimError:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        error.filename = error.filename or str(path)
        return of_system(error)
    size = f" ({needed / 1e6:.1f} MB in all)" if needed else ""
    return SlimError(
        f"the disk is full: cannot write {path}{size}",
        f"make room in {path.parent}, then run the same command again",
    )


class Incoming:
    """One tar on its way into the store; it appears whole, by its diff ID, or not at all."""

    def __init__(self, store: Path, needed: int = 0) -> None:
        self._store = store
        self._needed = needed
        self._sha256 = hashlib.sha256()
        self.size = 0
        with disk_full(store, needed):
            store.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", suffix=f".{os.getpid()}.part", dir=store)
        self._partial = Path(name)
        self._file = os.fdopen(handle, "wb", buffering=1 << 20)

    def write(self, data: bytes | memoryview) -> None:
        try:  # a `with` for each write would cost more than the write
            self._file.write(data)
        except OSError as error:
            raise _told(error, self._partial, self._needed) from error
        self._sha256.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """Puts the tar into the store unless it is there, and returns its diff ID."""
        diff_id = "sha256:" + self._sha256.hexdigest()
        path = layer_path(self._store, diff_id)
        with disk_full(path, self._needed):
            self._file.close()
            if not path.exists():
                self._partial.replace(path)
        self.close()
        return diff_id

    def close(self) -> None:
        """Leaves nothing of a tar that was not finished."""
        with suppress(OSError):  # what could not be written is not wanted any more
            self._file.close()
        self._partial.unlink(missing_ok=True)
