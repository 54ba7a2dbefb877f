"""Arrows point down only: a module imports from the rows above its own, and from its own package without a cycle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "slimtasks"

ROWS = (
    "errors interrupt terminal",
    "records process fingerprint workspace progress sizes",
    "spec elf rootfs engine",
    "oci job compose_override",
    "packages ldso workload session costs ages fatfiles additions limits nearest scratch",
    "selection registry squash trace proving inventories junit layers",
    "sources tracekey",
    "assembly tracestore lockfile elsewhere recorder under_test",
    "explaining answers sbom proposal",
    "stages inputs",
    "operations repair",
    "tasks",
    "dodo",
    "commands pytest_plugin",
)
ONLY_IN = {"docker": "engine registry", "requests": "engine registry", "urllib3": "engine", "subprocess": "process"}

ROW = {unit: number for number, row in enumerate(ROWS) for unit in row.split()}


def name_of(path: Path) -> str:
    """'engine.client' of slimtasks/engine/client.py, '' of slimtasks/__init__.py."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


SOURCES = {name_of(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def unit_of(module: str) -> str:
    """What stands in ROWS: a module, or the package that it is in."""
    return module.partition(".")[0]


def row(module: str) -> int:
    return ROW.get(unit_of(module), len(ROWS))


def imported(source: str) -> Iterator[str]:
    """Every absolute name that is imported, in functions too; 'a.b.c' of 'from a.b import c'."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_modules(source: str, modules: frozenset[str]) -> Iterator[str]:
    """The modules of ours that are imported: the longest known start of each name."""
    for name in imported(source):
        package, _, rest = name.partition(".")
        if package == "slimtasks":
            while rest and rest not in modules:
                rest = rest.rpartition(".")[0]
            yield rest


def mistakes(sources: dict[str, str]) -> list[str]:
    """One line for each arrow that may not be."""
    found = []
    for module, source in sources.items():
        for target in sorted(set(own_modules(source, frozenset(sources))) - {""}):
            if unit_of(target) != unit_of(module) and row(target) >= row(module):
                found.append(f"{module} imports {target}")
        for name in sorted({name.partition(".")[0] for name in imported(source)}):
            if name in ONLY_IN and unit_of(module) not in ONLY_IN[name].split():
                found.append(f"{module} imports {name}")
    return found


def cycles(sources: dict[str, str]) -> list[str]:
    """One line for each import that closes a circle."""
    arrows = {
        module: sorted(set(own_modules(source, frozenset(sources))) - {module, ""})
        for module, source in sources.items()
    }
    found, done = [], set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            found.append(" -> ".join((*path[path.index(module) :], module)))
        elif module not in done:
            for target in arrows[module]:
                walk(target, (*path, module))
            done.add(module)

    for module in sorted(arrows):
        walk(module, ())
    return found


def test_every_module_has_a_row() -> None:
    assert sorted({unit_of(module) for module in SOURCES} - ROW.keys() - {""}) == []


def test_no_arrow_points_up() -> None:
    assert mistakes(SOURCES) == []


def test_no_cycle() -> None:
    assert cycles(SOURCES) == []


def test_the_package_itself_imports_nothing() -> None:
    assert list(imported(SOURCES[""])) == []


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ("from slimtasks.stages import fat", "rootfs imports stages.fat"),
        ("import slimtasks.tasks", "rootfs imports tasks"),
        ("def f():\n    from slimtasks import elf", "rootfs imports elf"),
        ("import docker.errors", "rootfs imports docker"),
        ("def f():\n    from subprocess import run", "rootfs imports subprocess"),
    ],
)
def test_a_wrong_arrow_is_found(source: str, mistake: str) -> None:
    assert mistakes({"stages.fat": "", "stages": "", "tasks": "", "elf": "", "rootfs": source}) == [mistake]


def test_a_cycle_is_found() -> None:
    sources = {"oci.a": "from slimtasks.oci.b import x", "oci.b": "def f():\n    from slimtasks.oci import a"}
    assert cycles(sources) == ["oci.a -> oci.b -> oci.a"]
