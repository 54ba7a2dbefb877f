"""Reads a trace that this checkout did not write just now, a lock or one from elsewhere: nothing in it is trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from slimtasks.errors import SlimError
from slimtasks.records import HOWS, Access, FileType, Program, from_json
from slimtasks.trace.file import VERSION
from slimtasks.trace.lock import Locked

_TYPES = frozenset(get_args(FileType))
_LONGEST_PATH = 4095  # bytes: Linux' PATH_MAX less the NUL
_LONGEST_LINE = 10_000_000  # bytes


@dataclass(frozen=True)
class Given:
    """A file, as messages call it, and what to do about one that is of no use."""

    path: Path
    name: str  # 'images/web/trace.lock.jsonl'
    hint: str

    def wrong(self, line: int, problem: str) -> NoReturn:
        raise SlimError(f"{self.name}:{line}: {problem}", self.hint)


A = TypeVar("A", Access, Locked)


def read_given(given: Given, kind: type[A]) -> tuple[dict[str, Any], tuple[A, ...], tuple[Program, ...]]:
    """Header, accesses of that kind and programs; raises SlimError with the line that cannot be read."""
    header: dict[str, Any] = {}
    accesses: list[A] = []
    programs: list[Program] = []
    number = 0
    for number, data in _lines(given):
        try:
            if number == 1:
                _check(data, _HEADER, ("fat", "complete", "steps", "lines"), open_ended=True)
                header = data
            elif "program" in data:
                _check(data, _PROGRAM, ("program",))
                programs.append(from_json(Program, data))
            else:
                _check(data, _LOCKED if kind is Locked else _ACCESS, ("path", "how"))
                _check_steps(data, header)
                accesses.append(from_json(kind, data))
        except ValueError as error:
            given.wrong(number, str(error))
    if number == 0:
        given.wrong(1, "the file is empty")
    if number - 1 != header["lines"]:
        given.wrong(number, f"{header['lines']} lines should follow the first one, and {number - 1} do: is it whole?")
    return header, tuple(accesses), tuple(programs)


def need_complete(given: Given, header: dict[str, Any], *, allowed: bool) -> None:
    """SlimError for a trace that may have missed something, unless `trace.allow-incomplete` says so."""
    if not header["complete"] and not allowed:
        reasons = "; ".join(header.get("incomplete", ())) or "it does not say why"
        given.wrong(1, f"the trace is not complete ({reasons}), and `trace: {{allow-incomplete: true}}` is not said")


def _lines(given: Given) -> Iterator[tuple[int, dict[str, Any]]]:
    with given.path.open("rb") as file:
        for number, raw in enumerate(iter(lambda: file.readline(_LONGEST_LINE + 1), b""), 1):
            if len(raw) > _LONGEST_LINE:
                given.wrong(number, f"found more than {_LONGEST_LINE} bytes; allowed: a record of a trace")
            try:
                data = json.loads(raw.decode())
            except UnicodeDecodeError as error:
                given.wrong(number, f"found the byte 0x{raw[error.start]:02x}, which is not UTF-8; allowed: UTF-8")
            except (ValueError, RecursionError):
                given.wrong(number, f"found {_short(raw.decode().strip())}; allowed: a JSON object")
            if not isinstance(data, dict):
                given.wrong(number, f"found {_short(data)}; allowed: a JSON object")
            yield number, data


_Check = Callable[[Any], bool]


def _check(
    data: dict[str, Any], keys: Mapping[str, tuple[_Check, str]], needed: tuple[str, ...], *, open_ended: bool = False
) -> None:
    """ValueError with the first key that is wrong."""
    version = data.get("version", VERSION)
    if open_ended and version != VERSION:
        raise ValueError(f"found a trace of version {_short(version)}; allowed: {VERSION}, which this slimtasks reads")
    for key in needed:
        if key not in data:
            raise ValueError(f"{key} is missing; needed: {', '.join(needed)}")
    for key, value in data.items():
        if key not in keys:
            if open_ended:
                continue
            raise ValueError(f"found the key {_short(key)}; allowed: {', '.join(keys)}")
        holds, allowed = keys[key]
        if not holds(value):
            raise ValueError(f"{key}: found {_short(value)}; allowed: {allowed}")


def _check_steps(data: dict[str, Any], header: dict[str, Any]) -> None:
    beyond = [step for step in data.get("steps", ()) if step >= len(header["steps"])]
    if beyond:
        raise ValueError(
            f"steps: found {beyond[0]}; allowed: 0 to {len(header['steps']) - 1}, which the first line names"
        )


def _is_text(value: Any) -> bool:
    """Whether a file can have such a name, or such a text."""
    try:
        return (
            isinstance(value, str)
            and "\0" not in value
            and len(value.encode("utf-8", "surrogateescape")) <= _LONGEST_PATH
        )
    except UnicodeEncodeError:
        return False


def _is_path(value: Any) -> bool:
    """Whether it is absolute and stays below the root."""
    if not _is_text(value) or not value.startswith("/"):
        return False
    depth = 0
    for part in value.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_named_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _all(holds: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(holds, value))


_TEXT = (_is_text, f"a text of at most {_LONGEST_PATH} bytes, without NUL")
_TEXTS = (_all(_is_text), f"a list of texts of at most {_LONGEST_PATH} bytes, without NUL")
_PATH = (
    _is_path,
    f"an absolute path of at most {_LONGEST_PATH} bytes, without NUL, that '..' does not lead out of the root",
)
_ACCESS: dict[str, tuple[_Check, str]] = {
    "path": _PATH,
    "how": (lambda value: isinstance(value, str) and value in HOWS, ", ".join(sorted(HOWS))),
    "by": _TEXTS,
    "steps": (_all(_is_number), "a list of numbers"),
    "sources": _TEXTS,
    "asked": _TEXTS,
    "reached": _PATH,
}
_LOCKED: dict[str, tuple[_Check, str]] = {
    **_ACCESS,
    "type": (lambda value: isinstance(value, str) and value in _TYPES, ", ".join(sorted(_TYPES))),
    "package": _TEXT,
    "version": _TEXT,
    "digest": _TEXT,
}
_PROGRAM: dict[str, tuple[_Check, str]] = {
    "program": _TEXT,
    **dict.fromkeys(("syscalls", "binds", "connects", "capabilities", "devices", "ipc", "writes"), _TEXTS),
}
_HEADER: dict[str, tuple[_Check, str]] = {
    "fat": _TEXT,
    "complete": (lambda value: isinstance(value, bool), "true or false"),
    "incomplete": _TEXTS,
    "unseen": _TEXTS,
    "backend": (_is_named_texts, "texts by name"),
    "architecture": _TEXT,
    "kernel": _TEXT,
    "steps": _TEXTS,
    "lines": (_is_number, "a number"),
    "inputs": (_is_named_texts, "texts by name"),
}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    shown = ascii(text if len(text) <= 60 else text[:57] + "...")
    return shown if isinstance(value, str) else shown[1:-1]
