"""Turns a tree into the model's classes, and pydantic's errors into mistakes with line and column."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union

from slimtasks.spec.suggest import meant
from slimtasks.spec.tree import Loc, Mistake, Node, Scalar, changed, find, found, key_name, place_of, plain

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")

_ALLOWED = {
    "string_type": "a string",
    "path_type": "a path, as a string",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "dataclass_exact_type": "a mapping",
    "string_too_short": "a string that is not empty",
}
_UNKNOWN = ("unexpected_keyword_argument", "unexpected_property")
_TRUTH = {"true": True, "false": False}


def validated(tree: Node, kind: type[T], loc: Loc, mistakes: list[Mistake]) -> T | None:
    """The instance of `kind` that the tree describes; None after adding its mistakes.

    `loc` is where the tree stands in its spec; messages name keys from there.
    """
    from pydantic import ValidationError

    adapter: TypeAdapter[T] = _adapter(typing.cast(typing.Hashable, kind))
    for _ in range(2):
        try:
            return adapter.validate_json(json.dumps(plain(tree)))  # JSON, since there strict lets lists be tuples
        except ValidationError as error:
            errors = error.errors(include_url=False)
            retyped = _retyped(tree, errors)
            if retyped is tree:
                break
            tree = retyped
    said = {_meant_loc(error, kind) for error in errors} - {()}
    mistakes.extend(_mistake(tree, error, kind, loc) for error in errors if error["loc"] not in said)
    return None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _retyped(tree: Node, errors: list[ErrorDetails]) -> Node:
    """The tree with strings that came from ${...} made numbers and booleans where those are needed, as Compose does."""
    for error in errors:
        node = find(tree, error["loc"])
        if not isinstance(node, Scalar) or not node.filled or not isinstance(node.value, str):
            continue
        value: int | bool | None = None
        if error["type"] == "int_type" and re.fullmatch(r"-?\d+", node.value):
            value = int(node.value)
        elif error["type"] == "bool_type":
            value = _TRUTH.get(node.value)
        if value is not None:
            tree = changed(tree, error["loc"], dataclasses.replace(node, value=value))
    return tree


def _mistake(tree: Node, error: ErrorDetails, kind: type, prefix: Loc) -> Mistake:
    loc = error["loc"]
    if error["type"] in _UNKNOWN:
        problem = f"unknown key; {_choice(str(loc[-1]), kind, loc[:-1])}"
        return Mistake(place_of(tree, loc, of_key=True), key_name((*prefix, *loc)), problem)
    place = place_of(tree, loc)
    if error["type"] in ("missing", "missing_argument"):
        return Mistake(place, key_name((*prefix, *loc)), f"is missing; needed: {_needed(kind, loc)}")
    node = find(tree, loc)
    problem = f"found {found(node)}; {_near(node, error)}allowed: {_allowed(error)}"
    wants_text = error["type"] in ("string_type", "path_type") or " a string" in f" {_allowed(error)}"
    if wants_text and isinstance(node, Scalar) and node.value is not None and not isinstance(node.value, str):
        problem += f"; quote it: '{node.text}'"
    return Mistake(place, key_name((*prefix, *loc)), problem)


def _near(node: Node | None, error: ErrorDetails) -> str:
    """Which of a few words was meant."""
    if error["type"] != "literal_error" or not isinstance(node, Scalar) or not isinstance(node.value, str):
        return ""
    near = meant(node.value, _allowed(error).split(", "))
    return f"did you mean {near}? " if near else ""


def _meant_loc(error: ErrorDetails, kind: type) -> Loc:
    """Where the key that an unknown one was meant to be would stand: that it is missing need not be said as well.

    Empty where none is unknown.
    """
    loc = error["loc"]
    if error["type"] not in _UNKNOWN:
        return ()
    return (*loc[:-1], meant(str(loc[-1]), keys_of(kind, loc[:-1])))


def _choice(key: str, kind: type, loc: Loc) -> str:
    allowed = keys_of(kind, loc)
    near = meant(key, allowed) or _meant_below(key, kind, loc, allowed)
    return (f"did you mean {near}? " if near else "") + f"allowed: {', '.join(allowed)}"


def _meant_below(key: str, kind: type, loc: Loc, allowed: list[str]) -> str:
    """The key one level deeper that was meant, as in 'run.environment'."""
    for outer in allowed:
        near = meant(key, keys_of(kind, (*loc, outer)))
        if near:
            return f"{outer}.{near}"
    return ""


def _needed(kind: type, loc: Loc) -> str:
    owner = _class_at(kind, loc[:-1])
    needed = [
        field_alias(owner, field.name)
        for field in (dataclasses.fields(owner) if owner else ())
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return ", ".join(name for name in needed if not name.startswith("@"))


def _allowed(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "literal_error":
        return str(context["expected"]).replace("'", "").replace(" or ", ", ")
    return _ALLOWED.get(error["type"], error["msg"])


def field_alias(kind: Any, field: str) -> str:
    """How the field is spelled in a file."""
    return str(kind.__pydantic_config__["alias_generator"](field))


def keys_of(kind: type, loc: Loc = ()) -> list[str]:
    """The keys that a file may hold at `loc` below `kind`, in the order of the class."""
    owner = _class_at(kind, loc)
    if owner is None or not hasattr(owner, "__pydantic_config__"):
        return []  # a step is read by `steps_file`
    names = [field_alias(owner, field.name) for field in dataclasses.fields(owner)]
    return [name for name in names if not name.startswith("@")]


def _class_at(kind: type, loc: Loc) -> Any:
    """The dataclass whose keys stand at `loc`; None where there is none."""
    current: Any = kind
    for part in loc:
        if isinstance(part, int):
            continue  # a list's item class has been taken with the list
        if not dataclasses.is_dataclass(current):
            return None
        hints = typing.get_type_hints(current)
        fields = [field.name for field in dataclasses.fields(current) if field_alias(current, field.name) == part]
        current = _item_class(hints[fields[0]]) if fields else None
    return current if dataclasses.is_dataclass(current) else None


def _item_class(hint: Any) -> Any:
    """The dataclass inside tuple[..., ...], Optional and Annotated."""
    if dataclasses.is_dataclass(hint):
        return hint
    if typing.get_origin(hint) in (tuple, Union, types.UnionType, Annotated):
        inner = (_item_class(argument) for argument in typing.get_args(hint))
        return next((item for item in inner if item is not None), None)
    return None
