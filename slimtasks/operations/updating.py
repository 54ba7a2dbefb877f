"""`doit update`: fetches what an image is made of, before anything of the image is touched.

So a mirror or registry that cannot be reached leaves all as it was, and up to date.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from slimtasks import fatfiles
from slimtasks.ages import note_fetched, read_fetched
from slimtasks.errors import Damaged, SlimError
from slimtasks.inputs import is_fetched
from slimtasks.inventories import inventory_of
from slimtasks.job import Fetched, Job, Source
from slimtasks.packages import installed
from slimtasks.records import ImagePath, SlimImage, intact, read_json, read_record, whole_file
from slimtasks.rootfs import normalise
from slimtasks.sbom.cyclonedx import packages_of
from slimtasks.sizes import count
from slimtasks.sources.foreign import Renewed, renew
from slimtasks.sources.held import making_tag
from slimtasks.sources.obtain import fetch
from slimtasks.sources.package_lock import Installed, parse_packages_lock
from slimtasks.spec import Image
from slimtasks.spec.host_files import other_foreign, packages_lock
from slimtasks.workspace import ImageFiles, Workspace

Versions = Mapping[str, str]
"""Of packages, by name."""


def update(job: Job) -> tuple[Source | None, str]:
    """What was fetched, None where the image is made of just that; and what was done, in words.

    An images/<n>/packages.lock is written anew where it names others.
    """
    renewed = _renewed(job)
    done = ", ".join((*_made(job.image), *(one.told for one in renewed)))
    if not is_fetched(job.image):
        return None, done if any(one.newer for one in renewed) else f"{done}: nothing newer"
    source = fetch(job, fresh=True)
    locked = f"; {packages_lock(job.image).name} is written anew" if _renew_lock(job, source) else ""
    if _is_news(job, source):
        return source, done + locked + _changed(job, source)
    same = f"{done}: nothing {'else is ' if any(one.newer for one in renewed) else ''}newer{locked}"
    if locked:  # which is an input
        return source, same
    job.engine.untag(making_tag(job))
    note_fetched(job.files, source.fetched)
    return None, same


def _renewed(job: Job) -> list[Renewed]:
    """What came of asking for newer images: of those that it is made of, and of those that it is tried with."""
    image = job.image
    wanted = dict.fromkeys(image.foreign, image.run.platform)
    beside = other_foreign(image, image.all_steps(checks=True))
    known = {**_tried_with(job.files), **{one.name: one.digest for one in read_fetched(job.files) or ()}}
    return [renew(job, name, platform, known) for name, platform in {**beside, **wanted}.items()]


def _tried_with(files: ImageFiles) -> dict[str, str]:
    """The digests of the images that services and `client` steps ran when it was verified, by name."""
    try:
        with intact(files.verify):
            return dict(read_json(files.verify)["beside"]) if files.verify.exists() else {}
    except Damaged:
        return {}


def _made(image: Image) -> Iterator[str]:
    if image.source.bootstrap:
        yield f"bootstrapped {image.source.bootstrap.suite}"
    if image.source.dockerfile:
        yield "built without cache"


def _changed(job: Job, source: Source) -> str:
    """Which packages of the fat image are others in one that came from a registry."""
    if job.image.kind != "slim" or not job.image.source.image:
        return ""
    try:
        before = _of_build(job.workspace, job.files)
    except (FileNotFoundError, Damaged):
        return ""
    now = inventory_of(job.workspace, job.engine, source.id, job.say)
    return f"; {changes(before, _of_build(job.workspace, now))}"


def _renew_lock(job: Job, source: Source) -> bool:
    """Whether the lock was there, and names other packages than are installed now.

    Where an image has limits.age, its date counts as well: that is how old a locked bootstrap is in any checkout.
    """
    path = packages_lock(job.image)
    if not path.exists():
        return False
    if not source.packages_lock:
        raise SlimError(
            f"{job.image.name}: nothing to write into {path}: no package database tells what is installed",
            "remove it, or choose another `variant:` than extract or custom",
        )
    dated = any(image.limits.age is not None for image in job.images.values())
    if not dated and _packages(source.packages_lock) == _packages(path.read_text(encoding="utf-8", errors="replace")):
        return False
    with whole_file(path) as file:
        file.write(source.packages_lock.encode())
    return True


def _is_news(job: Job, source: Source) -> bool:
    """Whether other packages are installed, or else other files are there, than in what the image is made of.

    Of a base that is built nothing tells that; an image of the engine is another one by its id.
    """
    if source.packages_lock and job.files.packages_lock.exists():
        return _packages(job.files.packages_lock.read_text(errors="replace")) != _packages(source.packages_lock)
    wanted = job.image.source.image
    if wanted and _taken(read_fetched(job.files), wanted) != _taken(source.fetched, wanted):
        return True
    if wanted and not job.image.source.stdout:
        return False
    if not job.files.fat.exists():
        return True
    known = inventory_of(job.workspace, job.engine, source.id, job.say)
    try:
        before, now = fatfiles.fat(job.files), fatfiles.fat(known)
    except Damaged:
        return True
    same = (before.tree_digest, before.config.get("config")) == (now.tree_digest, now.config.get("config"))
    if same and before.id != now.id:
        shutil.rmtree(known.folder)
    return not same


def _taken(fetched: Iterable[Fetched] | None, name: str) -> list[str]:
    """The id of the image of that name; none of one that is declared in this repo."""
    return [one.id for one in fetched or () if one.name == name]


def _packages(text: str) -> tuple[Installed, ...]:
    """Of a lock; none where it is broken, so that it is written anew."""
    try:
        return parse_packages_lock(text, "").packages
    except SlimError:
        return ()


def versions(workspace: Workspace, image: Image) -> Versions | None:
    """The packages of an image in build/, of a slim one those of which files stay; None where it is not built."""
    files = workspace.image(image.name)
    try:
        return {"slim": _of_slim, "build": _of_build, "base": _of_base}[image.kind](workspace, files)
    except (FileNotFoundError, Damaged, tarfile.TarError):
        return None


def _of_slim(workspace: Workspace, files: ImageFiles) -> Versions:
    with intact(files.bill):
        found: dict[str, list[str]] = {}
        for one in packages_of(read_json(files.bill)):
            found.setdefault(_name(one), []).append(str(one.get("version", "")))
    return {name: ", ".join(sorted(several)) for name, several in found.items()}


def _name(component: Mapping[str, Any]) -> str:
    """As the distribution calls it; of a language's, with the type of its package URL before it."""
    kind = str(component.get("purl", "")).removeprefix("pkg:").partition("/")[0]
    language = "" if kind in ("deb", "apk", "rpm") else kind
    return "/".join(filter(None, (language, component.get("group"), component["name"])))


