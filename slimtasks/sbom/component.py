"""One package of a slim image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from slimtasks.records import ImagePath


@dataclass(frozen=True)
class Component:
    """A package of which files are in the image. Documentation is not counted, here as in `granularity: package`."""

    type: str  # as package URLs say: deb, pypi, npm, gem, cpan, maven; 'generic' for what they have no type for
    name: str
    version: str
    purl: str  # empty where nothing tells its coordinates
    group: str = ""  # of Maven
    places: tuple[ImagePath, ...] = ()  # of a language's package: where its metadata are, or its archive
    kept: int = 0  # files and links of it that are in the image
    gone: int = 0  # those that are not
    code_gone: tuple[ImagePath, ...] = ()  # of those, what a process could run, sorted

    @property
    def reference(self) -> str:
        """What other parts of a document call it."""
        return self.purl or ":".join((self.type, *self.places, f"{self.name}@{self.version}"))

    @property
    def stays(self) -> str:
        """whole | part."""
        return "part" if self.gone else "whole"


def merged(components: Iterable[Component]) -> tuple[Component, ...]:
    """Each once, sorted: one package may lie in several places, as npm's do."""
    found: dict[str, Component] = {}
    for one in components:
        known = found.setdefault(one.reference, one)
        if known is not one:
            found[one.reference] = replace(
                known,
                places=tuple(sorted({*known.places, *one.places})),
                kept=known.kept + one.kept,
                gone=known.gone + one.gone,
                code_gone=tuple(sorted({*known.code_gone, *one.code_gone})),
            )
    return tuple(sorted(found.values(), key=lambda one: (one.type, one.group, one.name, one.version, one.reference)))
