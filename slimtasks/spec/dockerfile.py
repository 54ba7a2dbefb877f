"""Which images a Dockerfile names, and the same Dockerfile with others in their place.

https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")
_HEREDOC = re.compile(r"<<(-?)([\"']?)([A-Za-z_][A-Za-z0-9_.]*)\2")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?([-+])((?:[^{}]|\$\{\w+\})*))?\}|(\w+))")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_WORD = re.compile(r"\S+")
_COPY_FROM = re.compile(r"--from=(\"?)([^\s\"]+)\1")
_MOUNT = re.compile(r"--mount=\S+")
_MOUNT_FROM = re.compile(r"(?<=[=,])from=([^,\s\"]+)")


@dataclass(frozen=True)
class _Instruction:
    """One instruction with its continuation lines, as a string of the length that they have in the file."""

    name: str
    text: str
    start: int  # offset in the file


@dataclass(frozen=True)
class _Use:
    """An image as it is named: the text between two offsets of the file, and what that stands for."""

    start: int
    end: int
    image: str


@dataclass
class _Stage:
    name: str
    uses: list[_Use] = field(default_factory=list)


def image_names(text: str, args: Iterable[tuple[str, str]] = (), target: str = "") -> tuple[str, ...]:
    """The images that a build up to `target` needs, sorted, with variables replaced by `args` or their defaults.

    Stages of the Dockerfile and `scratch` are no images; names that depend on a variable without value are left out.
    """
    return tuple(sorted({use.image for stage in _up_to(_stages(text, args), target) for use in stage.uses}))


def stage_names(text: str) -> tuple[str, ...]:
    """The names that `target` may have."""
    return tuple(stage.name for stage in _stages(text, ()) if stage.name)


def rewrite_images(text: str, mapping: Mapping[str, str], args: Iterable[tuple[str, str]] = ()) -> str:
    """The Dockerfile with each image that `mapping` knows replaced; every line keeps its number."""
    uses = [use for stage in _stages(text, args) for use in stage.uses if use.image in mapping]
    for use in sorted(uses, key=lambda use: -use.start):
        text = text[: use.start] + mapping[use.image] + text[use.end :]
    return text


def _up_to(stages: list[_Stage], target: str) -> list[_Stage]:
    for index, stage in enumerate(stages):
        if target and target.lower() in (stage.name, str(index)):
            return stages[: index + 1]
    return stages


def _stages(text: str, args: Iterable[tuple[str, str]]) -> list[_Stage]:
    given = dict(args)
    variables: dict[str, str] = {}
    stages: list[_Stage] = []
    for instruction in _instructions(text):
        if instruction.name == "ARG" and not stages:
            variables.update(_arguments(instruction, given, variables))
        elif instruction.name == "FROM":
            stages.append(_from(instruction, variables, stages))
        elif stages:
            known = {stage.name for stage in stages} | {str(index) for index in range(len(stages))}
            uses = _copied(instruction) if instruction.name in ("COPY", "ADD") else _mounted(instruction)
            stages[-1].uses += [use for use in uses if use.image.lower() not in known and "$" not in use.image]
    return stages


def _arguments(instruction: _Instruction, given: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for word in _WORD.findall(instruction.text)[1:]:
        name, equals, default = word.partition("=")
        if name in given:
            values[name] = given[name]
        elif equals:
            values[name] = _expanded(default.strip("\"'"), {**known, **values}) or ""
    return values


def _from(instruction: _Instruction, variables: dict[str, str], stages: list[_Stage]) -> _Stage:
    words = [word for word in _WORD.finditer(instruction.text) if not word[0].startswith("--")][1:]
    if not words:
        return _Stage("")
    stage = _Stage(words[2][0].lower() if len(words) == 3 and words[1][0].upper() == "AS" else "")
    image = _expanded(words[0][0].strip("\"'"), variables)
    if image and image.lower() != "scratch" and image.lower() not in {other.name for other in stages}:
        start = instruction.start + words[0].start()
        stage.uses.append(_Use(start, start + len(words[0][0]), image))
    return stage


def _copied(instruction: _Instruction) -> Iterator[_Use]:
    for match in _COPY_FROM.finditer(instruction.text):
        yield _Use(instruction.start + match.start(2), instruction.start + match.end(2), match[2])


def _mounted(instruction: _Instruction) -> Iterator[_Use]:
    for mount in _MOUNT.finditer(instruction.text) if instruction.name == "RUN" else ():
        for match in _MOUNT_FROM.finditer(mount[0]):
            start = instruction.start + mount.start()
            yield _Use(start + match.start(1), start + match.end(1), match[1])


def _expanded(text: str, variables: Mapping[str, str]) -> str | None:
    """The text with $X, ${X}, ${X:-y} and ${X:+y} replaced; None where one of them has no value."""
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        name, operator, other = match[1] or match[4], match[2], match[3] or ""
        known = variables.get(name)
        if operator == "-" and not known:
            return _expanded(other, variables) or ""
        if operator == "+":
            return (_expanded(other, variables) or "") if known else ""
        unknown = unknown or not known
        return known or ""

    result = _VARIABLE.sub(value, text)
    return None if unknown else result


def _instructions(text: str) -> Iterator[_Instruction]:
    """The instructions in order; comments, and the bodies of here-documents, are not part of any."""
    escape = _escape(text)
    lines = _LINE.finditer(text)
    for line in lines:
        if not _is_blank(line[0]):
            whole = _joined(line, lines, escape)
            name = "".join(whole.split(None, 1)[:1]).upper()
            yield _Instruction(name, whole, line.start())
            if name in ("RUN", "COPY", "ADD"):
                _skip_heredocs(whole, lines)


def _joined(first: re.Match[str], lines: Iterator[re.Match[str]], escape: str) -> str:
    """The line with its continuations; what joins them is blanked, so that every offset stays."""
    pieces: list[str] = []
    line: re.Match[str] | None = first
    while line is not None:
        text = line[0].rstrip()
        blank = " " * (len(line[0]) - len(text) + 1)
        if pieces and _is_blank(text):
            pieces.append(" " * len(line[0]))
        elif text.endswith(escape):
            pieces.append(text[:-1] + blank)
        else:
            return "".join(pieces) + line[0]
        line = next(lines, None)
    return "".join(pieces)


def _is_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _escape(text: str) -> str:
    for line in _LINE.finditer(text):
        match = _DIRECTIVE.match(line[0])
        if not match:
            break
        if match[1].lower() == "escape":
            return match[2]
    return "\\"


def _skip_heredocs(instruction: str, lines: Iterator[re.Match[str]]) -> None:
    for dash, _, word in _HEREDOC.findall(instruction):
        for line in lines:
            end = line[0].rstrip("\r\n")
            if (end.lstrip("\t") if dash else end) == word:
                break
