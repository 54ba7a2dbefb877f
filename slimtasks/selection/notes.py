"""What exists in the fat image, was not used, and is often missed later."""

from __future__ import annotations

from slimtasks.rootfs import Tree
from slimtasks.selection.kept import Kept

DATA = (
    ("CA certificates", "/etc/ssl/certs"),
    ("time zones", "/usr/share/zoneinfo"),
    ("locales", "/usr/lib/locale"),
    ("translations", "/usr/share/locale"),
    ("character sets", "/usr/lib/x86_64-linux-gnu/gconv"),
    ("character sets", "/usr/lib/aarch64-linux-gnu/gconv"),
)


def unused_data(tree: Tree, kept: Kept) -> list[str]:
    """One line for all that does not stay, with a keep rule that would keep it; none where there is nothing."""
    absent = []
    for what, directory in DATA:
        place = tree.walk(directory).resolved
        files = (path for path in tree.below(place) if path not in kept)
        count = sum((entry := tree.lookup(path)) is not None and entry.type != "dir" for path in files)
        if count:
            absent.append((count, what, directory))
    if not absent:
        return []
    listed = ", ".join(f"{count} {what} ({directory})" for count, what, directory in absent)
    return [f'not kept, as nothing used them: {listed}; a rule like keep: ["{absent[0][2]}/**"] keeps them']
