"""`doit verify-reproducible`: makes a slim image once more under other circumstances, and compares all digests."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from slimtasks import process
from slimtasks.answers.bits import Unlike, config_difference, layer_difference
from slimtasks.answers.difference_text import field_text
from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.oci.archive import config_in, manifest_in
from slimtasks.records import SlimImage, intact, read_json, read_record
from slimtasks.scratch import once_more
from slimtasks.sizes import count
from slimtasks.terminal import shown
from slimtasks.workspace import Workspace

_MOST = 20  # differences told of each layer
_PACKAGE = Path(__file__).parents[1]


def verify_reproducible(job: Job) -> str:
    """Makes the image again from its trace in a folder that goes afterwards; says that the same came out.

    SlimError with what differs where something does.
    """
    if job.image.final.builder != "archive":
        raise SlimError(
            f"{job.image.name}: made by `final.builder: {job.image.final.builder}`, which promises no digests",
            "leave `builder` out of the spec to have the same bits every time",
        )
    with once_more(job) as again:
        others = _others(job.environ)
        _make(job, again, others)
        differences = list(_differences(job, again))
    made = read_record(job.files.image, SlimImage)
    circumstances = ", ".join(("another folder and umask", *(f"{key}={value}" for key, value in others.items())))
    if differences:
        lines = "".join(f"\n  {line}" for line in differences)
        raise SlimError(
            f"{job.image.name} came out otherwise ({circumstances}){lines}",
            f"`doit clean {job.image.name}`, then make it anew and try again; "
            "where that changes nothing it is a fault of slimtasks: please report it",
        )
    layers = count(len(_diff_ids(job.workspace, job)), "layer")
    return f"the same {made.config_digest}, manifest and {layers} ({circumstances})"


def _others(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the environment could change anything, each as it is not now."""
    return {
        "LC_ALL": "C.UTF-8" if environ.get("LC_ALL") in ("C", "POSIX") else "C",
        "TZ": "XXX11" if environ.get("TZ") == "XXX-14" else "XXX-14",  # ahead of UTC by 14 hours; behind it by 11
        "PYTHONHASHSEED": "2" if environ.get("PYTHONHASHSEED") == "1" else "1",
    }


def _make(job: Job, again: Workspace, others: Mapping[str, str]) -> None:
    folder = again.build.absolute()
    path = f"{_PACKAGE.parent}:{job.environ.get('PYTHONPATH', '')}".rstrip(":")
    env = {**job.environ, **others, "PYTHONPATH": path}
    hidden = {name: job.environ.get(name) for name in (*others, "PYTHONPATH")}
    words = (str(job.workspace.root.absolute()), str(folder), job.image.name, json.dumps(hidden))
    done = process.run(
        [sys.executable, "-m", "slimtasks.operations.rebuilding", *words], env=env, cwd=folder, check=False
    )
    if done.status:
        told = done.stderr.decode(errors="replace").strip().replace(str(folder), str(job.workspace.build))
        raise SlimError(f"{job.image.name} cannot be made again: {told or f'ended with {done.status}'}")


def _differences(job: Job, again: Workspace) -> Iterator[str]:
    made = read_record(job.files.image, SlimImage)
    archive = again.image(job.image.name).archive
    layers = list(zip_longest(_diff_ids(job.workspace, job), _diff_ids(again, job), fillvalue=""))
    for number, (old, new) in enumerate(layers, 1):
        if old != new:
            yield f"layer {number}: {old or 'none'} -> {new or 'none'}"
        if old and new and old != new:
            told = layer_difference(job.workspace.layer(old), again.layer(new), again.build)
            yield from _first(f"layer {number}", told)
    config = config_in(archive)
    for name, before, after in (
        ("config digest", made.config_digest, _digest(config)),
        ("manifest digest", made.manifest_digest, _digest(manifest_in(archive))),
    ):
        if before != after:
            yield f"{name}: {before} -> {after}"
    for field in config_difference(config_in(job.files.archive), config):
        yield f"config: {shown(field_text(field))}"


def _first(where: str, told: Iterator[Unlike]) -> Iterator[str]:
    more = 0
    for number, unlike in enumerate(told):
        if number < _MOST:
            yield f"{where}: {': '.join(filter(None, (shown(unlike.path), ', '.join(map(field_text, unlike.fields)))))}"
        more = max(0, number + 1 - _MOST)
    if more:
        yield f"{where}: and {more} more"


def _diff_ids(workspace: Workspace, job: Job) -> list[str]:
    """Of all layers, lowest first, those of the base too."""
    layers = workspace.image(job.image.name).layers
    with intact(layers):
        data = read_json(layers)
        return [*data["below"], *(layer["diff_id"] for layer in data["layers"])]


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
