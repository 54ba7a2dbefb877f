"""What a selection is made from, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slimtasks.records import Access, Entry, ImagePath, Layer, Package, Selected
from slimtasks.spec import Rule


@dataclass(frozen=True)
class Inputs:
    """The fat image, its trace and the spec's rules."""

    entries: Sequence[Entry]  # with package, elf, script and layer filled in
    accesses: Sequence[Access]
    packages: Sequence[Package] = ()
    config: Mapping[str, Any] = field(default_factory=dict)  # the image config, as of Fat.config
    layers: Sequence[Layer] = ()
    captured: Mapping[ImagePath, bytes] = field(default_factory=dict)  # what inventories.captured asks for
    keep: Sequence[Rule] = ()
    keep_packages: Sequence[Rule] = ()
    keep_presets: Sequence[Rule] = ()
    variant: Sequence[Rule] = ()  # the preset that it is a variant by
    drop: Sequence[Rule] = ()
    own: Sequence[Rule] = ()
    unowned: str = "own"  # own | traced | all
    granularity: str = "auto"  # auto | file | package
    unseen: str = ""  # why the trace does not tell all that the image has to do; empty where it does
    idle: str = ""  # '' | server | command: what had no workload to show what it loads and, if a command, calls
    metadata: str = "keep"  # keep | none
    base: Sequence[Entry] = ()  # the tree of final.base
    base_captured: Mapping[ImagePath, bytes] = field(default_factory=dict)
    added: Sequence[str] = ()  # every path that `add` writes
    environments: Sequence[Sequence[tuple[str, str]]] = ((),)  # of each scenario's `run`, over the image's own
    users: Sequence[str] = ("",)  # of `run` and of `final`; '' is what the config says
    whole: bool = False  # every path stays


@dataclass(frozen=True)
class NotKept:
    """What the fat image has of a preset of `keep-presets`, and does not stay."""

    preset: str
    what: str  # 'time zones'
    files: int
    size: int  # bytes


@dataclass(frozen=True)
class Selection:
    """What stays, sorted by path; and what the user should know, a line each.

    A selected path that the fat image does not have is a file with `content`, 0644, or else a directory, 0755,
    both of root:root. `content` on a path that it has replaces the file's text, not its mode and owner.
    """

    selected: tuple[Selected, ...]
    notes: tuple[str, ...]
    whole: int = 0  # packages that stay whole as something of them was used
    beyond: int = 0  # bytes that stay only for that: what `granularity: file` would save
    not_kept: tuple[NotKept, ...] = ()  # what is often missed later
