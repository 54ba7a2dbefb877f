"""select: which files stay, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from slimtasks import fatfiles
from slimtasks.additions import additions
from slimtasks.assembly.base_image import base_captured, base_entries
from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.oci.config import with_healthcheck
from slimtasks.records import Access, Selected, read_header, write_lines
from slimtasks.selection import Inputs, Selection, select
from slimtasks.selection.health import for_steps_alone, lacking_for
from slimtasks.selection.presets import not_kept_note
from slimtasks.sizes import for_health, whole_packages
from slimtasks.trace.file import Trace, health_steps, idle, is_server, read_trace
from slimtasks.workload.container_config import environment
from slimtasks.workload.health import tried_config
from slimtasks.workload.readiness import health_command

_OTHER_CHECK = "`run: {healthcheck: {test: [another command]}}`"


def run(job: Job) -> str:
    """Writes selection.jsonl."""
    inputs = inputs_of(job)
    chosen = select(inputs)
    header: dict[str, Any] = {"paths": len(chosen.selected)}
    if not job.image.variant:  # of which all this is told already
        header |= _noted(job, inputs, chosen)
    write_lines(job.files.selection, header, chosen.selected)
    for note in () if job.image.variant else (*chosen.notes, *not_kept_note(chosen.not_kept)):
        job.note(note)
    told = f"{len(chosen.selected)} paths stay: {_by_reason(chosen.selected)}"
    return "; ".join((told, *whole_packages(header), *for_health(header)))


def _noted(job: Job, inputs: Inputs, chosen: Selection) -> dict[str, Any]:
    """What the header says for other stages and for the user."""
    unseen = inputs.unseen if inputs.granularity == "auto" else ""
    whole = {"whole": chosen.whole, "beyond": chosen.beyond, "unseen": unseen, **_health(job, inputs, chosen)}
    whole |= {"depended_on": True} if unseen and inputs.idle == "command" else {}
    return {"notes": list(chosen.notes), **whole, "not_kept": [asdict(one) for one in chosen.not_kept]}


def inputs_of(job: Job) -> Inputs:
    """What the selection is made from."""
    image, fat = job.image, fatfiles.fat(job.files)
    accesses, unseen, kind = ((), "", "") if fat.whole else _traced(job, read_trace(job.files.trace))
    return Inputs(
        entries=fatfiles.inventory(job.files),
        accesses=accesses,
        packages=fatfiles.installed(job.files),
        config=fat.config,
        layers=fat.layers,
        captured=fatfiles.captured(job.files),
        keep=image.keep,
        keep_packages=image.keep_packages,
        keep_presets=image.keep_presets,
        variant=(image.variant,) if image.variant else (),
        drop=image.drop,
        own=image.own,
        unowned=image.unowned,
        granularity=image.granularity,
        unseen=unseen,
        idle=kind,
        metadata=image.metadata,
        base=base_entries(job),
        base_captured=base_captured(job),
        added=tuple(addition.entry.path for addition in additions(image)),
        environments=tuple(environment(one.run, one.file, job.environ) for one in image.by_scenario),
        users=(*(one.run.user for one in image.by_scenario), image.final.user or ""),
        whole=fat.whole,
    )


def _health(job: Job, inputs: Inputs, chosen: Selection) -> dict[str, int]:
    """The bytes that stay for HEALTHCHECKs alone; SlimError where the program of one does not stay."""
    config = inputs.config.get("config") or {}
    own = health_command(with_healthcheck(config, job.image.final.healthcheck))
    commands = dict.fromkeys((own, *(health_command(tried_config(one, config)) for one in job.image.by_scenario)))
    for command in filter(None, commands):
        lost = lacking_for(command, inputs, chosen, toml=job.image.file.suffix == ".toml")
        if lost:
            listed = "\n".join(f"  {one.path}: {one.advice}" for one in lost)
            what = f"the HEALTHCHECK runs {' '.join(command)}, which needs what does not stay:\n{listed}"
            others = "`final: {healthcheck: drop}`, or `[another command]`" if command == own else _OTHER_CHECK
            raise SlimError(what, f"change the spec as told above; or {others}")
    if inputs.whole or not any(commands):
        return {}
    return {"healthcheck": for_steps_alone(health_steps(read_header(job.files.trace)), inputs, chosen)}


def _traced(job: Job, trace: Trace) -> tuple[tuple[Access, ...], str, str]:
    """What was used, why that does not tell all that the image has to do ('' where it does), and Inputs.idle."""
    accesses = tuple(trace.accesses)
    if not accesses:
        return accesses, "THE TRACED RUN USED NO FILE", ""
    if names := idle(trace.header):
        called = ", ".join(filter(None, names))
        return accesses, f"NO WORKLOAD{' OF ' * bool(called)}{called}", "server" if is_server(trace) else "command"
    return accesses, "LOOKUPS AFTER STEP 0 NOT SEEN" if job.image.trace.lookups == "startup" else "", ""


def _by_reason(selected: tuple[Selected, ...]) -> str:
    counts = Counter(path.reasons[0].kind for path in selected if path.reasons)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
