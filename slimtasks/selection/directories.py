"""Directories that stay though nothing kept is in them, and the parents of all that stays."""

from __future__ import annotations

import re

from slimtasks.packages.languages import tree_of
from slimtasks.records import Entry, ImagePath, Reason, bare_name
from slimtasks.rootfs import is_engines, normalise, parent, parents
from slimtasks.selection.history import History
from slimtasks.selection.image import FatImage, is_nobodys
from slimtasks.selection.kept import Kept

# Directories of these trees mean nothing without their files.
_DOCUMENTATION = re.compile(
    r"/usr/(?:local/)?share/(?:doc|doc-base|man|info|locale|lintian|bug|help|gtk-doc)(?:/.*)?", re.DOTALL
)


def keep_directories(image: FatImage, history: History, kept: Kept) -> None:
    """Keeps what the config names, the empty directories of packages and builds, /tmp, and every parent."""
    _keep_named(image, kept)
    kept.keep(image.tree.walk("/tmp").resolved, Reason("needed", "temporary files"))
    used = _packages_with_files(image, kept)
    holding = {directory for path in kept for directory in parents(path)}
    for entry in image.tree:
        if entry.type == "dir" and entry.path not in holding and entry.path not in kept:
            reason = _reason(entry, image, history, used)
            if reason is not None:
                kept.keep(entry.path, reason)
    keep_parents(kept)


def keep_parents(kept: Kept) -> None:
    """Keeps the directories above every kept path; those that the tree lacks are made."""
    for path in kept:
        directory = parent(path)
        while directory not in kept:
            reason = Reason("needed", f"parent of {path}", path)
            if not kept.keep(directory, reason) and not kept.generate(directory, reason):
                break
            directory = parent(directory)


def _keep_named(image: FatImage, kept: Kept) -> None:
    named: dict[str, list[ImagePath]] = {
        "WorkingDir": [image.working_directory],
        "Volumes": [normalise(str(volume)) for volume in sorted(image.config.get("Volumes") or ())],
        "HOME": list(image.homes()),
    }
    for field, paths in named.items():
        for path in paths:
            kept.follow(path, Reason("needed", f"{field} of the image config"))


def _packages_with_files(image: FatImage, kept: Kept) -> frozenset[str]:
    """Packages of which more stays than metadata."""
    used = (image.tree.lookup(path) for path in kept if kept.kinds(path) != {"metadata"})
    return frozenset(entry.package for entry in used if entry and entry.package and entry.type != "dir")


def _reason(entry: Entry, image: FatImage, history: History, used: frozenset[str]) -> Reason | None:
    """Why a directory stays in which nothing else does; None where it goes."""
    if is_engines(entry.path) or _DOCUMENTATION.fullmatch(entry.path):
        return None
    children = image.tree.children(entry.path)
    if entry.package in used:
        # An empty directory of a language would be a package without content: imports that must fail would not.
        if not children or tree_of(f"{entry.path}/") is None:
            return Reason("needed", f"directory of package {bare_name(entry.package)}")
        return None
    made = not entry.package and history.is_builds(entry.layer) and _is_builds(entry.path, image)
    if made and all(is_nobodys(child) for child in children):
        return Reason("needed", "empty directory that the build made")
    return None


def _is_builds(path: ImagePath, image: FatImage) -> bool:
    """Made by the build: no cache, and no package knows it."""
    return not is_nobodys(path) and path not in image.named_directories and not path.startswith("/usr/src/")
