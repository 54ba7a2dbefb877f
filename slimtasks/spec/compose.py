"""Takes an image, and how it is started, from a service of a Compose file.

https://github.com/compose-spec/compose-spec/blob/main/spec.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from slimtasks.errors import SlimError
from slimtasks.spec.borrowed import Borrowed, as_written, never_pulled, taken_over, text, unknown_name
from slimtasks.spec.compose_build import image_source
from slimtasks.spec.compose_service import ComposeService
from slimtasks.spec.disk import Disk
from slimtasks.spec.env_file import parse_env_file
from slimtasks.spec.interpolate import Caller
from slimtasks.spec.reading import Reading
from slimtasks.spec.run import Run
from slimtasks.spec.service import Service
from slimtasks.spec.shorthand import Longhand
from slimtasks.spec.tree import Mapping, Node, Place, Scalar, Sequence, find, found
from slimtasks.spec.validate import validated

_TAKEN = ("services", "secrets", "configs")
_IGNORED = ("name", "networks", "version", "volumes")
_REFUSED = {"include": "`docker compose config -o FILE` writes a file that has all of it, which can be named instead"}
_BUILD = ("context", "dockerfile", "target", "args", "secrets", "ssh", "cache-from")


def read_compose(reading: Reading, path: Path, wanted: Scalar, said: Node | None = None) -> Borrowed | None:
    """What the service that `wanted` names comes to, with those that it depends on; None after adding mistakes.

    Each is told at its place in the file. Services that it does not depend on are not looked at. What the spec's own
    `run`, `said`, has makes no difference.
    """
    written = reading.tree(path, as_go=True)
    if written is None:
        return None
    before = len(reading.mistakes)
    top = taken_over(reading, written, (), _TAKEN, _IGNORED, _REFUSED)
    services, name = top.get("services"), str(wanted.value)
    if not isinstance(services, Mapping):
        place = services.place if services else written.place
        reading.wrong(place, ("services",), f"found {found(services)}; allowed: services by name")
        return None
    if name not in services.items:
        unknown_name(reading, wanted, ("from", "service"), name, services.items)
        return None
    needed = {one: services.items[one] for one in _needed(reading, services, name)}
    caller = _caller(reading, path.parent)
    whole = reading.filled(replace(written, items={**top, "services": replace(services, items=needed)}), caller)
    borrowed = _File(reading, caller, whole, path, name).borrowed()
    file = reading.sources.relative(path)
    first = {mistake.place: mistake for mistake in reversed(reading.mistakes[before:])}  # a folder, not what is below
    reading.mistakes[before:] = [as_written(mistake, file, _keys(name)) for mistake in reversed(first.values())]
    return borrowed if len(reading.mistakes) == before else None


def _needed(reading: Reading, services: Mapping, name: str) -> tuple[str, ...]:
    """The service and all that it depends on, over others too."""
    needed = [name]
    for one in needed:
        for other, node in _dependencies(find(services, (one, "depends_on"))):
            if other not in services.items:
                unknown_name(reading, node, ("services", one, "depends_on"), other, services.items)
            elif other not in needed:
                needed.append(other)
    return tuple(needed)


def _dependencies(node: Node | None) -> Iterator[tuple[str, Node]]:
    """The names in a `depends_on`, and what stands there."""
    if isinstance(node, Mapping):
        yield from node.items.items()
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, Scalar):
            yield str(item.value), item


def _caller(reading: Reading, folder: Path) -> Caller:
    """The caller's variables over those of the file `.env` beside the Compose file."""
    path, caller = folder / ".env", reading.caller
    variables: dict[str, str] = {}
    if reading.sources.exists(path) and path.is_file() and (content := reading.text(path)) is not None:
        name = reading.sources.relative(path)
        try:
            variables = dict(parse_env_file(content, name, caller.environ))
        except SlimError as error:
            reading.wrong(Place(name), (), error.what)
    return replace(caller, environ={**variables, **caller.environ}, bare=True)


def _keys(name: str) -> dict[str, str]:
    """How the file calls what a spec's `from` has."""
    build = {f"from.{key}": f"services.{name}.build.{key.replace('-', '_')}" for key in _BUILD}
    return {"from.image": f"services.{name}.image", **build}


@dataclass(frozen=True)
class _File:
    """A Compose file with nothing but what one service needs."""

    reading: Reading
    caller: Caller
    tree: Mapping
    path: Path
    name: str

    def borrowed(self) -> Borrowed | None:
        services = self.tree.items["services"]
        assert isinstance(services, Mapping)
        long: dict[str, Node] = {}
        source: Mapping | None = None
        for name, node in services.items.items():
            if not isinstance(node, Mapping):
                self.reading.wrong(node.place, ("services", name), f"found {found(node)}; allowed: a mapping")
                continue
            service = ComposeService(self.reading, self.caller, self.tree, node, name)
            run = service.run(needs_ready=name == self.name)
            if name == self.name:
                source = image_source(self.reading, self.caller, self.tree, node, name)
                long[name] = run
            else:
                long[name] = self._with_image(node, run, name)
        if source is None:
            return None
        tree = Mapping({"from": source, "services": replace(services, items=long)}, self.tree.place)
        built = (name for name in long if name != self.name and find(services, (name, "build")) is not None)
        return self._validated(self._long(tree), frozenset(built))

    def _with_image(self, node: Mapping, run: Mapping, name: str) -> Mapping:
        """The service with its image; with one that Compose would name so, where it has to be built."""
        image, build = node.items.get("image"), node.items.get("build")
        if build is not None:
            image = text(f"{self.path.parent.name}-{name}", node.keys.get("build", build.place))
        policy = never_pulled(node.items.get("pull_policy"), "never")
        return replace(run, items={**run.items, "image": image, **policy}) if image else run

    def _long(self, tree: Mapping) -> Mapping:
        tree = Longhand(tree, self.reading.mistakes).expand()
        return Disk(self.reading.sources, self.reading.mistakes).resolve(tree, self.path.parent)

    def _validated(self, tree: Mapping, built: frozenset[str]) -> Borrowed | None:
        services, source = tree.items["services"], tree.items["from"]
        assert isinstance(services, Mapping) and isinstance(source, Mapping)
        run: Run | None = None
        for name, node in services.items.items():
            loc = ("services", name)
            if name == self.name:
                run = validated(node, Run, loc, self.reading.mistakes)
            else:
                validated(node, Service, loc, self.reading.mistakes)
        others = {name: node for name, node in services.items.items() if name != self.name}
        return Borrowed(source, run, replace(services, items=others), _keys(self.name), built) if run else None
