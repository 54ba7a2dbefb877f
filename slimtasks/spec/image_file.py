"""Reads the spec of one image."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from slimtasks.spec.borrowed import Borrowed, Reader, as_written, laid_under
from slimtasks.spec.build_args import with_callers_values
from slimtasks.spec.compose import read_compose
from slimtasks.spec.defaults import Defaults
from slimtasks.spec.disk import Disk
from slimtasks.spec.dockerfile import image_names, stage_names
from slimtasks.spec.image_tree import image_of
from slimtasks.spec.kubernetes import read_kubernetes
from slimtasks.spec.model import Image
from slimtasks.spec.names import is_tag, name_problem, tagged
from slimtasks.spec.reading import Reading
from slimtasks.spec.rules import SOURCES, check_together, with_source
from slimtasks.spec.scenario import ways
from slimtasks.spec.shorthand import Longhand
from slimtasks.spec.sources import SPEC_NAMES
from slimtasks.spec.support import kind_of, without_unfit
from slimtasks.spec.tree import Loc, Mapping, Node, Place, Scalar, changed_map, find, found, place_of


@dataclass(frozen=True)
class Draft:
    """An image that is valid by itself, and where its keys stand."""

    image: Image
    tree: Mapping
    dockerfile_images: tuple[str, ...] = ()
    built: frozenset[str] = frozenset()  # services whose image is another one of this repo, made of the same file

    def place(self, loc: Loc) -> Place:
        return place_of(self.tree, loc)


def read_image(reading: Reading, folder: Path, defaults: Defaults) -> Draft | None:
    """The image that the folder declares; None after adding its mistakes."""
    path = _spec_file(reading, folder)
    if path is None:
        return None
    problem = name_problem(folder.name)
    if problem:
        reading.wrong(Place(reading.sources.relative(path)), (), problem)
    written = reading.tree(path)
    if written is None:
        return None
    before = len(reading.mistakes)
    tree = _prepared(reading, written, folder, defaults)
    tree, borrowed = _with_borrowed(reading, tree)
    image = image_of(reading, tree, borrowed)
    draft: Draft | None = None
    if image is not None:
        image = _with_tags(reading, replace(image, name=folder.name, file=path, folder=folder), tree)
        draft = _with_dockerfile(reading, Draft(image, tree, built=borrowed.built if borrowed else frozenset()))
    if borrowed:
        file = borrowed.source.place.file
        told = [as_written(mistake, file, borrowed.keys) for mistake in reading.mistakes[before:]]
        reading.mistakes[before:] = told
    return draft if len(reading.mistakes) == before else None


def _spec_file(reading: Reading, folder: Path) -> Path | None:
    there = [name for name in SPEC_NAMES if reading.sources.exists(folder / name)]
    if len(there) == 1:
        return folder / there[0]
    place = Place(reading.sources.relative(folder / SPEC_NAMES[0]))
    if there:
        reading.wrong(place, (), f"found {' beside '.join(there)}; allowed: one of them")
    else:
        near = next((name for name in ("image.yml", "image.json", "slim.yaml") if (folder / name).exists()), "")
        what = f"found {near}" if near else "found neither"
        reading.wrong(place, (), f"{what}; every folder below images/ needs {' or '.join(SPEC_NAMES)}")
    return None


def _prepared(reading: Reading, written: Mapping, folder: Path, defaults: Defaults) -> Mapping:
    """The whole spec in its long form: defaults and variables filled in, and without what is refused."""
    tree = reading.filled(written)
    tree = defaults.under(tree, kind_of(tree))
    tree = without_unfit(tree, reading.mistakes)
    tree = _with_callers_args(reading, tree)
    tree = Longhand(tree, reading.mistakes).expand()
    check_together(tree, reading.mistakes)
    tree = with_source(tree)
    return Disk(reading.sources, reading.mistakes).resolve(tree, folder)


_READERS: tuple[tuple[str, str, Reader], ...] = (
    ("compose", "service", read_compose),
    ("kubernetes", "container", read_kubernetes),
)
"""Of files of other tools: the keys of `from` for the file and for what is meant in it, and what reads it."""


def _with_borrowed(reading: Reading, tree: Mapping) -> tuple[Mapping, Borrowed | None]:
    """The spec with what the file says that `from` names, if it names one."""
    source = tree.items["from"]
    reader = next((one for one in _READERS if isinstance(source, Mapping) and one[0] in source.items), None)
    if reader is None or not isinstance(source, Mapping):
        return tree, None
    if len(source.items.keys() & set(SOURCES)) > 1:
        return _without_borrowed(tree), None
    key, part, read = reader
    file, wanted = source.items[key], source.items.get(part)
    path = Disk(reading.sources, reading.mistakes).file(file, ("from", key))
    name = _name(reading, wanted, ("from", part))
    borrowed = read(reading, path, name, find(tree, ("run",))) if path and name else None
    if borrowed is None or not isinstance(file, Scalar):
        return _without_borrowed(tree), None
    here = {**source.items, key: replace(file, value=str(path))}
    whole = replace(borrowed.source, items={**here, **borrowed.source.items})
    built = frozenset(one for one in borrowed.built if not find(tree, ("services", one, "image")))
    borrowed = replace(borrowed, source=whole, built=built)
    return laid_under(tree, borrowed), borrowed


def _name(reading: Reading, node: Node | None, loc: Loc) -> Scalar | None:
    """What is meant in the file; None after adding the mistake that it is no name. `rules` tells that it is missing."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node
    if node is not None:
        reading.wrong(node.place, loc, f"found {found(node)}; allowed: a name")
    return None


