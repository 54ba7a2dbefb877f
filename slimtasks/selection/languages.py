"""Which packages of languages stay whole: those that were used, and what goes with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from slimtasks.packages.distribution import Distribution
from slimtasks.packages.distributions import is_looked_through
from slimtasks.packages.node import app_of
from slimtasks.records import ImagePath, Reason
from slimtasks.rootfs import parent
from slimtasks.selection.image import FatImage

Staying = dict[str, tuple[Distribution, Reason]]
"""By name and place, which tells two of one name apart."""


def whole_distributions(image: FatImage, *, beside: bool) -> Mapping[str, tuple[tuple[ImagePath, ...], Reason]]:
    """The paths of each, and why it stays; `beside`: also where something else was used that is installed there."""
    staying = _opened(image)
    _add_needed(image, staying)
    if beside:
        staying = {**_beside(image, staying), **staying}
    return {key: (one.paths, reason) for key, (one, reason) in staying.items()}


def _opened(image: FatImage) -> Staying:
    """Those of which a file was opened that is no metadata, by a name that no other one has."""
    found: Staying = {}
    for path in sorted(image.opened):
        owner = image.distributions.owners.get(path)
        if owner is not None and not is_looked_through(path):
            found.setdefault(_key(owner), (owner, Reason("package", f"{owner.name}, of which {path} was used", path)))
    return found


def _add_needed(image: FatImage, staying: Staying) -> None:
    """Adds what these, the user's own and the apps of which a file was opened say that they depend on."""
    local = ((one.name, one.place, one.needs) for one in image.distributions.all if one.local)
    asking = [*((one.name, one.place, one.needs) for one, _ in staying.values()), *local, *_apps(image)]
    while asking:
        who, place, names = asking.pop()
        for other in image.distributions.found(place, names):
            if _key(other) not in staying:
                staying[_key(other)] = other, Reason("package", f"{other.name}, on which {who} depends")
                asking.append((other.name, other.place, other.needs))


def _apps(image: FatImage) -> Iterator[tuple[str, ImagePath, tuple[str, ...]]]:
    """Apps that are in no node_modules: what messages call each, its folder, and what it depends on."""
    owners = image.distributions.owners
    found = {app_of(path, image.inputs.captured) for path in image.opened if path not in owners}
    return ((f"the app in {place}", place, needs) for place, needs in sorted(app for app in found if app))


def _beside(image: FatImage, staying: Staying) -> Staying:
    """Those that a language's own tools installed in the same place as one that stays."""
    places: dict[ImagePath, str] = {}
    for one, _ in staying.values():
        places.setdefault(_place(one), one.name)
    found: Staying = {}
    for other in image.distributions.all:
        name = places.get(_place(other))
        if name and not any((entry := image.tree.lookup(path)) and entry.package for path in other.paths[:1]):
            found[_key(other)] = other, Reason("package", f"{other.name}, which was installed beside {name}")
    return found


def _key(distribution: Distribution) -> str:
    return f"{distribution.name} {distribution.place}"


def _place(distribution: Distribution) -> ImagePath:
    """What it was installed into: /app/node_modules of /app/node_modules/@hono/node-server."""
    head, found, _ = distribution.place.rpartition("/node_modules/")
    return ImagePath(head + found) if found else parent(distribution.place)
