"""What an image has of what its spec limits, and which limits it does not keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from slimtasks.errors import SlimError
from slimtasks.records import Entry
from slimtasks.sizes import size_text
from slimtasks.spec.model import Image, Limits

_MOST = 5  # packages that are named
_SHELLS = frozenset(
    (
        "ash",
        "bash",
        "busybox",
        "csh",
        "dash",
        "fish",
        "ksh",
        "ksh93",
        "mksh",
        "rbash",
        "sh",
        "tcsh",
        "toybox",
        "yash",
        "zsh",
    )
)


@dataclass(frozen=True)
class Measured:
    """What is known of an image; what costs to count only where that is limited."""

    entries: Sequence[Entry]
    size: int  # of its files' content, bytes
    files: int
    fat_size: int = 0  # of what it was cut out of; 0 where there is nothing to compare it with
    packages: int = 0
    compressed_size: int = 0
    age: float = 0.0  # seconds, of the oldest that it is made of; infinite where that is not known
    oldest: str = ""  # that one, in words

    @property
    def reduction(self) -> float:
        return self.fat_size / self.size if self.size else float("inf")

    @property
    def is_smaller(self) -> bool:
        return not self.fat_size or self.size < self.fat_size

    @property
    def setuid(self) -> int:
        """Files with the setuid or the setgid bit."""
        return sum(entry.type == "file" and bool(entry.mode & 0o6000) for entry in self.entries)

    @property
    def shells(self) -> int:
        """Files that are called like a shell; the links to them are not counted."""
        return sum(
            entry.type == "file" and not entry.hardlink and entry.path.rpartition("/")[2] in _SHELLS
            for entry in self.entries
        )

    @property
    def writable_paths(self) -> int:
        """Files and directories that another user than root may write to by their owner and mode."""
        return sum(entry.type in ("file", "dir") and _is_writable(entry) for entry in self.entries)


def _is_writable(entry: Entry) -> bool:
    return bool(entry.mode & 0o022 or (entry.uid and entry.mode & 0o200))


def _size_text(size: float) -> str:
    return size_text(int(size))


def _days_text(seconds: float) -> str:
    return f"{seconds / 86400:.4g} d" if isfinite(seconds) else "no date of what it is made of"


def _bytes_text(size: float) -> str:
    return f"{size:.0f} B"


@dataclass(frozen=True)
class _Kind:
    """One kind of limit: what is found, as text, rounded and not; whether that is too little instead of too much."""

    found: Callable[[Measured], float]
    text: Callable[[float], str] = lambda number: f"{number:.0f}"
    exact: Callable[[float], str] = str
    least: bool = False
    of: Callable[[Measured], str] = lambda it: ""  # what is said beside what is found


_KINDS = {
    "size": _Kind(lambda it: it.size, _size_text, _bytes_text),
    "compressed-size": _Kind(lambda it: it.compressed_size, _size_text, _bytes_text),
    "reduction": _Kind(lambda it: it.reduction, lambda number: f"{number:.1f}", least=True),
    "files": _Kind(lambda it: it.files),
    "packages": _Kind(lambda it: it.packages),
    "setuid": _Kind(lambda it: it.setuid),
    "shells": _Kind(lambda it: it.shells),
    "writable-paths": _Kind(lambda it: it.writable_paths),
    "age": _Kind(lambda it: it.age, _days_text, of=lambda it: it.oldest and f" ({it.oldest})"),
}
"""By the keys of `limits`, in the order in which they are told."""


def check_limits(image: Image, measured: Measured) -> None:
    """SlimError with all limits that are not kept, and what brings most.

    Without `reduction`, a slim image has to be smaller than what it was cut out of.
    """
    over = exceeded(image.limits, measured)
    way_out = "change the limit"
    if image.limits.reduction is None and not measured.is_smaller:
        size, fat_size = _told(measured.size, measured.fat_size, _KINDS["size"])
        over = (f"{image.name}: {size}, not smaller than the fat image, which has {fat_size}", *over)
        way_out = "`limits: {reduction: 0}` takes it as it is"
    old = image.limits.age is not None and measured.age > image.limits.age
    hints = [f"`doit update {image.name}` fetches what is newer"] if old else []
    if len(over) > old:  # there is more than age
        most = "\n".join(f"    {line}" for line in largest(measured.entries))
        over = (*over, f"  most bytes come from\n{most}")
        tell = f"`doit removed {image.name}` and `doit why {image.name} PATH` tell more"
        hints.append(tell if image.kind == "slim" else "`squash:` takes packages and files away")
    if over:
        raise SlimError("\n".join(over), "; ".join((*hints, f"or {way_out}")))


def exceeded(limits: Limits, measured: Measured) -> tuple[str, ...]:
    """A line for each limit that is not kept: where it stands, what was found, what is allowed."""
    places, lines = dict(limits.places), []
    for key, kind in _KINDS.items():
        allowed = getattr(limits, key.replace("-", "_"))
        found = kind.found(measured)
        if allowed is not None and (found < allowed if kind.least else found > allowed):
            bound = "at least" if kind.least else "at most"
            has, may = _told(found, allowed, kind)
            told = f"limits.{key}: found {has}{kind.of(measured)}; allowed: {bound} {may}"
            lines.append(f"{places.get(key, '')}: {told}".removeprefix(": "))
    return tuple(lines)


def _told(found: float, other: float, kind: _Kind) -> tuple[str, str]:
    """Both as text; what would look the same is not rounded."""
    text = kind.exact if kind.text(found) == kind.text(other) else kind.text
    return text(found), text(other)


def largest(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The packages that bring most bytes, and what no package owns, largest first: '4.83 MB deb/perl-base'."""
    sizes: Counter[str] = Counter()
    for entry in entries:
        if entry.type == "file" and not entry.hardlink:
            sizes[entry.package or "no package"] += entry.size
    ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:_MOST]
    return tuple(f"{size_text(size)} {name}" for name, size in ordered)
