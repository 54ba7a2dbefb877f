"""Which declared images an image uses, by their names and tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from slimtasks.spec.model import Image
from slimtasks.spec.names import tagged
from slimtasks.spec.steps import Client, Step
from slimtasks.spec.tree import Loc


class Declared:
    """The declared images, to be looked up by name or tag."""

    def __init__(self, images: Iterable[Image]) -> None:
        self.by_name = {image.name: image for image in images}
        self.by_tag = {tagged(tag): image.name for image in self.by_name.values() for tag in image.tags}

    def name_of(self, reference: str, user: Image) -> str:
        """The name of the image that `user` means by `reference`; empty for one that is not declared here.

        An image's own name is taken for one of a registry: it cannot be made from itself.
        """
        if reference in self.by_name and reference != user.name:
            return reference
        return self.by_tag.get(tagged(reference), "")


def written_references(image: Image, dockerfile_names: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    """(place in the spec, image named there) for every image that the spec or its Dockerfile names."""
    if image.source.image:
        yield ("from", "image"), image.source.image
    if image.final.base != "scratch":
        yield ("final", "base"), image.final.base
    for service in image.services:
        yield ("services", service.name, "image"), service.image
    for way in image.by_scenario:
        for step in way.steps:
            if isinstance(step.action, Client) and step.action.image:
                yield _place(step), step.action.image
    for name in dockerfile_names:
        yield ("from", "dockerfile"), name


def _place(step: Step) -> Loc:
    below = ("scenarios", step.scenario) if step.scenario else ()
    return (*below, "checks" if step.check else "workload", step.number - 1, "client", "image")


def cycle(graph: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The first cycle in sorted order, as (a, b, a); empty where there is none."""
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if name in path:
            return (*path[path.index(name) :], name)
        if name in done:
            return ()
        for other in graph.get(name, ()):
            circle = visit(other, (*path, name))
            if circle:
                return circle
        done.add(name)
        return ()

    for name in sorted(graph):
        circle = visit(name, ())
        if circle:
            return circle
    return ()
