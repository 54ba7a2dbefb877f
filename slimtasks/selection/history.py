"""What the image's history says of its layers: created_by of the classic builder, BuildKit, buildah and kaniko."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from slimtasks.packages.apk import DATABASES
from slimtasks.records import ImagePath, Layer
from slimtasks.rootfs import Tree, normalise, parent

_NOP = re.compile(r"^/bin/sh -c #\(nop\)\s*")
_SHELL = re.compile(r"^(?:\|\d+ .*?)?/\S*sh(?: -\S+| pipefail)* -[a-z]*c\b", re.DOTALL)
_VERBS = frozenset(
    ["RUN", "COPY", "ADD", "WORKDIR", "ENV", "CMD", "ENTRYPOINT", "USER", "VOLUME", "EXPOSE", "LABEL", "ARG"]
).union(["STOPSIGNAL", "HEALTHCHECK", "SHELL", "ONBUILD", "MAINTAINER"])


@dataclass(frozen=True)
class Instruction:
    """The Dockerfile instruction that made a layer."""

    verb: str
    text: str  # 'COPY nginx.conf /etc/nginx/'
    target: str = ""  # of COPY and ADD, as written


def instruction(created_by: str) -> Instruction | None:
    """What made the layer; None where the history does not tell."""
    text = _NOP.sub("", created_by).removesuffix("# buildkit").strip()
    verb, _, rest = text.partition(" ")
    if verb.upper() in ("COPY", "ADD") and rest.strip():
        return Instruction(verb.upper(), f"{verb.upper()} {rest.strip()}", _target(rest.strip()))
    if verb.upper() in _VERBS:
        return Instruction(verb.upper(), text)
    if _SHELL.match(text):
        return Instruction("RUN", f"RUN {_SHELL.sub('', text).strip()}")
    return None


def _target(arguments: str) -> str:
    """The last argument: classic says 'file:SUM in /target', BuildKit 'a b /target' or a JSON array."""
    if " in " in arguments and re.match(r"(?:--\S+ )*(?:file|dir|multi):\S+ in ", arguments):
        return arguments.partition(" in ")[2].strip()
    start = arguments.find("[")
    if start >= 0 and arguments.endswith("]"):
        try:
            return str(json.loads(arguments[start:])[-1])
        except (ValueError, IndexError):
            return ""
    return arguments.split()[-1]


@dataclass(frozen=True)
class History:
    """The layers by what made them."""

    instructions: tuple[Instruction | None, ...]  # one for each layer
    first_own: int  # index of the first layer above the root filesystem
    usable: bool  # whether it tells what the user copied

    def is_builds(self, layer: int) -> bool:
        """Whether the layer is above the root filesystem."""
        return self.first_own <= layer < len(self.instructions)

    def copied(self, layer: int) -> Instruction | None:
        """The COPY or ADD that made the layer, if it is one of the user's."""
        if not self.usable or not self.is_builds(layer):
            return None
        made = self.instructions[layer]
        return made if made is not None and made.verb in ("COPY", "ADD") else None

    def written_to(self, tree: Tree, working_directory: ImagePath) -> dict[ImagePath, Instruction]:
        """The directories that COPY and ADD wrote to."""
        found: dict[ImagePath, Instruction] = {}
        for layer in range(len(self.instructions)):
            made = self.copied(layer)
            if made is None or not made.target:
                continue
            asked = made.target if made.target.startswith("/") else f"{working_directory}/{made.target}"
            walk = tree.walk(asked)
            if walk.final is not None:
                place = walk.final.path if walk.final.type == "dir" else parent(walk.final.path)
                found.setdefault(place, made)
        return found


def read_history(layers: Sequence[Layer], tree: Tree) -> History:
    """Usable where the layers above the root filesystem are all by known instructions, and there are any."""
    instructions = tuple(instruction(layer.created_by) for layer in layers)
    first = 0
    while first < len(instructions) and instructions[first] is None:
        first += 1
    roots = _root_filesystem(tree)
    for index, made in enumerate(instructions):
        at_root = made is not None and made.verb in ("COPY", "ADD") and normalise(made.target) == "/"
        if at_root and index in roots:
            first = index + 1
    above = instructions[first:]
    return History(instructions, first, bool(above) and all(made is not None for made in above))


def _root_filesystem(tree: Tree) -> frozenset[int]:
    """The layers that wrote a shell, the name of a distribution or its package database."""
    marks = ["/bin/sh", "/etc/os-release", "/etc/debian_version", *DATABASES, "/var/lib/dpkg/status"]
    finals = (tree.walk(mark).final for mark in marks)
    return frozenset(final.layer for final in finals if final is not None)
