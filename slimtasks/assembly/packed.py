"""What the layers stage wrote, and the image config that goes with it."""

from __future__ import annotations

from dataclasses import dataclass

from slimtasks import fatfiles
from slimtasks.assembly.finish import Below, config_of
from slimtasks.job import Job
from slimtasks.records import SlimLayer, from_json, intact, read_json


@dataclass(frozen=True)
class Packed:
    """The layers of a slim image, lowest first, over those of its base, and its image config."""

    below: Below
    layers: tuple[SlimLayer, ...]
    config: bytes
    beyond_add: dict[str, list[str]]  # extended attributes, by path, which no build from context.tar can carry


def read_packed(job: Job) -> Packed:
    """Reads layers.json and fat.json."""
    with intact(job.files.layers):
        data = read_json(job.files.layers)
        below = Below(tuple(data["below"]), data["below_size"], data["below_files"])
        layers = tuple(from_json(SlimLayer, layer) for layer in data["layers"])
        created, beyond = data["created"], data["beyond_add"]
    base = job.image.final.base
    made = [(diff_id, f"base {base}") for diff_id in below.diff_ids]
    made += [(layer.diff_id, f"slimtasks {layer.name}") for layer in layers]
    name = "" if base == "scratch" else base
    config = config_of(job, fatfiles.fat(job.files).config, made, created, base_name=name)
    return Packed(below, layers, config, beyond)
