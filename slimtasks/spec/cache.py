"""Keeps a validated repo between runs, so that a run without changes reads no YAML."""

from __future__ import annotations

import io
import os
import pickle
import sys
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slimtasks.records import whole_file
from slimtasks.spec.model import Repo
from slimtasks.spec.sources import folders, nature, stamp

if TYPE_CHECKING:
    from slimtasks.spec.loading import Loaded

_TICK = 20_000_000  # ns; a file changed twice within one tick of the clock keeps its mtime


def cached(root: Path, environ: Mapping[str, str], cache: Path) -> Repo:
    """The same as `load`, from the file `cache` while nothing that it was made from has changed.

    Raises SpecError as `load` does; mistakes are never cached. A cache that cannot be read is made anew.
    """
    root = root.absolute()
    code = _code()
    repo = _kept(root, environ, cache, code)
    if repo is not None:
        return repo
    from slimtasks.spec.loading import load_traced

    loaded = load_traced(root, environ)
    _keep(loaded, environ, cache, code)
    return loaded.repo


def _kept(root: Path, environ: Mapping[str, str], cache: Path, code: Any) -> Repo | None:
    try:
        content = cache.read_bytes()
    except OSError:
        return None
    body = content[_CHECKSUM:]
    if content[:_CHECKSUM] != _checksum(body):  # cut off, or not ours: unpickling it could do anything
        return None
    file = io.BytesIO(body)
    if not _holds(pickle.load(file), root, environ, code):
        return None
    repo = pickle.load(file)
    assert isinstance(repo, Repo)
    return repo


def _holds(key: dict[str, Any], root: Path, environ: Mapping[str, str], code: Any) -> bool:
    return bool(
        key["code"] == code
        and key["root"] == str(root)
        and key["folders"] == folders(root / "images")
        and all(stamp(path) == old for path, old in key["stamps"].items())
        and all(nature(path) == old for path, old in key["natures"].items())
        and all(environ.get(name) == old for name, old in key["variables"].items())
    )


def _keep(loaded: Loaded, environ: Mapping[str, str], cache: Path, code: Any) -> None:
    """Writes the cache, unless a file is so fresh that it could still change without its stamp changing."""
    root, sources = loaded.repo.root, loaded.sources
    newest = max((part[1] for part in sources.stamps.values() if part), default=0)
    if newest > time.time_ns() - _TICK:
        return
    key = {
        "code": code,
        "root": str(root),
        "folders": folders(root / "images"),
        "stamps": sources.stamps,
        "natures": sources.natures,
        "variables": {name: environ.get(name) for name in sorted(loaded.variables)},
    }
    body = pickle.dumps(key) + pickle.dumps(loaded.repo)
    try:
        with whole_file(cache) as file:
            os.fchmod(file.fileno(), 0o600)  # it holds the values of the caller's variables
            file.write(_checksum(body) + body)
    except OSError:
        return  # a full or read-only disk costs the next run some time, no more


def _checksum(body: bytes) -> bytes:
    return b"slimtasks spec %08x\n" % zlib.crc32(body)


_CHECKSUM = len(_checksum(b""))


def _code() -> Any:
    """What the pickled classes depend on: this Python, and the files of this package."""
    with os.scandir(Path(__file__).parent) as entries:
        modules = [(entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries if entry.is_file()]
    return (sys.version, sorted(modules))
