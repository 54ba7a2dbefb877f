"""A scenario: one of several ways to start an image, and what it must be able to do then."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from slimtasks.spec.fields import spelled
from slimtasks.spec.run import Run
from slimtasks.spec.steps import Step
from slimtasks.spec.tree import Loc, Mapping, find

Started = TypeVar("Started", bound=Run)


@dataclass(frozen=True)
class Scenario:
    """What stands below `scenarios: {NAME: ...}`; its `run` is the whole one, that of the image included."""

    run: Run = field(default_factory=Run)
    workload: tuple[Step, ...] = ()
    checks: tuple[Step, ...] = ()
    name: str = ""
    __pydantic_config__ = spelled(name="@name")


def ways(tree: Mapping) -> tuple[Loc, ...]:
    """Where a spec may have `run`, `workload` and `checks`: at its top, and in each of its scenarios."""
    scenarios = find(tree, ("scenarios",))
    return ((), *(("scenarios", name) for name in (scenarios.items if isinstance(scenarios, Mapping) else ())))


def runs(tree: Mapping) -> tuple[Loc, ...]:
    """Where a spec may say how a container is started: for each of its `ways`, and in each of its services."""
    services = find(tree, ("services",))
    named = services.items if isinstance(services, Mapping) else ()
    return (*((*way, "run") for way in ways(tree)), *(("services", name) for name in named))


def overridden(under: Started, over: Started, said: Collection[str]) -> Started:
    """`under` with the keys of `over` that were `said`, as Compose lays one file over another.

    What is known by a name (variables, limits, mounts by their place in the container) is replaced by name, other
    lists get longer, and anything else is replaced: https://docs.docker.com/reference/compose-file/merge/
    """
    new: dict[str, Any] = {}
    for key in said:
        key = key.lstrip("@")
        mine, other = getattr(over, key), getattr(under, key)
        new[key] = _joined(other, mine, _NAMES[key]) if key in _NAMES else mine
    return replace(under, **new)


def _joined(under: tuple[Any, ...], over: tuple[Any, ...], name: Callable[[Any], object]) -> tuple[Any, ...]:
    """Both, in their order; of two with the same name the later."""
    kept: dict[object, Any] = {}
    for item in (*under, *over):
        kept.pop(name(item), None)
        kept[name(item)] = item
    return tuple(kept.values())


def _device(written: str) -> str:
    """Its path in the container: '/dev/b' of '/dev/a:/dev/b:rwm'."""
    host, *more = written.split(":")
    return more[0] if more and more[0].startswith("/") else host


def _itself(item: Any) -> object:
    return item


_NAMES: dict[str, Callable[[Any], object]] = {
    "environment": lambda pair: pair[0],
    "sysctls": lambda pair: pair[0],
    "ulimits": lambda limit: limit.name,
    "volumes": lambda volume: volume.target,
    "tmpfs": lambda written: written.partition(":")[0],
    "devices": _device,
    **dict.fromkeys(("env_file", "ports", "expose", "cap_add", "cap_drop", "security_opt", "extra_hosts"), _itself),
}
"""Of the keys that are lists: what their items are known by."""
