"""Which files a Dockerfile build is sent, as .dockerignore says.

https://docs.docker.com/build/concepts/context/#dockerignore-files; how patterns match is moby/patternmatcher's
(anchored at the root, unlike .gitignore's), so that both engines and this agree.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from slimtasks.spec.model import Image
from slimtasks.spec.sources import LOCK_NAME, SPEC_NAMES
from slimtasks.workspace import Workspace


@dataclass(frozen=True)
class Context:
    """What a build is sent: (name in the context, path), sorted by name. Folders carry a mode and may be empty."""

    files: tuple[tuple[str, Path], ...] = ()  # symlinks too, which are not followed
    folders: tuple[tuple[str, Path], ...] = ()


def build_context(image: Image) -> Context:
    """The context of the image's Dockerfile; nothing where it is not built from one.

    The image's own spec, the locks, the traces that it names and what runs write are never sent: they follow the image.
    Its Dockerfile always is, under `dockerfile_name`.
    """
    context, dockerfile = image.source.context, image.source.dockerfile
    if context is None or dockerfile is None:
        return Context()
    workspace = Workspace(image.folder.parents[1])
    written = (*workspace.all_written, workspace.layers_lock)
    ours = {*(image.folder / name for name in (*SPEC_NAMES, LOCK_NAME)), *(also.file for also in image.trace.also)}
    files: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    for name, path, is_folder in _walk(context, dockerfile, written):
        if path not in ours:
            (folders if is_folder else files)[name] = path
    files[dockerfile_name(context, dockerfile)] = dockerfile
    for folder in _of_traces(image, context):
        if not any(name.startswith(f"{folder}/") for name in (*files, *folders)):
            folders.pop(folder, None)
    return Context(tuple(sorted(files.items())), tuple(sorted(folders.items())))


def _of_traces(image: Image, context: Path) -> list[str]:
    """The folders of the context that hold traces, inner ones first: sent only for what else is in them."""
    found: set[str] = set()
    for also in image.trace.also:
        for folder in also.file.parents:
            if folder in (context, image.folder) or not folder.is_relative_to(context):
                break
            found.add(folder.relative_to(context).as_posix())
    return sorted(found, reverse=True)


def dockerfile_name(context: Path, dockerfile: Path) -> str:
    """The Dockerfile's name in the context; a name of its own for one that lies outside."""
    if dockerfile.is_relative_to(context):
        return dockerfile.relative_to(context).as_posix()
    return f".dockerfile.{dockerfile.name}"


def ignore_file(context: Path, dockerfile: Path) -> Path | None:
    """The file with the rules: the one named after the Dockerfile, beside it, wins, as in BuildKit."""
    for path in (dockerfile.with_name(dockerfile.name + ".dockerignore"), context / ".dockerignore"):
        if path.is_file():
            return path
    return None


@dataclass(frozen=True)
class IgnoreRules:
    """The rules of a .dockerignore, in order: (pattern, whether it brings back)."""

    rules: tuple[tuple[re.Pattern[str], bool], ...] = ()

    @classmethod
    def parse(cls, text: str) -> IgnoreRules:
        rules = []
        for line in text.splitlines():
            pattern = line.strip()
            back = pattern.startswith("!")
            pattern = pattern[1:].strip() if back else pattern
            if line.startswith("#") or not pattern:
                continue
            pattern = posixpath.normpath(pattern).lstrip("/")
            if pattern and pattern != ".":
                rules.append((_compiled(pattern), back))
        return cls(tuple(rules))

    def ignores(self, name: str) -> bool:
        """Whether a path is left out: the last rule that matches it or one of its parents decides."""
        parts = name.split("/")
        paths = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
        for pattern, back in reversed(self.rules):
            if any(map(pattern.fullmatch, paths)):
                return not back
        return False

    def ignores_all_below(self, folder: str) -> bool:
        """Whether nothing below the folder can come back, so that it need not be walked."""
        return not any(back for _, back in self.rules) and self.ignores(folder)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(_regex(pattern), re.DOTALL)
    except re.error:
        return re.compile(re.escape(pattern))


def _regex(pattern: str) -> str:
    result, at = "", 0
    while at < len(pattern):
        letter = pattern[at]
        at += 1
        if letter == "*" and pattern.startswith("*", at):
            at += 1
            at += pattern.startswith("/", at)
            result += ".*" if at == len(pattern) else "(?:.*/)?"
        elif letter == "*":
            result += "[^/]*"
        elif letter == "?":
            result += "[^/]"
        elif letter == "\\" and at < len(pattern):
            result += re.escape(pattern[at])
            at += 1
        else:
            result += letter if letter in "[]^-" else re.escape(letter)
    return result


def _walk(context: Path, dockerfile: Path, skipped: Collection[Path]) -> Iterator[tuple[str, Path, bool]]:
    """(name, path, whether it is a folder) of all that is sent, less what engines don't take (sockets, fifos)."""
    path = ignore_file(context, dockerfile)
    rules = IgnoreRules.parse(path.read_text(encoding="utf-8-sig", errors="surrogateescape")) if path else IgnoreRules()
    waiting = [(context, "")]
    while waiting:
        folder, prefix = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if Path(entry.path) in skipped:
                    continue
                name, is_folder = prefix + entry.name, entry.is_dir(follow_symlinks=False)
                if is_folder and not rules.ignores_all_below(name):
                    waiting.append((Path(entry.path), name + "/"))
                if not rules.ignores(name) and (is_folder or entry.is_symlink() or entry.is_file()):
                    yield name, Path(entry.path), is_folder
