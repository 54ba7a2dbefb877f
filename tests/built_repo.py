"""Small repos as a run leaves them, made by hand and without an engine: what the stages decide is decided by them.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from small_trees import accesses, entries

from slimtasks.additions import additions
from slimtasks.assembly.dates import Clock
from slimtasks.assembly.layering import Item, Plan, plan_layers
from slimtasks.oci.archive import write_image
from slimtasks.oci.layer import LayerWriter
from slimtasks.records import Entry, Fat, ImagePath, Package, SlimLayer, to_json, write_json, write_lines
from slimtasks.records import Layer as FatLayer
from slimtasks.rootfs import Tree
from slimtasks.selection import Inputs, select
from slimtasks.session import Session
from slimtasks.trace.file import Trace, write_trace
from slimtasks.trace.summary import reached

DODO = "from slimtasks.dodo import DOIT_CONFIG, task_images\n"
BACKEND = {"opens": "fanotify", "lookups": "ebpf", "why": "they can be used here"}


def content_of(entry: Entry) -> bytes:
    """What stands in a file: the first of its names, as often as its size wants it."""
    text = f"{entry.hardlink or entry.path}\n".encode("utf-8", "surrogateescape")
    return (text * (entry.size // len(text) + 1))[: entry.size]


class BuiltRepo:
    """A folder with a dodo.py, images, and their files in build/."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("dodo.py", DODO)

    def write(self, name: str, text: str) -> Path:
        """Writes a file of the repo."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        """Replaces in a file of the repo what has to be there."""
        text = (self.root / name).read_text()
        if old not in text:
            raise ValueError(f"{name} has no {old!r}")
        self.write(name, text.replace(old, new))

    @property
    def session(self) -> Session:
        """A run of doit in it; `none` stands for an engine that nobody may ask."""
        return Session(self.root, {"DOCKER_HOST": "unix:///nowhere.sock"}, lambda line: None)

    def build(
        self,
        name: str,
        spec: str,
        tree: str | Iterable[Entry],
        trace: str,
        *,
        by: Mapping[str, tuple[str, ...]] = {},
        steps: Mapping[str, tuple[int, ...]] = {},
        base: Sequence[Entry] = (),
        captured: Mapping[ImagePath, bytes] = {},
    ) -> None:
        """Declares an image, and writes what fat, trace, select, layers and image would; `by`, `steps` are by path."""
        self.write(
            f"images/{name}/image.yaml",
            f"from: {{image: 'somewhere/{name}:1'}}\ngranularity: file\nunowned: traced\n{spec}",
        )
        session = self.session
        image, files = session.by_name[name], session.workspace.image(name)
        inventory = tuple(_filled(entries(tree) if isinstance(tree, str) else tree))
        packages = _packages(inventory)
        used = tuple(
            replace(
                access,
                by=by.get(access.path, ("/bin/app",)),
                steps=steps.get(access.path, (0,)),
                reached=reached(access.path, access.how, Tree(inventory)),
            )
            for access in accesses(trace)
        )
        config: dict[str, Any] = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["app"]}}
        layers = (FatLayer("sha256:0"),)
        write_json(files.fat, Fat("sha256:fat", "sha256:config", "sha256:tree", 0, config, layers))
        write_lines(files.inventory, {"paths": len(inventory), "files": 0, "newest": 0}, inventory)
        write_lines(files.packages, {"packages": len(packages)}, packages)
        header = {
            "fat": "sha256:tree",
            "complete": True,
            "backend": BACKEND,
            "steps": ["start", "1 http GET http :80/", "2 exec app --check"],
        }
        write_trace(files.trace, Trace(header, used, ()))
        chosen = select(
            Inputs(
                entries=inventory,
                accesses=used,
                packages=packages,
                config=config,
                layers=layers,
                captured=captured,
                keep=image.keep,
                keep_packages=image.keep_packages,
                keep_presets=image.keep_presets,
                drop=image.drop,
                own=image.own,
                unowned=image.unowned,
                granularity=image.granularity,
                metadata=image.metadata,
                base=tuple(_filled(base)),
                added=tuple(addition.entry.path for addition in additions(image)),
            )
        )
        missed = [asdict(one) for one in chosen.not_kept]
        header = {"paths": len(chosen.selected), "notes": list(chosen.notes), "not_kept": missed}
        write_lines(files.selection, header, chosen.selected)
        store = session.workspace.layer_store
        below = (
            [self._layer(store, Plan("base", tuple(Item(entry, entry.path) for entry in base)), base)] if base else []
        )
        plans = plan_layers(inventory, chosen.selected, additions(image), Clock(0))
        made = [self._layer(store, plan, inventory) for plan in plans]
        written = {"below": [layer.diff_id for layer in below], "below_files": 0, "below_size": 0, "created": 0}
        write_json(files.layers, {**written, "keys": [], "layers": [to_json(layer) for layer in made]})
        diff_ids = [layer.diff_id for layer in (*below, *made)]
        raw = json.dumps({**config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
        write_image(files.archive, raw, [session.workspace.layer(diff_id) for diff_id in diff_ids], [])

    def _layer(self, store: Path, plan: Plan, inventory: Iterable[Entry]) -> SlimLayer:
        sources = {entry.path: entry for entry in inventory}
        with LayerWriter(store, plan.name) as writer:
            for item in plan.items:
                text = item.text.encode() if item.text else item.file.read_bytes() if item.file else None
                writer.add(item.entry, content_of(sources[item.source]) if item.extracted else text)
            layer = writer.finish()
        if layer is None:
            raise ValueError("a layer without entries")
        return layer


def _filled(tree: Iterable[Entry]) -> Iterable[Entry]:
    """The entries with the digests of what stands in their files."""
    for entry in tree:
        if entry.type == "file" and not entry.digest:
            entry = replace(entry, digest=hashlib.sha256(content_of(entry)).hexdigest())
        yield entry


def _packages(inventory: Iterable[Entry]) -> tuple[Package, ...]:
    """Those that the tree names, each of version 1.0."""
    owned: dict[str, list[Entry]] = {}
    for entry in inventory:
        if entry.package:
            owned.setdefault(entry.package, []).append(entry)
    return tuple(Package(name, "1.0", paths=tuple(e.path for e in mine)) for name, mine in sorted(owned.items()))
