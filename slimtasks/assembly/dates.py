"""One date for all that a build made, so that the same files have the same bytes in a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from slimtasks.errors import SlimError
from slimtasks.packages.dpkg import Registered, is_as_brought, newest, registered
from slimtasks.records import Entry

_LAST = 253_402_300_799  # 9999-12-31T23:59:59Z: of what comes later an image config can tell no date


@dataclass(frozen=True)
class Clock:
    """Files as their package brought them keep their mtime; all else gets `epoch` (seconds since 1970).

    An older mtime is no better: COPY takes it from a checkout, where it tells when somebody cloned.
    """

    epoch: int
    _installed: Mapping[str, Registered] = field(default_factory=dict)  # by package

    @staticmethod
    def of(entries: Iterable[Entry], environ: Mapping[str, str], date: int | None = None) -> Clock:
        """SOURCE_DATE_EPOCH (reproducible-builds.org), else `date`, else the newest mtime of a package's files, else 0.

        `entries`: the whole tree; with a date, the files that are asked for and the database of packages are enough.
        """
        entries = tuple(entries)
        clock = Clock(0, registered(entries))
        given = environ.get("SOURCE_DATE_EPOCH")
        if given is None:
            return replace(clock, epoch=min(newest(entries) if date is None else date, _LAST))
        if not given.isdecimal() or len(given) > len(str(_LAST)) or int(given) > _LAST:
            hint = "give it as whole seconds since 1970, as `date +%s` does, or unset it"
            raise SlimError(f"SOURCE_DATE_EPOCH is {given[:40]!r}", hint)
        return replace(clock, epoch=int(given))

    def mtime(self, entry: Entry) -> int:
        """What a layer says of the entry; a directory gets the date, since whatever is put into it changes its own."""
        if entry.type == "dir":
            return self.epoch
        return entry.mtime if is_as_brought(entry, self._installed) else self.epoch

    def brought(self, entry: Entry) -> int | None:
        """What a layer says of a package's file or link, the same of any image that has this date.

        None for a file that is not as its package brought it. In a squashed base the lists of files are no newer than
        the newest of these files.
        """
        if entry.type == "link":
            return self.epoch
        installed = self._installed.get(entry.package)
        with_its_list = installed is not None and entry.mtime == installed.mtime
        return entry.mtime if with_its_list or is_as_brought(entry, self._installed) else None
