"""What `doit diff` compares: an image of the repo, an archive, an image of the engine, a trace."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from slimtasks import fatfiles
from slimtasks.engine.client import Engine
from slimtasks.errors import EngineError, SlimError
from slimtasks.inventories import owned
from slimtasks.job import files_of
from slimtasks.oci.saved import scan
from slimtasks.oci.stream import Readable
from slimtasks.packages.installed import captured
from slimtasks.records import Entry, Package, Program
from slimtasks.session import Session
from slimtasks.spec import Image
from slimtasks.spec.host_files import trace_lock
from slimtasks.spec.suggest import meant
from slimtasks.trace.given import Given, read_given
from slimtasks.trace.lock import Locked
from slimtasks.workspace import ImageFiles

GRAMMAR = (
    "NAME (an image of this repo as it is in build/), NAME@fat (what it is cut out of), NAME@trace, NAME@lock (its "
    "traces), a file (image.tar, what `docker save` writes, a trace or its lock), an image of the engine by tag or id"
)
_PARTS = ("fat", "trace", "lock")
_REFERENCE = re.compile(r"[:/]|[0-9a-f]{12,64}$")  # a tag of a registry, or an id

Owners = Callable[[], Mapping[str, str]]
Inventory = Callable[[ImageFiles], tuple[Entry, ...]]


@dataclass(frozen=True)
class TreeSide:
    """The files of an image."""

    name: str  # as the user wrote it
    entries: tuple[Entry, ...]  # sorted by path
    config: Mapping[str, Any]  # of its config the part that is called so: Env, Cmd, ...
    owners: Owners  # packages by path; read when something differs
    versions: Owners  # of packages, by name


@dataclass(frozen=True)
class TraceSide:
    """A trace, or its lock."""

    name: str
    header: Mapping[str, Any]
    accesses: tuple[Locked, ...]
    programs: tuple[Program, ...]


Side = TreeSide | TraceSide


def sides(session: Session, before: str, after: str) -> tuple[Side, Side]:
    """What both texts name; both may be of one image, whose inventory is read once then."""
    inventory = cache(fatfiles.inventory)
    return side(session, before, inventory), side(session, after, inventory)


def side(session: Session, text: str, inventory: Inventory = fatfiles.inventory) -> Side:
    """What the text names, see GRAMMAR; SlimError where it names nothing. Only what is nothing here asks an engine."""
    name, at, part = text.rpartition("@")
    if part in _PARTS and name in session.by_name:
        return _of_part(session, session.by_name[name], part, text, inventory)
    if text in session.by_name:
        return _of_image(session, session.by_name[text], text, inventory)
    path = Path(text)
    if path.exists() and not path.is_dir():
        return _of_file(path, text)
    near = meant(name if at and part in _PARTS else text, session.by_name)
    if not near or _REFERENCE.search(text):
        found = _of_engine(session, text)
        if found is not None:
            return found
    hint = f"did you mean {near}{at + part if part in _PARTS else ''}? " if near else ""
    raise SlimError(f"diff: {text} is not there", f"{hint}allowed: {GRAMMAR}")


def _of_image(session: Session, image: Image, text: str, inventory: Inventory) -> Side:
    """As it is in build/: of a slim one the packages are told by the fat image, which knows more of them."""
    files = files_of(session.workspace, image)
    if image.kind == "build":
        return _of_inventory(files, image.name, text, inventory)
    with _there(files.archive, image.name).open("rb") as stream:
        found = _of_archive(stream, str(files.archive))
    if image.kind == "base":
        return replace(found, name=text)
    owners = partial(_owners, files, inventory)
    return TreeSide(text, found.entries, found.config, owners, partial(_versions, files))


def _of_part(session: Session, image: Image, part: str, text: str, inventory: Inventory) -> Side:
    files = files_of(session.workspace, image)
    if part == "fat":
        return _of_inventory(files, image.name, text, inventory)
    if part == "trace":
        return _of_trace(_there(files.trace, image.name), text)
    lock = trace_lock(image)
    if not lock.exists():
        raise SlimError(f"{image.name} has no lock: {_shown(lock)} is not there", f"`doit lock {image.name}` writes it")
    return _of_trace(lock, text)


def _of_inventory(files: ImageFiles, name: str, text: str, inventory: Inventory) -> TreeSide:
    _there(files.inventory, name)
    config = fatfiles.fat(files).config.get("config") or {}
    owners = partial(_owners, files, inventory)
    return TreeSide(text, inventory(files), config, owners, partial(_versions, files))


def _of_file(path: Path, text: str) -> Side:
    """By its first byte; what comes through a pipe, and can be read but once, is a trace."""
    if not path.is_file():
        return _of_trace(path, text)
    with path.open("rb") as stream:
        if stream.peek(1)[:1] != b"{":
            return _of_archive(stream, text)
    return _of_trace(path, text)


def _of_engine(session: Session, text: str) -> TreeSide | None:
    """None where it has none such."""
    engine = Engine(session.workspace.root.absolute(), session.environ)
    try:
        if engine.inspect_image(text) is None:
            return None
        with engine.save(text) as stream:
            return _of_archive(stream, text)
    except EngineError as error:
        raise SlimError(f"diff: {text} is not there, and no engine tells of it: {error.what}", error.hint) from error


def _of_archive(stream: Readable, text: str) -> TreeSide:
    scratch = Path(tempfile.gettempdir())
    try:
        found = scan(stream, wanted=captured, read_elf=lambda file: None, scratch=scratch)
    except EngineError:
        raise
    except SlimError as error:
        raise SlimError(f"{text}: {error.what}", error.hint) from error
    packages, entries = owned(found)
    owners: Mapping[str, str] = {entry.path: entry.package for entry in entries if entry.package}
    versions = _by_name(packages)
    return TreeSide(text, entries, found.config.get("config") or {}, lambda: owners, lambda: versions)


def _of_trace(path: Path, text: str) -> TraceSide:
    given = Given(path, _shown(path), f"allowed: {GRAMMAR}")
    return TraceSide(text, *read_given(given, Locked))


def _owners(files: ImageFiles, inventory: Inventory) -> Mapping[str, str]:
    return {entry.path: entry.package for entry in inventory(files) if entry.package}


def _versions(files: ImageFiles) -> Mapping[str, str]:
    return _by_name(fatfiles.installed(files))


def _by_name(packages: Iterable[Package]) -> Mapping[str, str]:
    return {package.name: package.version for package in packages}


def _there(path: Path, name: str) -> Path:
    if not path.exists():
        raise SlimError(f"{name} is not built yet: {path} is not there", f"`doit {name}` makes it")
    return path


def _shown(path: Path) -> str:
    """From here, where that is not longer."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
