"""The lines that a repair adds to a spec, and the drop rules that stand in its way."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from slimtasks.records import ImagePath
from slimtasks.selection import Missing
from slimtasks.selection.spec_lines import pattern_of, spec_line
from slimtasks.spec import Image, Rule
from slimtasks.spec.model import KeepPreset

KEYS = ("keep", "keep-packages", "keep-presets")


@dataclass(frozen=True, order=True)
class Line:
    """A rule that a spec gets; of the key `drop` one that it would have to lose, which stands at `where`."""

    key: str
    text: str
    where: str = ""

    @property
    def is_drop(self) -> bool:
        return self.key == "drop"


Lost = tuple[ImagePath, Line]
"""A path that is lacking, and what brings it back."""


def line_of(lost: Missing, image: Image) -> Line:
    """What brings a path back: one line for all that is lacking on one way."""
    if not lost.where:
        plain = lost.asked and ".." not in lost.asked.split("/")
        return Line("keep", pattern_of(lost.asked if plain else lost.path))
    rule = next(rule for rule in image.drop if rule.where == lost.where)
    return Line("drop", rule.text, rule.where)


def with_lines(image: Image, lines: Collection[Line]) -> Image:
    """The image with the rules that the lines are, and without those that they take back."""
    gone = {(line.text, line.where) for line in lines if line.is_drop}
    keep, packages, presets = (sorted(line.text for line in lines if line.key == key) for key in KEYS)
    return replace(
        image,
        keep=(*image.keep, *map(Rule, keep)),
        keep_packages=(*image.keep_packages, *map(Rule, packages)),
        keep_presets=(*image.keep_presets, *(KeepPreset(text) for text in presets)),  # type: ignore[arg-type]
        drop=tuple(rule for rule in image.drop if (rule.text, rule.where) not in gone),
    )


def as_spec(lines: Iterable[Line], *, toml: bool) -> tuple[str, ...]:
    """As a spec has them, a key a line: 'keep: ["/etc/group", "/etc/passwd"]'."""
    ordered = sorted(lines)
    texts = {key: [line.text for line in ordered if line.key == key] for key in KEYS}
    return tuple(spec_line(key, *texts[key], toml=toml) for key in KEYS if texts[key])
