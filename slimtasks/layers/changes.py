"""What another plan means: what moves, whose digests change, what all images take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from slimtasks.layers.lock import Group, Lock
from slimtasks.layers.members import Bundle, size_of
from slimtasks.layers.sharing import Sharing, Ships, Use, share
from slimtasks.sizes import count, size_text


@dataclass(frozen=True)
class Layered:
    """One image, as far as layers go."""

    bundles: Sequence[Bundle]
    ships: Ships
    own: int = 0  # bytes of what is in no bundle
    variants: Sequence[str] = ()  # names of the images that have all its layers, and one more


@dataclass(frozen=True)
class Changes:
    """From one plan, None for none, to another, for these images."""

    images: Mapping[str, Layered]
    old: Lock | None
    new: Lock

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """The images whose digests change, sorted, each with its variants."""
        changed = [name for name in sorted(self.images) if self.old is None or self._moved(name)]
        return tuple(one for name in changed for one in (name, *self.images[name].variants))

    @cached_property
    def moves(self) -> tuple[int, int, int, int]:
        """How many members go from own layers into shared ones, the other way, from one shared one to another.

        And how many others are now common, or are so no longer.
        """
        before, after = _homes(self.old), _homes(self.new)
        both = before.keys() & after.keys()
        turned = set(self.old.common if self.old else ()) ^ set(self.new.common)
        return (
            len(after.keys() - before.keys()),
            len(before.keys() - after.keys()),
            sum(before[name] != after[name] for name in both),
            len(turned - before.keys() - after.keys()),
        )

    @cached_property
    def stored(self) -> tuple[int, int]:
        """Bytes of all files before and after, those of a layer that several images have counted once."""
        flat = sum(image.own + sum(bundle.size for bundle in image.bundles) for image in self.images.values())
        return (flat if self.old is None else self._stored(self._before)), self._stored(self._after)

    def lines(self) -> Iterator[str]:
        """All of it in words."""
        yield from self._groups()
        into, out, between, turned = self.moves
        yield (
            f"files that move: {into} from own layers into shared ones, {out} out of them, "
            f"{between} from one to another, {turned} to or from common ones"
        )
        yield f"digests that change: {', '.join(self.digests) or 'none'}"
        before, after = map(size_text, self.stored)
        images = count(len(self.images), "image")
        yield f"{images} in all: {after} instead of {before}, files of a shared layer counted once"

    def _groups(self) -> Iterator[str]:
        """A line for each shared layer, its columns aligned."""
        uses: dict[str, list[Use]] = {group.name: [] for group in self.new.groups}
        for sharing in self._after.values():
            for use in sharing.uses:
                uses[use.group.name].append(use)
        rows = [_row(group, uses[group.name]) for group in self.new.groups]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True))
            numbers = (cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True))
            yield "  ".join(["", *cells, *numbers])

    def _moved(self, name: str) -> bool:
        return _parts(self._before[name]) != _parts(self._after[name])

    @cached_property
    def _before(self) -> dict[str, Sharing]:
        assert self.old is not None
        return _uses(self.old, self.images)

    @cached_property
    def _after(self) -> dict[str, Sharing]:
        return _uses(self.new, self.images)

    def _stored(self, sharings: Mapping[str, Sharing]) -> int:
        layers = {
            layer
            for sharing in sharings.values()
            for layer in (*(use.entries for use in sharing.uses), sharing.common, sharing.rest)
        }
        return sum(map(size_of, layers)) + sum(image.own for image in self.images.values())


def _uses(lock: Lock, images: Mapping[str, Layered]) -> dict[str, Sharing]:
    return {name: share(lock, image.bundles, image.ships) for name, image in images.items()}


def _parts(sharing: Sharing) -> tuple[object, ...]:
    """The layers with files of packages, and what the image's history calls them; the other own ones stay."""
    return (tuple((use.group.kind, use.entries) for use in sharing.uses), sharing.common, sharing.rest)


def _homes(lock: Lock | None) -> dict[str, str]:
    return {name: group.name for group in lock.groups for name in group.members} if lock else {}


def _row(group: Group, uses: Sequence[Use]) -> tuple[str, ...]:
    files = [len(use.entries) for use in uses]
    sizes = [size_of(use.entries) for use in uses]
    return (
        group.kind,
        group.name,
        count(len(uses), "image"),
        count(max(files, default=0), "file"),
        size_text(max(sizes, default=0)),
    )
