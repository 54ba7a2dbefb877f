"""Which keys fit which kind of image."""

from __future__ import annotations

from slimtasks.spec.scenario import ways
from slimtasks.spec.tree import Loc, Mapping, Mistake, Scalar, changed_map, find, key_name, place_of

_ALL = ("slim", "base", "build")
_FITS: dict[Loc, tuple[str, ...]] = {
    ("squash",): ("base",),
    ("metadata",): ("slim", "base"),
    ("final",): ("slim", "base"),
    ("final", "base"): ("slim",),
    ("final", "builder"): ("slim",),
    ("final", "variants"): ("slim",),
    ("from", "stdout"): ("slim",),
    ("add",): ("slim",),
    ("checks",): ("slim",),
    ("keep",): ("slim",),
    ("keep-packages",): ("slim",),
    ("keep-presets",): ("slim",),
    ("drop",): ("slim",),
    ("own",): ("slim",),
    ("unowned",): ("slim",),
    ("granularity",): ("slim",),
    ("trace",): ("slim",),
    ("limits",): ("slim", "base"),
    ("limits", "reduction"): ("slim",),
}

# With from.stdout nothing is traced or selected, so these would be ignored.
_NOT_BESIDE_STDOUT: tuple[Loc, ...] = (
    *(("keep",), ("keep-packages",), ("keep-presets",), ("own",), ("unowned",), ("granularity",), ("trace",)),
    ("final", "variants"),
)


def kind_of(tree: Mapping) -> str | None:
    """The image's kind; None where it is not a valid one."""
    node = tree.items.get("kind")
    if node is None:
        return "slim"
    return str(node.value) if isinstance(node, Scalar) and node.value in _ALL else None


def fitting(tree: Mapping, kind: str | None) -> Mapping:
    """The defaults of the repo that an image of that kind takes."""
    for loc, kinds in _fits(tree):
        if kind not in kinds and find(tree, loc) is not None:
            tree = changed_map(tree, loc, None)
    return tree


def without_unfit(tree: Mapping, mistakes: list[Mistake]) -> Mapping:
    """The spec without the keys that its kind does not take, each of which is a mistake."""
    kind = kind_of(tree)
    for loc, kinds in _fits(tree):
        if kind is not None and kind not in kinds and find(tree, loc) is not None:
            tree = _refused(tree, loc, f"not for kind {kind}; allowed for: {', '.join(kinds)}", mistakes)
    if find(tree, ("from", "stdout")) is not None:
        for loc in _NOT_BESIDE_STDOUT:
            node = find(tree, loc)
            if node is not None and node.place.file != tree.place.file:
                tree = changed_map(tree, loc, None)  # a default
            elif node is not None:
                problem = "not beside from.stdout, which takes all that the container prints; allowed: drop, add, final"
                tree = _refused(tree, loc, problem, mistakes)
    return tree


def _fits(tree: Mapping) -> tuple[tuple[Loc, tuple[str, ...]], ...]:
    """Where which kinds may have a key."""
    return (*_FITS.items(), *(((*way, "checks"), _FITS["checks",]) for way in ways(tree) if way))


def _refused(tree: Mapping, loc: Loc, problem: str, mistakes: list[Mistake]) -> Mapping:
    mistakes.append(Mistake(place_of(tree, loc, of_key=True), key_name(loc), problem))
    return changed_map(tree, loc, None)
