"""Plans the shared layers of all images: files that exactly the same images have go into one layer.

Measured against layers of whole packages and of all that the base has (see the design): by exact users, no image
carries a byte that it does not need, and a few layers get nearly all that there is to share. The work grows with the
number of files of all images together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count

from slimtasks.layers.lock import KINDS, Group, Lock
from slimtasks.layers.members import Bundle, split
from slimtasks.records import Entry

WORTH = 64_000  # bytes that a shared layer has to save: each costs a request, and its parents' headers


@dataclass
class _Class:
    """The bundles that the same images have."""

    users: tuple[str, ...]
    bundles: list[Bundle] = field(default_factory=list)  # as the first of the users has them
    contents: dict[str, int] = field(default_factory=dict)  # what tells the contents of one user from another's
    sizes: dict[int, int] = field(default_factory=dict)  # bytes of each content

    @property
    def saving(self) -> int:
        """Bytes that need not be stored or sent again; (users - 1) x bytes, where all have the same content."""
        return sum(self.sizes[content] for content in self.contents.values()) - sum(self.sizes.values())

    @property
    def order(self) -> tuple[int, tuple[str, ...]]:
        return (-self.saving, self.bundles[0].members)


def plan(images: Mapping[str, Sequence[Bundle]], most: int, date: int, before: Lock | None = None) -> Lock:
    """The groups that save most, so that no image has more than `most`; the same for any order of the images.

    A group that was there before keeps its name, and its kind, which is a part of images' digests.
    """
    names = sorted(images)
    classes = sorted(_classes(names, images), key=lambda one: one.order)
    layers: Counter[str] = Counter()
    chosen = []
    for one in classes:
        if one.saving < WORTH:
            break
        if all(layers[user] < most for user in one.users):
            layers.update(one.users)
            chosen.append(one)
    chosen.sort(key=lambda one: (-len(one.users), *one.order))  # what many have lies below: chains are shared, too
    known = {group.members: group for group in before.groups} if before else {}
    groups = _groups(chosen, len(names), known)
    ordered = sorted(groups, key=lambda group: KINDS.index(group.kind))
    return Lock(most, date, tuple(ordered), _common(classes, ordered))


def _classes(names: Sequence[str], images: Mapping[str, Sequence[Bundle]]) -> list[_Class]:
    """All sets of two or more users of which any bundle has just these."""
    users = _users(names, images)
    found: dict[int, _Class] = {}
    contents: dict[tuple[int, tuple[Entry, ...]], int] = {}
    for name in names:
        now: dict[int, tuple[int, int]] = {}  # class -> what is in it so far, and its bytes
        for bundle in sorted(images[name], key=lambda bundle: bundle.members):
            number, of = users[bundle.members]
            if len(of) < 2:
                continue
            if number not in found:
                found[number] = _Class(of)
            if of[0] == name:
                found[number].bundles.append(bundle)
            before, size = now.get(number, (-1, 0))
            now[number] = contents.setdefault((before, bundle.entries), len(contents)), size + bundle.size
        for number, (content, size) in now.items():
            found[number].contents[name] = content
            found[number].sizes[content] = size
    return list(found.values())


def _users(
    names: Sequence[str], images: Mapping[str, Sequence[Bundle]]
) -> dict[tuple[str, ...], tuple[int, tuple[str, ...]]]:
    """Who has each bundle, and a number for each such set.

    A set is known as one that was known before, and one user more: so each step costs the same, however many there are.
    """
    sets: dict[tuple[int, str], int] = {}
    last: dict[tuple[str, ...], int] = {}
    for name in names:
        for members in {bundle.members for bundle in images[name]}:
            last[members] = sets.setdefault((last.get(members, -1), name), len(sets))
    steps = {number: step for step, number in sets.items()}
    wanted: dict[int, tuple[str, ...]] = {}
    for number in set(last.values()):
        users, at = [], number
        while at >= 0:
            at, user = steps[at]
            users.append(user)
        wanted[number] = tuple(reversed(users))
    return {members: (number, wanted[number]) for members, number in last.items()}


def _common(classes: Sequence[_Class], groups: Sequence[Group]) -> tuple[str, ...]:
    """What several images have, and no group."""
    grouped = {name for group in groups for name in group.members}
    common = {name for one in classes for bundle in one.bundles for name in bundle.members}
    return tuple(sorted(common - grouped))


def _groups(chosen: Sequence[_Class], images: int, known: Mapping[tuple[str, ...], Group]) -> list[Group]:
    """Root is what more than half of the images have; each group is called as the package with most of its bytes."""
    groups: list[Group] = []
    members = [tuple(sorted(name for bundle in one.bundles for name in bundle.members)) for one in chosen]
    taken = {known[names].name for names in members if names in known}
    for one, names in zip(chosen, members, strict=True):
        if names in known:
            groups.append(known[names])
            continue
        name = _free(_main_package(one), taken)
        taken.add(name)
        groups.append(Group("root" if 2 * len(one.users) > images else "infrastructure", name, names))
    return groups


def _main_package(one: _Class) -> str:
    sizes: Counter[str] = Counter()
    for bundle in one.bundles:
        sizes[split(bundle.members[0])[0].partition("/")[2]] += bundle.size
    return min(sizes, key=lambda name: (-sizes[name], name))


def _free(name: str, taken: Container[str]) -> str:
    """The name, with a number where others have it."""
    return next(free for free in chain([name], (f"{name}-{n}" for n in count(2))) if free not in taken)
