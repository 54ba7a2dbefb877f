"""Reads images/ and pyproject.toml into a Repo, or says all that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping as Variables
from collections.abc import Sequence as Several
from dataclasses import dataclass, replace
from pathlib import Path

from slimtasks.errors import SpecError
from slimtasks.spec.defaults import Defaults, read_defaults
from slimtasks.spec.depends import Declared, cycle, written_references
from slimtasks.spec.image_file import Draft, read_image
from slimtasks.spec.interpolate import Caller
from slimtasks.spec.model import Image, Repo
from slimtasks.spec.names import tagged
from slimtasks.spec.reading import Reading
from slimtasks.spec.sources import Sources, folders
from slimtasks.spec.suggest import meant
from slimtasks.spec.tree import Loc, Mistake, Scalar, Sequence, find, found


@dataclass(frozen=True)
class Loaded:
    """A repo, and all that it was made from."""

    repo: Repo
    sources: Sources
    variables: frozenset[str]


_NO_IMAGES = "images/: no image is declared here yet; `doit init IMAGE` declares one"


def load(root: Path, environ: Variables[str, str], unwritten: Variables[Path, bytes] | None = None) -> Repo:
    """The repo's images; raises SpecError with all mistakes of all files.

    `unwritten`: specs that are not written yet, by absolute path, which count as if they were there.
    """
    return load_traced(root, environ, unwritten).repo


def load_traced(root: Path, environ: Variables[str, str], unwritten: Variables[Path, bytes] | None = None) -> Loaded:
    """The same, with the files and variables that it depends on."""
    root = root.absolute()
    reading = Reading(Sources(root, unwritten or {}), Caller(environ))
    defaults = read_defaults(reading)
    names = tuple(sorted({*folders(root / "images"), *(path.parent.name for path in unwritten or ())}))
    drafts = [draft for name in names if (draft := read_image(reading, root / "images" / name, defaults))]
    images = _connected(reading, drafts)
    default = _default(reading, defaults, names)
    if reading.mistakes:
        raise _spec_error(reading)
    notes = tuple(reading.notes) if names else (*reading.notes, _NO_IMAGES)
    repo = Repo(root, images, default, notes, defaults.shared_layers)
    return Loaded(repo, reading.sources, frozenset(reading.caller.asked))


def _spec_error(reading: Reading) -> SpecError:
    lines: dict[str, Mistake] = {}
    for mistake in reading.mistakes:  # of a string whose variable is missing, the first one says so
        if mistake.place not in reading.unfilled or mistake.place not in {other.place for other in lines.values()}:
            lines[str(mistake)] = mistake
    ordered = sorted(lines, key=lambda line: (lines[line].place.file, lines[line].place.line, lines[line].place.column))
    number = f"{len(ordered)} mistakes" if len(ordered) > 1 else "this mistake"
    return SpecError("\n".join(ordered), f"correct {number}; nothing has been run")


def _connected(reading: Reading, drafts: Several[Draft]) -> tuple[Image, ...]:
    """The images with their references to each other, after the checks that need all of them."""
    _check_tags(reading, drafts)
    drafts = [_with_built(reading, draft, drafts) for draft in drafts]
    declared = Declared(draft.image for draft in drafts)
    images = tuple(_with_references(reading, draft, declared) for draft in drafts)
    circle = cycle({image.name: image.depends for image in images})
    if circle:
        first = next(draft for draft in drafts if draft.image.name == circle[0])
        problem = f"found the circle {' -> '.join(circle)}; allowed: no image that needs itself"
        reading.wrong(first.place(("from",)), ("from",), problem)
    return images


def _check_tags(reading: Reading, drafts: Several[Draft]) -> None:
    names = {draft.image.name for draft in drafts}
    owners = {tagged(tag): draft.image.name for draft in reversed(drafts) for tag in draft.image.tags}
    for draft in drafts:
        image = draft.image
        _check_variants(reading, draft, names, owners)
        for index, tag in enumerate(image.tags):
            loc = ("tags", index)
            other = owners[tagged(tag)]
            if other != image.name:
                reading.wrong(draft.place(loc), loc, f"found '{tag}', also a tag of {other}; allowed: a tag of its own")
            name = tagged(tag).removesuffix(":latest")
            if name in names and name != image.name:
                problem = f"found '{tag}', which is also the name of another image; allowed: a tag of its own"
                reading.wrong(draft.place(loc), loc, problem)


def _with_built(reading: Reading, draft: Draft, drafts: Several[Draft]) -> Draft:
    """The draft with the images of its services that its Compose file builds, which other images are made of."""
    image = draft.image
    made = {(other.image.source.compose, other.image.source.service): other.image.name for other in drafts}
    services = []
    for service in image.services:
        name = made.get((image.source.compose, service.name)) if service.name in draft.built else service.image
        if not name:
            loc = ("services", service.name, "image")
            file = reading.sources.relative(image.source.compose or image.folder)
            problem = (
                f"found a service that is built; allowed: one that an image of this repo is made of "
                f"(`from: {{compose: {file}, service: {service.name}}}`), or its `image` in the `services` of the spec"
            )
            reading.wrong(draft.place(loc), ("services", service.name, "build"), problem)
        services.append(replace(service, image=name or service.image))
    return replace(draft, image=replace(image, services=tuple(services)))


def _check_variants(reading: Reading, draft: Draft, names: set[str], owners: Variables[str, str]) -> None:
    """Those of the image need a name and tags that nobody has."""
    seen: set[str] = set()
    for index, one in enumerate(draft.image.variants):
        loc, found = ("final", "variants", index), f"found '{draft.image.final.variants[index].text}'"
        taken = next((tag for tag in one.tags if tagged(tag) in owners), "")
        if one.name in seen:
            reading.wrong(draft.place(loc), loc, f"{found} a second time; allowed: once")
        elif one.name in names:
            reading.wrong(draft.place(loc), loc, f"{found}, but {one.name} is another image; rename that")
        elif taken:
            problem = f"{found}, but {taken} is a tag of {owners[tagged(taken)]}; allowed: a tag of its own"
            reading.wrong(draft.place(loc), loc, problem)
        seen.add(one.name)


def _with_references(reading: Reading, draft: Draft, declared: Declared) -> Image:
    image = draft.image
    own = set(map(tagged, image.tags))
    references: set[tuple[str, str]] = set()
    for loc, written in written_references(image, draft.dockerfile_images):
        name = declared.name_of(written, image)
        if name == image.name or tagged(written) in own:
            if "client" not in loc:  # a client may run the image itself
                problem = f"found '{written}', a tag of this image itself; allowed: another image, or other tags"
                reading.wrong(draft.place(loc), loc, problem)
        elif name:
            references.add((written, name))
            policy: Loc = (*loc[:-1], "pull_policy")
            node = find(draft.tree, policy)
            if node and node.place.file == draft.tree.place.file:  # another tool's file need not know of this repo
                problem = f"only beside an image of a registry; {written} is one of this repo"
                reading.wrong(draft.place(policy), policy, problem)
    return replace(image, references=tuple(sorted(references)), dockerfile_images=draft.dockerfile_images)


def _default(reading: Reading, defaults: Defaults, names: Several[str]) -> tuple[str, ...]:
    """The images of a plain `doit`: those that the repo names, else all."""
    node = defaults.default
    if node is None:
        return tuple(names)
    items = node.items if isinstance(node, Sequence) else ()
    if not isinstance(node, Sequence):
        reading.wrong(node.place, ("default",), f"found {found(node)}; allowed: a list of image names")
    for index, item in enumerate(items):
        name = item.value if isinstance(item, Scalar) else None
        if name not in names:
            near = meant(name, names) if isinstance(name, str) else ""
            hint = f"did you mean {near}? " if near else ""
            reading.wrong(item.place, ("default", index), f"found {found(item)}; {hint}allowed: {', '.join(names)}")
    return tuple(sorted({str(item.value) for item in items if isinstance(item, Scalar)}))
