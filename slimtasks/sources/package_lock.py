"""images/<name>/packages.lock: which packages a bootstrap installs, in which versions.

A text, sorted, so that a change reads well in a diff: comments, a line `suite architecture date`, then one
`package version architecture sha256` for each package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slimtasks.errors import SlimError
from slimtasks.oci.config import seconds, timestamp
from slimtasks.sizes import count

_MOST = 10  # packages told of in an error
_HEAD = re.compile(r"bootstrap (?P<suite>\S+) (?P<architecture>\S+) fetched (?P<date>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_LINE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9.+-]*) (?P<version>[^\s,']+) (?P<architecture>[a-z0-9-]+) (?P<sha256>[0-9a-f]{64})"
)
_COMMENT = """\
# What the bootstrap of {name} installs. As images/{name}/packages.lock it is what it will install from then on, until
# `doit update {name}` writes it anew; without that file, a bootstrap installs what is newest.
"""


@dataclass(frozen=True, order=True)
class Installed:
    """One package, as the mirror's index has it."""

    name: str
    version: str
    architecture: str  # 'amd64', or 'all'
    sha256: str  # of the .deb


@dataclass(frozen=True)
class PackagesLock:
    """What one bootstrap has installed."""

    suite: str
    architecture: str
    fetched: int  # seconds since 1970
    packages: tuple[Installed, ...]  # sorted


def read_packages_lock(path: Path, shown: str) -> PackagesLock | None:
    """None where there is none; SlimError for one that is none, naming it as `shown`."""
    try:
        return parse_packages_lock(path.read_text(encoding="utf-8", errors="replace"), shown)
    except FileNotFoundError:
        return None


def parse_packages_lock(text: str, shown: str) -> PackagesLock:
    """SlimError for a text that is none, naming it as `shown`."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line and not line.startswith("#")]
    number, first = lines[0] if lines else (1, "")
    head = _HEAD.fullmatch(first)
    if not head:
        raise _wrong(shown, number, first, "bootstrap SUITE ARCHITECTURE fetched DATE")
    try:
        fetched = seconds(head["date"])
    except ValueError:
        raise _wrong(shown, number, first, "bootstrap SUITE ARCHITECTURE fetched DATE") from None
    packages = tuple(sorted(_package(shown, number, line) for number, line in lines[1:]))
    if not packages:
        raise _wrong(shown, number + 1, "", "a line for each package")
    return PackagesLock(head["suite"], head["architecture"], fetched, packages)


def packages_lock_text(name: str, lock: PackagesLock) -> str:
    """The lock of the image `name`."""
    head = f"bootstrap {lock.suite} {lock.architecture} fetched {timestamp(lock.fetched)}"
    lines = (f"{one.name} {one.version} {one.architecture} {one.sha256}" for one in sorted(lock.packages))
    return _COMMENT.format(name=name) + "\n".join((head, *lines)) + "\n"


def fitting(lock: PackagesLock, shown: str, suite: str, architecture: str) -> tuple[Installed, ...]:
    """The packages to install; SlimError where the lock is one of another suite or architecture."""
    for what, locked, wanted in (("suite", lock.suite, suite), ("architecture", lock.architecture, architecture)):
        if locked != wanted:
            raise SlimError(f"{shown} is of the {what} {locked}; this bootstrap is of {wanted}", renew(shown))
    return lock.packages


def absent(shown: str, lacking: Iterable[tuple[str, str, tuple[str, ...]]]) -> SlimError:
    """The error for what the mirror lacks: (package, locked version, versions that it has)."""
    lines = [
        f"{name} {version}, instead it has {', '.join(there)}" if there else f"{name} {version}, nor any other version"
        for name, version, there in sorted(lacking)
    ]
    return SlimError(
        f"the mirror lacks {count(len(lines), 'package')} of {shown}{_listed(lines)}",
        f"{renew(shown)}; or give a `mirror:` that keeps old versions, as snapshot.debian.org does",
    )


def check_installed(shown: str, locked: tuple[Installed, ...], found: tuple[Installed, ...]) -> None:
    """SlimError unless exactly the locked packages were installed."""
    if set(locked) != set(found):
        lines = list(_differences(locked, found))
        raise SlimError(f"other packages were installed than {shown} names{_listed(lines)}", renew(shown))


def renew(shown: str) -> str:
    """What to do about a lock that does not fit."""
    return f"`doit update {shown.split('/')[-2]}` fetches what is newest, and writes the lock anew"


def _differences(locked: tuple[Installed, ...], found: tuple[Installed, ...]) -> Iterator[str]:
    before, after = ({(one.name, one.architecture): one for one in those} for those in (locked, found))
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old and new and old != new:
            same = old.version == new.version
            yield f"{old.name} {old.version}: {'another file of that version' if same else new.version}"
        elif old and not new:
            yield f"{old.name} {old.version}: not installed"
        elif new and not old:
            yield f"{new.name} {new.version}: not in the lock"


def _listed(lines: list[str]) -> str:
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return "".join(f"\n  {line}" for line in (*lines[:_MOST], *more))


def _package(shown: str, number: int, line: str) -> Installed:
    match = _LINE.fullmatch(line)
    if not match:
        raise _wrong(shown, number, line, "PACKAGE VERSION ARCHITECTURE SHA256")
    return Installed(**match.groupdict())


def _wrong(shown: str, number: int, line: str, allowed: str) -> SlimError:
    found = f"found '{line[:80]}'" if line else "found nothing"
    return SlimError(f"{shown}:{number}: {found}; allowed: {allowed}", renew(shown))
