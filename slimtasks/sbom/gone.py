"""Which files of a package are in the slim image, and what of its code is not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypedDict

from slimtasks.records import Entry, ImagePath
from slimtasks.rootfs import Tree
from slimtasks.selection.whole import is_documentation

_MODULES = (".py", ".pyc", ".pm", ".pl", ".al", ".rb", ".js", ".cjs", ".mjs", ".node", ".jar", ".war", ".class", ".so")


class Extent(TypedDict):
    """The fields of a Component that tell how much of it stays."""

    kept: int
    gone: int
    code_gone: tuple[ImagePath, ...]


class Balance:
    """Weighs files of the fat image; those whose path is in `staying` are in the slim one."""

    def __init__(self, tree: Tree, staying: Collection[str]) -> None:
        self._tree = tree
        self._staying = staying
        self._inodes = {entry.hardlink or entry.path for entry in tree if entry.path in staying}

    def of(self, paths: Iterable[ImagePath]) -> Extent:
        """Of these files and links; code that stays under another name is not gone."""
        mine = [entry for path in paths if not is_documentation(path) and (entry := self._tree.lookup(path))]
        gone = [entry for entry in mine if entry.path not in self._staying]
        code = (entry.path for entry in gone if self._is_code(entry) and not self._has_other_name(entry))
        return {"kept": len(mine) - len(gone), "gone": len(gone), "code_gone": tuple(sorted(code))}

    def _is_code(self, entry: Entry) -> bool:
        """ELF files, modules of languages, scripts."""
        return entry.type == "file" and (
            self._tree.elf(entry) is not None or bool(entry.script) or entry.path.endswith(_MODULES)
        )

    def _has_other_name(self, entry: Entry) -> bool:
        return (entry.hardlink or entry.path) in self._inodes
