"""What was said on the command line, and the spec that it comes to before anything is known of the image."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slimtasks.errors import SlimError
from slimtasks.proposal.naming import check_reference, checked, is_identity, name_of, tag_of
from slimtasks.proposal.text import Draft
from slimtasks.spec.sources import SPEC_NAMES

_COMPOSE = (".yaml", ".yml")


@dataclass(frozen=True)
class Wish:
    """What was said on the command line."""

    written: str  # an image, a Dockerfile, a folder with one, or a Compose file, with `:service` or without
    name: str = ""  # of the folder below images/; empty: as the image is called
    context: str = ""  # of a Dockerfile; empty: its folder
    command: tuple[str, ...] = ()  # of a Compose file, the service first
    environment: Mapping[str, str] = field(default_factory=dict)

    def again(self, variable: str) -> str:
        """The command line with one variable more, for whoever knows its value."""
        options = [f"--{key}={value}" for key, value in (("name", self.name), ("context", self.context)) if value]
        variables = [f"{key}={value}" for key, value in {**self.environment, variable: "VALUE"}.items()]
        command = ["--", *self.command] if self.command else []
        return shlex.join([self.written, *options, *variables, *command])


def draft_of(wish: Wish) -> tuple[str, Draft]:
    """The image's name here, and what the command line says of it; SlimError where it says nothing that can be."""
    if compose := _compose(wish.written):
        return _of_service(wish, *compose)
    dockerfile = _dockerfile(Path(wish.written))
    if dockerfile is None:
        if (file := wish.written.partition(":")[0]).endswith(_COMPOSE):
            raise SlimError(f"{file} is no file here", "say where the Compose file is: `doit init FILE SERVICE`")
        check_reference(wish.written)
        if wish.context:
            raise SlimError(f"--context {wish.context}: {wish.written} is no Dockerfile", "leave it out")
        if is_identity(wish.written) and not wish.name:
            raise SlimError(f"{wish.written} is an id, and no name", "choose one: `--name NAME`")
    name = wish.name or name_of(_called(dockerfile) if dockerfile else wish.written)
    checked(name, f"--name {name}")
    folder = Path("images", name)
    _must_be_free(folder, dockerfile)
    if dockerfile is None:
        source, tag = {"image": wish.written}, tag_of(name, wish.written)
    else:
        source, tag = _build(folder, dockerfile, wish.context), tag_of(name, "")
    return name, Draft(tag, source, wish.command, wish.environment)


def _compose(written: str) -> tuple[Path, str] | None:
    """The Compose file that is meant, and the service where it is said with it; None for no such file."""
    for name, service in ((written, ""), written.rpartition(":")[::2]):
        if name.endswith(_COMPOSE) and Path(name).is_file():
            return Path(name), service
    return None


def _of_service(wish: Wish, file: Path, service: str) -> tuple[str, Draft]:
    """The same of a service, which may be the first word of what looks like a command."""
    words = wish.command
    if not service:
        service, words = (words[0], words[1:]) if words else ("", ())
    if not service:
        raise SlimError(f"{file}: which service?", f"say it: `doit init {file} SERVICE`")
    if wish.context:
        raise SlimError(f"--context {wish.context}: the Compose file says it", "leave it out")
    name = wish.name or name_of(service)
    checked(name, f"--name {name}")
    folder = Path("images", name)
    _must_be_free(folder, None)
    source = {"compose": _seen_from(folder, file), "service": service}
    return name, Draft(tag_of(name, ""), source, words, wish.environment)


def _seen_from(folder: Path, path: Path) -> str:
    """The path as a spec in that folder writes it."""
    return os.path.relpath(path.absolute(), folder.absolute())


def _dockerfile(path: Path) -> Path | None:
    """The Dockerfile that the words mean; None where they mean an image."""
    for found in (path, path / "Dockerfile", path / "Containerfile"):
        if found.is_file():
            return found
    return None


def _called(dockerfile: Path) -> str:
    """How the folder of what is built is called."""
    return dockerfile.absolute().parent.resolve().name


def _build(folder: Path, dockerfile: Path, context: str) -> dict[str, str]:
    """The Dockerfile and its context as the spec in that folder names them."""
    sent = Path(context) if context else dockerfile.parent
    if not sent.is_dir():
        raise SlimError(f"--context {context} is no folder", "name the folder that the Dockerfile copies from")
    relative = {"dockerfile": _seen_from(folder, dockerfile), "context": _seen_from(folder, sent)}
    return {key: value for key, value in relative.items() if (key, value) != ("context", ".")}


def _must_be_free(folder: Path, dockerfile: Path | None) -> None:
    """SlimError unless nothing is there that a spec would be put beside, its own Dockerfile apart."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    there = next((name for name in SPEC_NAMES if (folder / name).exists()), "")
    if there or dockerfile is None or not dockerfile.absolute().is_relative_to(folder.absolute()):
        what = f"{folder / there} is there already" if there else f"{folder} is there already"
        raise SlimError(f"{what}, and nothing is overwritten", "remove it, or choose another name: `--name NAME`")
