"""What a slim image has no longer, by package and by file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from slimtasks.answers.built import Built
from slimtasks.answers.weights import Extent, Scales
from slimtasks.errors import SlimError
from slimtasks.nearest import near_package
from slimtasks.records import Entry, ImagePath, bare_name
from slimtasks.rootfs import is_engines
from slimtasks.selection.inputs import NotKept


@dataclass(frozen=True)
class Loss:
    """What goes of one package; of '' what no package owns."""

    package: str  # 'deb/libc6'
    version: str
    removed: Extent
    kept: Extent

    @property
    def whole(self) -> bool:
        """Whether nothing of it stays."""
        return not self.kept.files


@dataclass(frozen=True)
class LostFile:
    """One path that goes."""

    path: ImagePath
    size: int  # bytes; 0 where another name keeps them
    package: str


@dataclass(frozen=True)
class Removed:
    """All that goes, largest first."""

    image: str
    package: str  # the only one that is told of; empty for all
    removed: Extent
    kept: Extent  # of the fat image
    packages: tuple[Loss, ...]
    files: tuple[LostFile, ...]
    not_kept: tuple[NotKept, ...] = ()  # of all that goes, what is often missed later


def removed(built: Built, package: str = "") -> Removed:
    """What goes; with a `package`, of that alone. SlimError where the fat image has none of that name."""
    scales = Scales(built.tree, built.staying)
    wanted = _named(built, package) if package else ""
    entries = [entry for entry in built.tree if entry.type != "dir" and not is_engines(entry.path)]
    if package:
        entries = [entry for entry in entries if entry.package == wanted]
    by_package: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_package[entry.package].append(entry)
    losses = (_loss(built, name, mine, scales) for name, mine in by_package.items())
    lost = (_lost(entry, scales) for entry in entries if not scales.stays(entry))
    return Removed(
        image=built.image.name,
        package=wanted,
        removed=scales.removed(entries),
        kept=scales.kept(entries),
        packages=tuple(
            sorted((loss for loss in losses if loss.removed.files), key=lambda loss: (-loss.removed.size, loss.package))
        ),
        files=tuple(sorted(lost, key=lambda file: (-file.size, file.path))),
        not_kept=() if package else built.not_kept,
    )


def _loss(built: Built, package: str, entries: list[Entry], scales: Scales) -> Loss:
    known = built.packages.get(package)
    return Loss(package, known.version if known else "", scales.removed(entries), scales.kept(entries))


def _lost(entry: Entry, scales: Scales) -> LostFile:
    return LostFile(entry.path, scales.freed(entry), entry.package)


def _named(built: Built, package: str) -> str:
    found = [name for name in sorted(built.packages) if package in (name, bare_name(name))]
    if found:
        return found[0]
    hint = f"`doit removed {built.image.name} -n 0` lists all of which something goes"
    raise SlimError(
        f"the fat image of {built.image.name} has no package {package}{near_package(package, built.packages)}", hint
    )
