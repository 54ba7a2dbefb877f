"""Reads TOML into a tree with marks.

tomllib checks and converts; it tells no positions. So the text, known to be valid by then, is walked once more
for the place of each key and value.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from slimtasks.spec.tree import Loc, Mapping, Mistake, Node, Place, Scalar, Sequence, Unreadable, key_name

_ERROR_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL)
_OTHER = re.compile(r"[^,\]}#\n]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")


def read_toml(text: str, file: str, only: tuple[str, ...] = ()) -> Node:
    """The tree of a TOML document, or of what stands at `only` in it (an empty mapping where nothing does).

    Raises Unreadable where the document is not valid.
    """
    data: Any = parse_toml(text, file)
    places = _Places(text, file)
    places.document()
    for part in only:
        data = data.get(part, {}) if isinstance(data, dict) else data
    mistakes: list[Mistake] = []
    tree = _tree(data, only, places, mistakes)
    if mistakes:
        raise Unreadable(*mistakes)
    return tree


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The values alone; raises Unreadable."""
    tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        return dict(tomllib.loads(text))
    except ValueError as error:  # a TOMLDecodeError, or a number with thousands of digits
        match = _ERROR_PLACE.fullmatch(str(error))
        what = match[1] if match else str(error)
        if match and match[2]:
            place = Place(file, int(match[2]), int(match[3]))
        else:
            place = Place(file, text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1)
        raise Unreadable(Mistake(place, "", f"bad TOML: {what}")) from None


def _tree(data: Any, loc: Loc, places: _Places, mistakes: list[Mistake]) -> Node:
    place = places.values.get(loc) or places.keys.get(loc) or Place(places.file)
    if isinstance(data, dict):
        items = {key: _tree(value, (*loc, key), places, mistakes) for key, value in data.items()}
        keys = {key: places.keys.get((*loc, key), place) for key in data}
        return Mapping(items, place, keys)
    if isinstance(data, list):
        return Sequence(tuple(_tree(item, (*loc, i), places, mistakes) for i, item in enumerate(data)), place)
    text = places.texts.get(loc, str(data))
    if not isinstance(data, (str, int, float)):
        mistakes.append(Mistake(place, key_name(loc), f"found {text}, a date in TOML; quote it if it is text"))
        data = text
    if isinstance(data, float) and not abs(data) < float("inf"):
        mistakes.append(Mistake(place, key_name(loc), f"found {text}, a special number; allowed: a finite one"))
        data = text
    if isinstance(data, int) and not isinstance(data, bool) and str(data) != text:
        problem = f"found {text}, a number that is not plain decimal; write it in decimal, or quote it if it is text"
        mistakes.append(Mistake(place, key_name(loc), problem))
    return Scalar(data, place, text, plain=not isinstance(data, str))


class _Places:
    """Where each key and value of a valid document stands."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file, self.at = text, file, 0
        self.keys: dict[Loc, Place] = {}
        self.values: dict[Loc, Place] = {}
        self.texts: dict[Loc, str] = {}
        self._tables: dict[Loc, int] = {}  # how many [[...]] of that name have been seen

    def document(self) -> None:
        base: Loc = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            base = self._header() if self.text[self.at] == "[" else self._assignment(base)
            self._skip(_BLANK)

    def _header(self) -> Loc:
        repeated = self.text.startswith("[[", self.at)
        self.at += 2 if repeated else 1
        self._skip(_SPACE)
        start = self._place()
        loc: Loc = ()
        for name, place in self._dotted():
            loc = self._inside((*loc, name))
            self.keys.setdefault(loc if isinstance(loc[-1], str) else loc[:-1], place)
        self.at = self.text.index("]" * (2 if repeated else 1), self.at) + (2 if repeated else 1)
        if repeated:
            array = loc[:-1] if isinstance(loc[-1], int) else loc
            index = self._tables.get(array, -1) + 1
            self._tables[array] = index
            loc = (*array, index)
        self.values.setdefault(loc, start)
        return loc

    def _inside(self, loc: Loc) -> Loc:
        return (*loc, self._tables[loc]) if loc in self._tables else loc

    def _assignment(self, base: Loc) -> Loc:
        loc = base
        for name, place in self._dotted():
            loc = (*loc, name)
            self.keys.setdefault(loc, place)
        self._skip(_SPACE)
        self.at += 1  # the '='
        self._skip(_SPACE)
        self._value(loc)
        return base

    def _dotted(self) -> list[tuple[str, Place]]:
        names = []
        while True:
            self._skip(_SPACE)
            place, start = self._place(), self.at
            if self.text[self.at] in "\"'":
                self._skip(_STRING)
                names.append((_string(self.text[start : self.at]), place))
            else:
                self._skip(_BARE)
                names.append((self.text[start : self.at], place))
            self._skip(_SPACE)
            if self.text[self.at] != ".":
                return names
            self.at += 1

    def _value(self, loc: Loc) -> None:
        self.values[loc] = self._place()
        first = self.text[self.at]
        if first == "[":
            self._list(loc)
        elif first == "{":
            self._inline_table(loc)
        else:
            start = self.at
            self._skip(_STRING if first in "\"'" else _OTHER)
            self.texts[loc] = self.text[start : self.at].strip()

    def _list(self, loc: Loc) -> None:
        self.at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == "]":
                self.at += 1
                return
            self._value((*loc, index))
            index += 1
            self._skip(_BLANK)
            self.at += self.text[self.at] == ","

    def _inline_table(self, loc: Loc) -> None:
        self.at += 1
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == "}":
                self.at += 1
                return
            self._assignment(loc)
            self._skip(_BLANK)
            self.at += self.text[self.at] == ","

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()

    def _place(self) -> Place:
        line_start = self.text.rfind("\n", 0, self.at) + 1
        return Place(self.file, self.text.count("\n", 0, self.at) + 1, self.at - line_start + 1)


def _string(quoted: str) -> str:
    return str(parse_toml(f"key = {quoted}", "")["key"])
