"""Which images a Dockerfile names.

https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")
_HEREDOC = re.compile(r"<<(-?)([\"']?)([A-Za-z_][A-Za-z0-9_.]*)\2")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?([-+])((?:[^{}]|\$\{\w+\})*))?\}|(\w+))")
_COPY_FROM = re.compile(r"--from=(\"?)([^\s\"]+)\1")
_MOUNT = re.compile(r"--mount=\S+")
_MOUNT_FROM = re.compile(r"(?<=[=,])from=([^,\s\"]+)")


@dataclass(frozen=True)
class _Instruction:
    """One instruction, its continuation lines joined."""

    name: str
    text: str


@dataclass
class _Stage:
    name: str
    images: list[str] = field(default_factory=list)


def image_names(text: str, args: Iterable[tuple[str, str]] = (), target: str = "") -> tuple[str, ...]:
    """The images that a build up to `target` needs, sorted, with variables replaced by `args` or their defaults.

    Stages of the Dockerfile and `scratch` are no images; names that depend on a variable without value are left out.
    """
    return tuple(sorted({image for stage in _up_to(_stages(text, args), target) for image in stage.images}))


def stage_names(text: str) -> tuple[str, ...]:
    """The names that `target` may have."""
    return tuple(stage.name for stage in _stages(text, ()) if stage.name)


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
            images = _copied(instruction) if instruction.name in ("COPY", "ADD") else _mounted(instruction)
            stages[-1].images += [image for image in images if image.lower() not in known and "$" not in image]
    return stages


def _arguments(instruction: _Instruction, given: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for word in instruction.text.split()[1:]:
        name, equals, default = word.partition("=")
        if name in given:
            values[name] = given[name]
        elif equals:
            values[name] = _expanded(default.strip("\"'"), {**known, **values}) or ""
    return values


def _from(instruction: _Instruction, variables: dict[str, str], stages: list[_Stage]) -> _Stage:
    words = [word for word in instruction.text.split() if not word.startswith("--")][1:]
    if not words:
        return _Stage("")
    stage = _Stage(words[2].lower() if len(words) == 3 and words[1].upper() == "AS" else "")
    image = _expanded(words[0].strip("\"'"), variables)
    if image and image.lower() != "scratch" and image.lower() not in {other.name for other in stages}:
        stage.images.append(image)
    return stage


def _copied(instruction: _Instruction) -> list[str]:
    return [image for _, image in _COPY_FROM.findall(instruction.text)]


def _mounted(instruction: _Instruction) -> list[str]:
    mounts = _MOUNT.findall(instruction.text) if instruction.name == "RUN" else ()
    return [image for mount in mounts for image in _MOUNT_FROM.findall(mount)]


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
    lines = iter(text.split("\n"))
    for line in lines:
        if not _is_blank(line):
            whole = _joined(line, lines, escape)
            name = "".join(whole.split(None, 1)[:1]).upper()
            yield _Instruction(name, whole)
            if name in ("RUN", "COPY", "ADD"):
                _skip_heredocs(whole, lines)


def _joined(first: str, lines: Iterator[str], escape: str) -> str:
    """The line with its continuations, comments and empty lines between them left out."""
    pieces: list[str] = []
    for line in chain([first], lines):
        text = line.rstrip()
        if pieces and _is_blank(text):
            continue
        if not text.endswith(escape):
            return "".join([*pieces, text])
        pieces.append(text[:-1] + " ")
    return "".join(pieces)


def _is_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _escape(text: str) -> str:
    for line in text.split("\n"):
        match = _DIRECTIVE.match(line)
        if not match:
            break
        if match[1].lower() == "escape":
            return match[2]
    return "\\"


def _skip_heredocs(instruction: str, lines: Iterator[str]) -> None:
    for dash, _, word in _HEREDOC.findall(instruction):
        for line in lines:
            end = line.rstrip("\r")
            if (end.lstrip("\t") if dash else end) == word:
                break
