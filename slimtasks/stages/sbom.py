"""sbom: the packages of a slim image or a base, whole or in part, for scanners and lawyers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from slimtasks import fatfiles
from slimtasks.assembly.base_image import base_entries
from slimtasks.assembly.limited import check_all
from slimtasks.assembly.packed import read_packed
from slimtasks.elf import read_elf
from slimtasks.inventories import captured, owned
from slimtasks.job import Job
from slimtasks.limits import Measured
from slimtasks.oci.config import seconds
from slimtasks.oci.saved import scan
from slimtasks.records import Selected, read_json, read_lines, write_json
from slimtasks.rootfs import Tree
from slimtasks.sbom import cyclonedx, spdx
from slimtasks.sbom.component import Component
from slimtasks.sbom.components import Slimmed, components, whole
from slimtasks.sbom.contents import read_contents
from slimtasks.sbom.document import Subject
from slimtasks.sizes import count


def run(job: Job) -> str:
    """Writes sbom.cdx.json and sbom.spdx.json, of a slim image vex.cdx.json as well."""
    of_base = job.image.kind == "base"
    subject = _base(job) if of_base else _slim(job)
    write_json(job.files.bill, cyclonedx.bill(subject))
    write_json(job.files.spdx, spdx.bill(subject))
    if not of_base:
        write_json(job.files.vex, cyclonedx.exploitability(subject))
    return "; ".join(filter(None, (_told(subject.components), subject.lack.replace("not told", "NOT TOLD"))))


def _slim(job: Job) -> Subject:
    packed = read_packed(job)
    below = [job.workspace.layer(diff_id) for diff_id in packed.below.diff_ids]
    own = [job.workspace.layer(layer.diff_id) for layer in packed.layers]
    slimmed = Slimmed(
        tree=Tree(fatfiles.inventory(job.files)),
        packages=fatfiles.installed(job.files),
        captured=fatfiles.captured(job.files),
        selected=tuple(read_lines(job.files.selection, Selected)[1]),
        contents=read_contents([*below, *own]),
        base=read_contents(below),
        base_tree=Tree(base_entries(job)),
    )
    digest = f"sha256:{hashlib.sha256(packed.config).hexdigest()}"
    return _subject(job, slimmed, digest, read_json(job.files.layers)["created"])


def _base(job: Job) -> Subject:
    """By its own package database: no list of the files that it was made of is kept.

    SlimError where it does not keep its limits: here all is known that they are of.
    """
    store, scratch = job.workspace.layer_store, job.workspace.scratch_folder()
    with job.files.archive.open("rb") as stream:
        found = scan(stream, wanted=captured, read_elf=read_elf, scratch=scratch, store=store)
    contents = read_contents(job.workspace.layer(layer.diff_id) for layer in found.layers)
    packages, entries = owned(found)
    slimmed = whole(packages, entries, found.files, contents)
    subject = _subject(job, slimmed, found.config_digest, seconds(found.config["created"]))
    measured = Measured(
        entries,
        size=found.size,
        files=sum(entry.type != "dir" for entry in entries),
        packages=len(subject.components),
    )
    check_all(job, measured, found.raw_config)
    return subject


def _subject(job: Job, slimmed: Slimmed, config_digest: str, created: int) -> Subject:
    return Subject(
        name=next(iter(job.image.tags), job.image.name),
        config_digest=config_digest,
        created=created,
        components=components(slimmed),
        os_release=slimmed.os_release,
        unread=slimmed.unread,
    )


def _told(found: Iterable[Component]) -> str:
    """'40 packages: 32 deb, 8 pypi; 35 in part'."""
    types: dict[str, int] = {}
    parts = total = 0
    for one in found:
        types[one.type] = types.get(one.type, 0) + 1
        parts += one.stays == "part"
        total += 1
    kinds = ", ".join(f"{number} {kind}" for kind, number in types.items())
    return f"{count(total, 'package')}{': ' * bool(kinds)}{kinds}{f'; {parts} in part' * bool(parts)}"
