"""One date for all that a build made, so that the same files have the same bytes in a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slimtasks.errors import SlimError
from slimtasks.records import Entry


@dataclass(frozen=True)
class Clock:
    """Files of packages keep their mtime; all else is clamped to `epoch` (seconds since 1970)."""

    epoch: int

    @staticmethod
    def of(entries: Iterable[Entry], environ: Mapping[str, str]) -> Clock:
        """SOURCE_DATE_EPOCH (reproducible-builds.org), else the newest mtime of a package's file, else 0."""
        given = environ.get("SOURCE_DATE_EPOCH")
        if given is None:
            owned = (entry.mtime for entry in entries if entry.package and entry.type == "file")
            return Clock(max(owned, default=0))
        if not given.isdecimal():
            raise SlimError(f"SOURCE_DATE_EPOCH is {given!r}", "give it as whole seconds since 1970, or unset it")
        return Clock(int(given))

    def mtime(self, entry: Entry) -> int:
        """What a layer says of the entry; a directory gets the date, since whatever is put into it changes its own."""
        if entry.type == "dir":
            return self.epoch
        if entry.type == "file" and entry.package:  # a link of a package may be made by whatever unpacked it: usrmerge
            return entry.mtime
        return min(entry.mtime, self.epoch)
