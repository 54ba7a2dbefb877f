"""What packages depend on, as dpkg's fields say it (Debian policy, chapter 7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slimtasks.records import Package


def is_named(package: Package, name: str) -> bool:
    """Whether `name` of a spec or a file list, with ':arch' or without, means the package."""
    bare, _, architecture = name.partition(":")
    return package.name.partition("/")[2].partition(":")[0] == bare and architecture in (
        "",
        "any",
        package.architecture,
    )


def staying(packages: Sequence[Package], purge: Sequence[str], only: Sequence[str]) -> set[str]:
    """Names of the packages that are left without `purge`, or, with `only`, those and what they depend on."""
    if only:
        return _closure(packages, [p for p in packages if any(is_named(p, name) for name in only)], purge)
    return {p.name for p in packages if not any(is_named(p, name) for name in purge)}


def _closure(packages: Sequence[Package], roots: Iterable[Package], purge: Sequence[str]) -> set[str]:
    """The packages, and what they depend on; of alternatives the first that is installed or provided."""
    providers = _providers([p for p in packages if not any(is_named(p, name) for name in purge)])
    todo = [package for package in roots if not any(is_named(package, name) for name in purge)]
    found: set[str] = set()
    while todo:
        package = todo.pop()
        if package.name in found:
            continue
        found.add(package.name)
        for group in package.depends:
            provider = next((providers[name] for name in group if name in providers), ())
            todo += _same_architecture(provider, package)
    return found


def _providers(packages: Iterable[Package]) -> dict[str, tuple[Package, ...]]:
    """Real packages by their name, and those that provide a name which no package has."""
    found: dict[str, tuple[Package, ...]] = {}
    for package in packages:
        name = package.name.partition("/")[2].partition(":")[0]
        found[name] = (*found.get(name, ()), package)
    for package in packages:
        for name in package.provides:
            found.setdefault(name, (package,))
    return found


def _same_architecture(providers: Sequence[Package], package: Package) -> list[Package]:
    """The provider that fits; one of architecture `all` or of the package's own where there are several."""
    fitting = [p for p in providers if p.architecture in (package.architecture, "all")]
    return (fitting or list(providers))[:1]


def unmet(packages: Sequence[Package], remaining: set[str]) -> Iterable[str]:
    """The dependencies that were met before and are not any more, one line each."""
    before = _providers(packages)
    after = _providers([package for package in packages if package.name in remaining])
    for package in packages:
        for group in package.depends if package.name in remaining else ():
            if not any(name in after for name in group) and any(name in before for name in group):
                yield f"{package.name} stays without {' | '.join(group)}, which it depends on"
