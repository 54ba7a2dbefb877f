"""The digest of a file tree: what two builds of one Dockerfile have in common."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

from slimtasks.records import Entry
from slimtasks.rootfs import is_engines

VOLATILE = ("/var/cache", "/var/log", "/var/lib/apt/lists", "/tmp", "/var/tmp", "/root/.cache", "/home/*/.cache")
"""Caches and logs: what is below does not count, but for directories, whose owners and modes do."""

UNREAD = (".pyc",)
"""Names that end so count without their content, which has the build's time in it."""


def tree_digest(entries: Iterable[Entry]) -> str:
    """'sha256:...' over path, type, mode, owner, link target, device, hardlink, content and xattrs; no times, no sizes.

    Entries are taken as sorted by path; what VOLATILE and UNREAD name is left out, and the engine's own files are.
    """
    sha256 = hashlib.sha256()
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for entry in entries:
        if is_engines(entry.path) or (entry.type != "dir" and _VOLATILE(entry.path)):
            continue
        digest = "" if entry.path.endswith(UNREAD) else entry.digest
        owner_and_mode = (entry.mode, entry.uid, entry.gid)
        links = (entry.target, entry.device, entry.hardlink)
        sha256.update(encode((entry.path, entry.type, *owner_and_mode, *links, digest, entry.xattrs)).encode())
    return "sha256:" + sha256.hexdigest()


def _below(paths: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("(?:" + "|".join(re.escape(path).replace(r"\*", "[^/]+") for path in paths) + r")(?:/|\Z)")


_VOLATILE = _below(VOLATILE).match
