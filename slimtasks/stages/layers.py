"""layers: the files that stay, packed by how often they change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from typing import Any

from slimtasks import fatfiles
from slimtasks.additions import additions
from slimtasks.assembly.base_image import base_entries, base_layers
from slimtasks.assembly.by_builder import beyond_add
from slimtasks.assembly.compiled import redated
from slimtasks.assembly.dates import Clock
from slimtasks.assembly.layering import Item, Plan, plan_layers, plan_on_top
from slimtasks.errors import Damaged, SlimError
from slimtasks.job import Job
from slimtasks.layers.lock import LOCK, Lock, read_lock
from slimtasks.layers.members import bundles
from slimtasks.layers.sharing import Sharing, Shipped, share
from slimtasks.oci.layer import LayerWriter
from slimtasks.oci.stream import Forward
from slimtasks.packages.python import compiled_from
from slimtasks.records import (
    Entry,
    ImagePath,
    Selected,
    SlimLayer,
    from_json,
    intact,
    read_json,
    read_lines,
    to_json,
    write_json,
)
from slimtasks.sizes import size_text
from slimtasks.sources.tracer import tracer_id
from slimtasks.spec.model import KeepPreset
from slimtasks.trace.extract import Extracted, extract

_NAMED = 5  # members that the task's line names


def run(job: Job) -> str:
    """Writes layers.json, and into the store each layer that it names."""
    lock = read_lock(job.workspace.layers_lock)
    selected = tuple(read_lines(job.files.selection, Selected)[1])
    entries = fatfiles.entries_of(job.files, _asked(selected))
    clock = Clock.of(entries, job.environ, lock.date if lock else fatfiles.newest(job.files))
    if job.image.variant:
        return _on_top(job, job.image.variant, entries, selected, clock)
    sharing = _sharing(job, lock, entries, selected, clock) if lock else None
    plans = plan_layers(entries, selected, additions(job.image), clock, sharing)
    if not plans:
        raise SlimError(
            f"{job.image.name}: nothing is selected, so there is nothing to pack", "add a workload or keep rules"
        )
    layers = _pack(job, plans)
    below = [entry for entry in base_entries(job) if entry.type != "dir"]
    write_json(
        job.files.layers,
        {
            "beyond_add": beyond_add([item.entry for plan in plans for item in plan.items]),
            "below": list(base_layers(job)),
            "below_files": len(below),
            "below_size": sum(entry.size for entry in below if not entry.hardlink),
            "created": clock.epoch,
            "keys": [plan.key for plan in plans],
            "layers": [to_json(layer) for layer in layers],
        },
    )
    return ", ".join([*_told(layers), *_passed(sharing)])


def _on_top(job: Job, preset: KeepPreset, entries: Sequence[Entry], selected: Sequence[Selected], clock: Clock) -> str:
    """The layers of the image that it is a variant of, and one with all that it has besides."""
    below = job.workspace.image(job.image.variant_of)
    there = tuple(read_lines(below.selection, Selected)[1])
    plan = plan_on_top(preset.text, entries, selected, there, additions(job.image), clock)
    if not plan.items:
        raise SlimError(
            f"{preset.where}: final.variants: {preset.text}: {job.image.variant_of} has all of it already, or drops it",
            "take it out of `final.variants`",
        )
    layers = _pack(job, (plan,))
    with intact(below.layers):
        data = read_json(below.layers)
        beyond = {**data["beyond_add"], **beyond_add([item.entry for item in plan.items])}
        keys, all_layers = [*data["keys"], plan.key], [*data["layers"], *map(to_json, layers)]
    write_json(job.files.layers, {**data, "beyond_add": beyond, "keys": keys, "layers": all_layers})
    return f"on top of {job.image.variant_of}: {', '.join(_told(layers))}"


def _asked(selected: Iterable[Selected]) -> Iterator[ImagePath]:
    """Of which paths of the fat image packing takes the entry: a compiled file goes by its source's date."""
    for choice in selected:
        path = choice.source or choice.path
        yield path
        source = compiled_from(path)
        if source:
            yield source


def _sharing(job: Job, lock: Lock, entries: Sequence[Entry], selected: Sequence[Selected], clock: Clock) -> Sharing:
    """What it uses of the lock."""
    brought = {addition.entry.path for addition in additions(job.image)}
    mine = (choice for choice in selected if choice.path not in brought)
    found = bundles({entry.path: entry for entry in entries}, mine, clock.brought)
    ships = Shipped(partial(fatfiles.installed, job.files), partial(fatfiles.inventory, job.files))
    return share(lock, found, ships)


def _told(layers: Iterable[SlimLayer]) -> Iterator[str]:
    """'root 4.10 MB', 'infrastructure 1.2 MB + 0.3 MB'."""
    for name, several in groupby(layers, lambda layer: layer.name):
        yield f"{name} {' + '.join(size_text(layer.content_size) for layer in several)}"


def _passed(sharing: Sharing | None) -> Iterator[str]:
    """What the lock names, and packages ship no longer."""
    names = [name for use in sharing.uses for name in use.passed] if sharing else []
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"passed over of {LOCK}, since no longer shipped: {', '.join(names[:_NAMED])}{more}"


def _pack(job: Job, plans: tuple[Plan, ...]) -> list[SlimLayer]:
    """Packs the plans whose layer is not in the store yet; one container gives the content of them all."""
    known = _known(job)
    missing = [plan for plan in plans if plan.key not in known]
    paths = [item.source for plan in missing for item in plan.items if item.extracted]
    with ExitStack() as stack:
        content: Extracted = iter(())
        if paths:
            identity = fatfiles.fat(job.files).id
            content = stack.enter_context(extract(job.engine, tracer_id(job), identity, paths))
        packed = {plan.key: _write(job, plan, content) for plan in missing}
    return [known.get(plan.key) or packed[plan.key] for plan in plans]


def _known(job: Job) -> dict[str, SlimLayer]:
    """The layers of the last run that are still in the store, by their plan's key."""
    if not job.files.layers.exists():
        return {}
    try:
        with intact(job.files.layers):
            data: dict[str, Any] = read_json(job.files.layers)
            layers = [from_json(SlimLayer, layer) for layer in data["layers"]]
            pairs = list(zip(data["keys"], layers, strict=True))
    except Damaged:
        return {}  # it is written anew
    return {key: layer for key, layer in pairs if job.workspace.layer(layer.diff_id).exists()}


def _write(job: Job, plan: Plan, content: Extracted) -> SlimLayer:
    needed = sum(item.entry.size for item in plan.items)
    with LayerWriter(job.workspace.layer_store, plan.name, needed=needed) as writer:
        for item in plan.items:
            _add(job, writer, item, content)
        layer = writer.finish()
    assert layer  # a plan has items
    return layer


def _add(job: Job, writer: LayerWriter, item: Item, content: Extracted) -> None:
    entry = item.entry
    if item.extracted:
        extracted = _next(job, item, content)
        if item.dates:
            writer.add(*redated(entry, b"".join(extracted.rest()), item.dates))
        else:
            writer.add(entry, extracted)
    elif item.file:
        with item.file.open("rb") as file:
            writer.add(entry, file)
    else:
        text = item.text.encode(errors="surrogateescape") if item.text else None
        writer.add(entry, text)


def _next(job: Job, item: Item, content: Extracted) -> Forward:
    member, file = next(content, (None, None))
    if member is None or file is None or f"/{member.name}" != item.source:
        got = member.name if member else "nothing more"
        raise SlimError(f"{job.image.name}: asked the fat image for {item.source}, and got {got}", "run it again")
    return file
