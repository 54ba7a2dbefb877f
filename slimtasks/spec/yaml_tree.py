"""Reads YAML into a tree with marks, and refuses what YAML 1.1 would silently turn into something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from slimtasks.spec.tree import Loc, Mapping, Mistake, Node, Place, Scalar, Sequence, Unreadable, key_name

if TYPE_CHECKING:
    import yaml

_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,17}")  # what str(int(text)) gives back as it was
_OCTAL = re.compile(r"0[0-7]{1,20}")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"
_MOST_NODES = 100_000  # aliases can blow up a small file without limit


def read_yaml(text: str, file: str, *, as_go: bool = False) -> Node:
    """The tree of a YAML document; raises Unreadable with all mistakes of its syntax, keys and scalars.

    `as_go`: what YAML 1.1 would turn into something else is what Compose and Kubernetes take it for: 0644 is octal,
    `22:22`, `yes` and keys like `on` are text.
    """
    import yaml

    roots = _composed(text, file, lambda loader: [yaml.compose(text, Loader=loader)])
    if not roots:
        raise Unreadable(Mistake(Place(file), "", "the file is empty; allowed: a mapping of keys"))
    return _tree(roots[0], file, as_go=as_go)


def read_documents(text: str, file: str) -> tuple[Node, ...]:
    """The trees of all documents of a file, less the empty ones, as Kubernetes takes them; raises as `read_yaml`."""
    import yaml

    roots = _composed(text, file, lambda loader: yaml.compose_all(text, Loader=loader))
    return tuple(_tree(root, file, as_go=True) for root in roots)


def _composed(text: str, file: str, compose: Callable[[Any], Iterable[Any]]) -> list[Any]:
    import yaml

    try:
        return [root for root in compose(getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if root is not None]
    except yaml.MarkedYAMLError as error:
        raise Unreadable(Mistake(_error_place(error, file), "", f"bad YAML: {_error_text(error, text)}")) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise Unreadable(Mistake(_reader_place(error, text, file), "", f"bad YAML: {error}".splitlines()[0])) from None


def _tree(root: yaml.Node, file: str, *, as_go: bool) -> Node:
    reading = _Reading(file, as_go=as_go)
    tree = reading.node(root, ())
    if reading.mistakes:
        raise Unreadable(*reading.mistakes)
    return tree


def _error_place(error: yaml.MarkedYAMLError, file: str) -> Place:
    mark = error.problem_mark or error.context_mark
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


def _error_text(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = (error.problem or error.context or "cannot be read").removeprefix("but ")
    if "cannot start any token" in problem and _character(text, error) == "\t":
        return "a tab where only spaces may indent"
    if error.context and error.context_mark and error.problem:
        problem += f" ({error.context} from line {error.context_mark.line + 1})"
    return problem


def _character(text: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    lines = text.split("\n")
    return lines[mark.line][mark.column : mark.column + 1] if mark and mark.line < len(lines) else ""


def _reader_place(error: yaml.YAMLError, text: str, file: str) -> Place:
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return Place(file)
    before = text[:position]
    return Place(file, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


class _Reading:
    """One document on its way from yaml's nodes to ours."""

    def __init__(self, file: str, *, as_go: bool) -> None:
        self.file = file
        self._as_go = as_go
        self.mistakes: list[Mistake] = []
        self._open: set[int] = set()
        self._nodes = 0

    def node(self, node: yaml.Node, loc: Loc) -> Node:
        import yaml

        place = self._place(node)
        self._nodes += 1
        if id(node) in self._open or self._nodes > _MOST_NODES:
            what = "the alias contains itself" if id(node) in self._open else f"more than {_MOST_NODES} values"
            raise Unreadable(*self.mistakes, Mistake(place, key_name(loc), what))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc, place)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                self._check_tag(node, "seq", loc, place)
                return Sequence(tuple(self.node(item, (*loc, i)) for i, item in enumerate(node.value)), place)
            return self._mapping(node, loc, place)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, loc: Loc, place: Place) -> Mapping:
        self._check_tag(node, "map", loc, place)
        items: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        under: list[Mapping] = []
        for key_node, value_node in node.value:
            key = self._key(key_node, loc)
            if key is None:
                continue
            where = self._place(key_node)
            if key in keys:
                first = keys[key].line
                self._wrong(where, (*loc, key), f"the key stands twice, first in line {first}; allowed: once")
            elif key == "<<" and key_node.tag == _TAG + "merge":
                keys[key] = where
                under = self._merge_sources(self.node(value_node, (*loc, key)), loc)
            else:
                keys[key] = where
                items[key] = self.node(value_node, (*loc, key))
        for source in under:
            items = {**source.items, **items}
            keys = {**source.keys, **keys}
        return Mapping(items, place, keys)

    def _merge_sources(self, value: Node, loc: Loc) -> list[Mapping]:
        sources = value.items if isinstance(value, Sequence) else (value,)
        mappings = [source for source in sources if isinstance(source, Mapping)]
        if len(mappings) != len(sources):
            self._wrong(value.place, (*loc, "<<"), "allowed: an alias of a mapping, or a list of them")
        return mappings

    def _key(self, node: yaml.Node, loc: Loc) -> str | None:
        import yaml

        if isinstance(node, yaml.ScalarNode) and (node.tag in (_TAG + "str", _TAG + "merge", _TAG + "value")):
            return str(node.value)
        if isinstance(node, yaml.ScalarNode) and self._as_go:
            return str(node.value)
        if isinstance(node, yaml.ScalarNode):
            kind = node.tag.removeprefix(_TAG)
            self._wrong(self._place(node), loc, f"the key {node.value} is a {kind} in YAML; quote it: '{node.value}'")
        else:
            self._wrong(self._place(node), loc, "a key that is a list or a mapping; allowed: a string")
        return None

    def _scalar(self, node: yaml.ScalarNode, loc: Loc, place: Place) -> Scalar:
        text, tag = node.value, node.tag.removeprefix(_TAG)
        value: Any = text
        if tag == "null":
            value = None
        elif tag == "bool" and not (self._as_go and text.lower() not in ("true", "false")):
            value = text.lower() in ("yes", "true", "on")
        elif tag == "int" and _DECIMAL.fullmatch(text):
            value = int(text)
        elif tag == "float" and _FLOAT.fullmatch(text):
            value = float(text)
        elif self._as_go and tag in ("bool", "int", "float", "timestamp"):
            value = int(text, 8) if _OCTAL.fullmatch(text) else text
        elif tag not in ("str", "value", "merge"):
            self._wrong(place, loc, _trap(text, tag, node.tag))
        return Scalar(value, place, text, plain=node.style is None)

    def _check_tag(self, node: yaml.Node, tag: str, loc: Loc, place: Place) -> None:
        if node.tag != _TAG + tag:
            self._wrong(place, loc, f"the tag {_shown_tag(node.tag)}; allowed: no tag")

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _wrong(self, place: Place, loc: Loc, problem: str) -> None:
        self.mistakes.append(Mistake(place, key_name(loc), problem))


def _trap(text: str, tag: str, whole_tag: str) -> str:
    quoted = f"quote it if it is text: '{text}'"
    if tag == "int" and ":" in text:
        return f"found {text}, a number to the base 60 in YAML; {quoted}"
    if tag == "int":
        return f"found {text}, a number that is not plain decimal; write it in decimal, or {quoted}"
    if tag == "float":
        return f"found {text}, a special number in YAML; {quoted}"
    if tag == "timestamp":
        return f"found {text}, a date in YAML; {quoted}"
    return f"the tag {_shown_tag(whole_tag)}; allowed: no tag"


def _shown_tag(tag: str) -> str:
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
