"""sbom: the packages of the slim image, whole or in part, for scanners and lawyers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from slimtasks import fatfiles
from slimtasks.assembly.base_image import base_entries
from slimtasks.assembly.packed import read_packed
from slimtasks.job import Job
from slimtasks.records import Selected, read_json, read_lines, write_json
from slimtasks.rootfs import Tree
from slimtasks.sbom import cyclonedx, spdx
from slimtasks.sbom.component import Component
from slimtasks.sbom.components import Slimmed, components
from slimtasks.sbom.contents import read_contents
from slimtasks.sbom.document import Subject
from slimtasks.sizes import count


def run(job: Job) -> str:
    """Writes sbom.cdx.json, sbom.spdx.json and vex.cdx.json."""
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
    found = components(slimmed)
    subject = Subject(
        name=next(iter(job.image.tags), job.image.name),
        config_digest=f"sha256:{hashlib.sha256(packed.config).hexdigest()}",
        created=read_json(job.files.layers)["created"],
        components=found,
        os_release=slimmed.os_release,
        unread=slimmed.unread,
    )
    write_json(job.files.bill, cyclonedx.bill(subject))
    write_json(job.files.spdx, spdx.bill(subject))
    write_json(job.files.vex, cyclonedx.exploitability(subject))
    return "; ".join(filter(None, (_told(found), subject.lack.replace("not told", "NOT TOLD"))))


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
