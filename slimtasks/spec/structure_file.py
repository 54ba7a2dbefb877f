"""Reads the file of a `structure-test` step."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from slimtasks.spec.disk import Disk
from slimtasks.spec.reading import Reading
from slimtasks.spec.shorthand import Longhand
from slimtasks.spec.steps import StructureTest
from slimtasks.spec.structure_tests import StructureTests
from slimtasks.spec.tree import Loc, Mapping, Node, Scalar, Sequence, changed_map, find, found, mapped
from slimtasks.spec.validate import validated

_LISTS = ("commandTests", "fileExistenceTests", "fileContentTests", "licenseTests")
_NOT_TEXT = frozenset(
    {"exitCode", "uid", "gid", "shouldExist", "isRegex", "debian", "isolated", "privileged", "allocateTty"}
)


def read_structure_test(reading: Reading, node: Node, loc: Loc) -> StructureTest | None:
    """The step whose file the node names; None after adding its mistakes, each at its place in that file."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
        reading.wrong(node.place, loc, f"found {found(node)}; allowed: a container-structure-test file")
        return None
    path = _beside(reading, node)
    if not path.is_file():
        reading.sources.exists(path)
        reading.wrong(node.place, loc, f"{reading.sources.relative(path)} is no file")
        return None
    tree = reading.tree(path)
    tests = validated(_prepared(reading, tree), StructureTests, (), reading.mistakes) if tree else None
    return StructureTest(path, tests) if tests else None


def _prepared(reading: Reading, tree: Mapping) -> Mapping:
    """With the place of each test, numbers as text where Go takes them for that, and absolute host paths."""
    tree = changed_map(tree, (), mapped(tree, _as_text))
    for key in _LISTS:
        tests = find(tree, (key,))
        for index, test in enumerate(tests.items if isinstance(tests, Sequence) else ()):
            tree = changed_map(tree, (key, index), _with_where(test))
    metadata = find(tree, ("metadataTest",))
    if metadata is not None:
        tree = changed_map(tree, ("metadataTest",), _with_where(metadata))
    mounts: Loc = ("containerRunOptions", "bindMounts")
    tree = Longhand(tree, reading.mistakes).volumes(mounts)
    tree = Disk(reading.sources, reading.mistakes).volumes(tree, mounts)
    return _with_env_file(reading, tree)


def _with_env_file(reading: Reading, tree: Mapping) -> Mapping:
    loc: Loc = ("containerRunOptions", "envFile")
    node = find(tree, loc)
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return tree
    path = _beside(reading, node)
    reading.sources.exists(path)
    if not path.is_file():
        reading.wrong(node.place, loc, f"{reading.sources.relative(path)} is no file")
    return changed_map(tree, loc, replace(node, value=str(path)))


def _beside(reading: Reading, node: Scalar) -> Path:
    """The path that the node names, from the folder of the file that it stands in."""
    return Path(os.path.normpath((reading.sources.root / node.place.file).parent / str(node.value)))


def _as_text(loc: Loc, scalar: Scalar) -> Scalar:
    keys = [part for part in loc if isinstance(part, str)]
    wanted = isinstance(scalar.value, (bool, int, float)) and keys[-1] not in _NOT_TEXT
    return replace(scalar, value=scalar.text) if wanted else scalar


def _with_where(node: Node) -> Node:
    if not isinstance(node, Mapping):
        return node
    return replace(node, items={**node.items, "@where": Scalar(str(node.place), node.place, str(node.place))})
