"""One line of strace(1) output, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?|<(?:[^<>"\\]|\\.)*>|[(){}\[\],]')
_HEAD = re.compile(r"(\w+)\(")
_RESULT = re.compile(
    r"\s*=\s+(?:-1 (?P<error>E\w+)(?: \(.*\))?"
    r"|(?P<value>-?\d+|0x[0-9a-f]+|\?(?: <unavailable>)?)"
    r"(?: E\w+ \(.*\)|<(?P<descriptor>(?:[^<>\\]|\\.)*)>(?:\(deleted\))?)?"
    r"(?: /\* (?P<pid>\d+) in strace's PID NS \*/)?(?: \(.*\))?)$"
)
_DESCRIPTOR = re.compile(r"(?:AT_FDCWD|-?\d+)(?:<((?:[^<>\\]|\\.)*)>(?:\(deleted\))?)?")
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b", b"e": b"\x1b"}


@dataclass(frozen=True)
class Call:
    """One system call: its arguments as strace prints them, and what it returned."""

    name: str
    arguments: tuple[str, ...]
    value: str = ""  # '?' where it did not return
    error: str = ""  # 'ENOENT'
    child: int = 0  # of a fork: the new process as the tracer counts; 0 where strace did not know
    descriptor: str = ""  # what the descriptor that it returned is, as printed: '/etc/passwd', 'socket:[12]'


def parse_call(text: str) -> Call | None:
    """The call in `text`, which has no pid before it, or None where the line is not a whole one."""
    head = _HEAD.match(text)
    if not head:
        return None
    split = _split(text, head.end())
    if split is None:
        return None
    arguments, end = split
    result = _RESULT.fullmatch(text, end)
    if not result:
        return None
    child = int(result["pid"] or 0)
    return Call(
        head[1],
        arguments,
        (result["value"] or "").partition(" ")[0],
        result["error"] or "",
        child,
        result["descriptor"] or "",
    )


def _split(text: str, start: int) -> tuple[tuple[str, ...], int] | None:
    """The arguments from `start` on, and where the text after their `)` begins."""
    arguments: list[str] = []
    depth, begin = 0, start
    for token in _TOKEN.finditer(text, start):
        mark = token[0]
        if mark in ("(", "{", "["):
            depth += 1
        elif mark in (")", "}", "]") and depth:
            depth -= 1
        elif mark in (",", ")") and not depth:
            arguments.append(text[begin : token.start()].strip())
            begin = token.end()
            if mark == ")":
                return tuple(arguments), begin
    return None


def descriptor_path(argument: str) -> str | None:
    """What `-y` says of a descriptor: the path in 3</etc> or AT_FDCWD</etc>, '' in 3, None for no descriptor."""
    found = _DESCRIPTOR.fullmatch(argument)
    return None if not found else unescaped(found[1] or "")


def string(argument: str) -> str | None:
    """The string that an argument is, or None for NULL, a bare address and the like."""
    if len(argument) < 2 or argument[0] != '"' or argument[-1] != '"':
        return None
    return unescaped(argument[1:-1])


def unescaped(text: str) -> str:
    """The text without strace's C escapes; bytes that are not UTF-8 become surrogate escapes."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_byte, text.encode()).decode("utf-8", "surrogateescape")


def _byte(escape: re.Match[bytes]) -> bytes:
    octal, hexadecimal, other = escape.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    return bytes.fromhex(hexadecimal.decode()) if hexadecimal else _LETTERS.get(other, other)