def _of_build(workspace: Workspace, files: ImageFiles) -> Versions:
    return {package.name.partition("/")[2]: package.version for package in fatfiles.installed(files)}


def _of_base(workspace: Workspace, files: ImageFiles) -> Versions:
    captured: dict[ImagePath, bytes] = {}
    for layer in read_record(files.base, SlimImage).layers:
        with tarfile.open(workspace.layer(layer.diff_id)) as tar:
            for member in tar:
                path = ImagePath(normalise("/" + member.name))
                if member.isreg() and installed.captured(path) and (content := tar.extractfile(member)):
                    captured[path] = content.read()
    return {package.name.partition("/")[2]: package.version for package in installed.packages(captured)}


def changes(before: Versions | None, after: Versions | None) -> str:
    """What became of the packages: a line for each that is another one."""
    if after is None:
        return "not built"
    if before is None:
        return f"new: {count(len(after), 'package')}"
    lines = list(_changes(before, after))
    if not lines:
        return "no package changed"
    return "".join([f"{count(len(lines), 'package')} changed", *(f"\n    {line}" for line in lines)])


def _changes(before: Versions, after: Versions) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old and new and old != new:
            yield f"{name} {old} -> {new}"
        elif old and not new:
            yield f"{name} {old} removed"
        elif new and not old:
            yield f"{name} {new} added"
