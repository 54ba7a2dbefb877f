"""What keys say together: exactly one of these, these not beside those."""

from __future__ import annotations

from collections.abc import Sequence as Several

from slimtasks.spec.tree import Loc, Mapping, Mistake, Node, Scalar, Sequence, find, found, key_name, place_of

SOURCES = ("dockerfile", "image", "bootstrap", "compose", "kubernetes")
_OF_DOCKERFILE = ("context", "target", "args", "secrets", "ssh", "cache-from")


def check_together(tree: Mapping, mistakes: list[Mistake]) -> None:
    """Adds the mistakes of keys that need or exclude each other."""
    source = find(tree, ("from",))
    if source is None:
        mistakes.append(Mistake(tree.place, "from", f"is missing; needed: it, with one of {', '.join(SOURCES)}"))
    elif isinstance(source, Mapping):
        _check_source(source, mistakes)
    secrets = find(tree, ("from", "secrets"))
    for index, secret in enumerate(secrets.items if isinstance(secrets, Sequence) else ()):
        exactly_one(secret, ("file", "environment"), ("from", "secrets", index), mistakes)
    for key in ("from", "final"):
        for name in ("image", "base"):
            _not_empty(tree, (key, name), mistakes)
    only = find(tree, ("squash", "only-packages"))
    if isinstance(only, Sequence) and not only.items:
        problem = "found an empty list; allowed: packages, or no key"
        mistakes.append(Mistake(only.place, "squash.only-packages", problem))


def with_source(tree: Mapping) -> Mapping:
    """The spec with a stand-in where it has no `from`, so that all else can be checked."""
    if "from" in tree.items:
        return tree
    source = Mapping({"image": Scalar("any", tree.place)}, tree.place)
    return Mapping({**tree.items, "from": source}, tree.place, tree.keys)


def exactly_one(node: Node, keys: Several[str], loc: Loc, mistakes: list[Mistake]) -> None:
    """Adds a mistake unless the mapping has one of the keys, and no second."""
    if not isinstance(node, Mapping):
        return
    there = [key for key in keys if key in node.items]
    if len(there) == 1:
        return
    place = node.keys.get(there[1], node.place) if there else node.place
    what = " beside ".join(there) if there else "none of them"
    mistakes.append(Mistake(place, key_name(loc), f"found {what}; allowed: exactly one of {', '.join(keys)}"))


def _check_source(source: Mapping, mistakes: list[Mistake]) -> None:
    exactly_one(source, SOURCES, ("from",), mistakes)
    for key in _OF_DOCKERFILE:
        if key in source.items and "dockerfile" not in source.items:
            mistakes.append(Mistake(source.keys[key], f"from.{key}", "only beside from.dockerfile"))
    if "pull_policy" in source.items and "image" not in source.items:
        mistakes.append(Mistake(source.keys["pull_policy"], "from.pull_policy", "only beside from.image"))
    for key, part in (("compose", "service"), ("kubernetes", "container")):
        if key in source.items and part not in source.items:
            problem = f"is missing; needed: the name of a {part} of the file"
            mistakes.append(Mistake(source.place, f"from.{part}", problem))
        if part in source.items and key not in source.items:
            mistakes.append(Mistake(source.keys[part], f"from.{part}", f"only beside from.{key}"))
    stdout = source.items.get("stdout")
    if stdout is not None and "bootstrap" in source.items:
        mistakes.append(Mistake(source.keys["stdout"], "from.stdout", "only beside from.dockerfile or from.image"))
    if isinstance(stdout, (Sequence, Scalar)) and plain_empty(stdout):
        problem = f"found {found(stdout)}; allowed: the command that prints a build context"
        mistakes.append(Mistake(stdout.place, "from.stdout", problem))


def plain_empty(node: Node) -> bool:
    """Whether it is an empty list or string, or nothing."""
    return not (node.value if isinstance(node, Scalar) else node.items)


def _not_empty(tree: Mapping, loc: Loc, mistakes: list[Mistake]) -> None:
    node = find(tree, loc)
    if isinstance(node, Scalar) and isinstance(node.value, str) and not node.value.strip():
        mistakes.append(Mistake(place_of(tree, loc), key_name(loc), "found an empty string; allowed: an image"))