def _without_borrowed(tree: Mapping) -> Mapping:
    """The spec less what cannot be checked where nothing could be borrowed."""
    for loc in (("from",), ("services",), *((*way, "run", "depends_on") for way in ways(tree))):
        if find(tree, loc) is not None:
            tree = changed_map(tree, loc, None)
    return with_source(tree)


def _with_callers_args(reading: Reading, tree: Mapping) -> Mapping:
    args = find(tree, ("from", "args"))
    return changed_map(tree, ("from", "args"), with_callers_values(reading.caller, args)) if args else tree


def _with_tags(reading: Reading, image: Image, tree: Mapping) -> Image:
    """The image with its tags as the engine lists them; its name is the tag where it has none."""
    tags: list[str] = []
    for index, tag in enumerate(image.tags):
        place = place_of(tree, ("tags", index))
        if not is_tag(tag):
            reading.wrong(place, ("tags", index), f"found '{tag}'; allowed: a tag as in 'our/nginx:1.25'")
        elif tagged(tag) in map(tagged, tags):
            reading.wrong(place, ("tags", index), f"found '{tag}' a second time; allowed: once")
        tags.append(tag if ":" in tag.rpartition("/")[2] else f"{tag}:latest")
    return replace(image, tags=tuple(tags) or (f"{image.name}:latest",))


def _with_dockerfile(reading: Reading, draft: Draft) -> Draft:
    """The draft with the images that its Dockerfile names."""
    source = draft.image.source
    if source.dockerfile is None or not source.dockerfile.is_file() or not os.access(source.dockerfile, os.R_OK):
        return draft
    try:
        text = reading.sources.read(source.dockerfile).decode()
    except (OSError, UnicodeDecodeError) as error:
        name = reading.sources.relative(source.dockerfile)
        reading.wrong(draft.place(("from", "dockerfile")), ("from", "dockerfile"), f"{name} cannot be read: {error}")
        return draft
    stages = stage_names(text)
    if source.target and source.target.lower() not in stages and not source.target.isdecimal():
        allowed = ", ".join(name for name in stages if name) or "no target, since no stage has a name"
        place = draft.place(("from", "target"))
        reading.wrong(place, ("from", "target"), f"found '{source.target}', not a stage; allowed: {allowed}")
    return replace(draft, dockerfile_images=image_names(text, source.args, source.target))
