"""select: which files stay, and why."""

from __future__ import annotations

from collections import Counter

from slimtasks import fatfiles
from slimtasks.additions import additions
from slimtasks.assembly.base_image import base_entries
from slimtasks.job import Job
from slimtasks.records import Selected, write_lines
from slimtasks.selection import Inputs, select
from slimtasks.trace.file import read_trace
from slimtasks.workload.container_config import environment


def run(job: Job) -> str:
    """Writes selection.jsonl."""
    chosen = select(_inputs(job))
    header = {"paths": len(chosen.selected), "notes": list(chosen.notes)}
    write_lines(job.files.selection, header, chosen.selected)
    for note in chosen.notes:
        job.say(note)
    return f"{len(chosen.selected)} paths stay: {_by_reason(chosen.selected)}"


def _inputs(job: Job) -> Inputs:
    image, fat = job.image, fatfiles.fat(job.files)
    accesses = () if fat.whole else read_trace(job.files.trace).accesses
    return Inputs(
        entries=fatfiles.inventory(job.files),
        accesses=accesses,
        packages=fatfiles.installed(job.files),
        config=fat.config,
        layers=fat.layers,
        captured=fatfiles.captured(job.files),
        keep=image.keep,
        keep_packages=image.keep_packages,
        drop=image.drop,
        own=image.own,
        unowned=image.unowned,
        granularity=image.granularity,
        granularity_at=image.granularity_at,
        metadata=image.metadata,
        base=base_entries(job),
        added=tuple(addition.entry.path for addition in additions(image)),
        environments=tuple(environment(one, job.environ) for one in image.by_scenario),
        users=(*(one.run.user for one in image.by_scenario), image.final.user or ""),
        whole=fat.whole,
    )


def _by_reason(selected: tuple[Selected, ...]) -> str:
    counts = Counter(path.reasons[0].kind for path in selected if path.reasons)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
