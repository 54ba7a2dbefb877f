"""What one load shares: the files read, the caller's variables, the mistakes found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from slimtasks.spec.interpolate import Caller
from slimtasks.spec.sources import Sources
from slimtasks.spec.toml_tree import read_toml
from slimtasks.spec.tree import (
    Loc,
    Mapping,
    Mistake,
    Node,
    Place,
    Scalar,
    Sequence,
    Unreadable,
    found,
    key_name,
    mapped,
)
from slimtasks.spec.yaml_tree import read_documents, read_yaml

Parsed = TypeVar("Parsed")


@dataclass
class Reading:
    """One load on its way."""

    sources: Sources
    caller: Caller
    mistakes: list[Mistake] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unfilled: set[Place] = field(default_factory=set)  # where a variable is missing: no more is said of these strings

    def wrong(self, place: Place, loc: Loc, problem: str) -> None:
        self.mistakes.append(Mistake(place, key_name(loc), problem))

    def text(self, path: Path) -> str | None:
        """The file's text; None after adding the mistake that it has none."""
        file = self.sources.relative(path)
        try:
            content = self.sources.read(path)
        except OSError as error:
            self.wrong(Place(file), (), f"cannot be read: {error.strerror}")
            return None
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig", errors="replace")) + 1
            place = Place(file, before.count(b"\n") + 1, column)
            self.wrong(place, (), f"found the byte 0x{content[error.start]:02x}, which is not UTF-8; allowed: UTF-8")
            return None

    def tree(self, path: Path, *, as_go: bool = False) -> Mapping | None:
        """The spec that the file holds, its variables not yet filled in; None after adding its mistakes.

        `as_go`: a file of another tool, see `read_yaml`.
        """
        text = self.text(path)
        if text is None:
            return None
        file = self.sources.relative(path)
        parse = read_toml if path.suffix == ".toml" else partial(read_yaml, as_go=as_go)
        tree = self._parsed(lambda: parse(text, file), file)
        if tree is not None and not isinstance(tree, Mapping):
            self.wrong(tree.place, (), f"found {found(tree)}; allowed: a mapping of keys")
            return None
        return tree

    def documents(self, path: Path) -> tuple[Node, ...] | None:
        """The documents of a YAML file of another tool; None after adding its mistakes."""
        text, file = self.text(path), self.sources.relative(path)
        return None if text is None else self._parsed(lambda: read_documents(text, file), file)

    def _parsed(self, parse: Callable[[], Parsed], file: str) -> Parsed | None:
        try:
            return parse()
        except Unreadable as error:
            self.mistakes.extend(error.mistakes)
        except RecursionError:
            self.wrong(Place(file), (), "nested too deep to be read")
        return None

    def filled(self, tree: Mapping, caller: Caller | None = None) -> Mapping:
        """The tree with the caller's variables in its strings."""
        caller = caller or self.caller
        self._refuse_own_keys(tree, ())
        result = mapped(tree, lambda loc, scalar: self._fill(caller, loc, scalar))
        assert isinstance(result, Mapping)
        return result

    def _refuse_own_keys(self, node: Node, loc: Loc) -> None:
        """Adds a mistake for each key with an '@' in front: those are the loader's."""
        if isinstance(node, Mapping):
            for key, value in node.items.items():
                if key.startswith("@"):
                    self.wrong(
                        node.keys.get(key, value.place), loc, f"found the key '{key}'; allowed: none with '@' in front"
                    )
                self._refuse_own_keys(value, (*loc, key))
        elif isinstance(node, Sequence):
            for index, item in enumerate(node.items):
                self._refuse_own_keys(item, (*loc, index))

    def _fill(self, caller: Caller, loc: Loc, scalar: Scalar) -> Scalar:
        if not isinstance(scalar.value, str):
            return scalar
        try:
            scalar.value.encode()
            value = caller.fill(scalar.value)
        except UnicodeEncodeError:
            self.wrong(scalar.place, loc, "found half of a surrogate pair; allowed: whole characters")
            return replace(scalar, value="?")
        except ValueError as error:
            self.wrong(scalar.place, loc, str(error))
            self.unfilled.add(scalar.place)
            return scalar
        for name in sorted(caller.missing):
            self.notes.append(f"{scalar.place}: {key_name(loc)}: the variable {name} is not set, so it is empty here")
        caller.missing.clear()
        return scalar if value == scalar.value else replace(scalar, value=value, filled=True)
