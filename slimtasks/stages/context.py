"""context: a build context that makes the same tree with any builder."""

from __future__ import annotations

import json

from slimtasks.assembly.by_builder import lost
from slimtasks.assembly.packed import read_packed
from slimtasks.job import Job
from slimtasks.oci.archive import write_context
from slimtasks.oci.dockerfile import dockerfile
from slimtasks.sizes import size_text

_NAMED = 3  # paths that the task's line names


def run(job: Job) -> str:
    """Writes context.tar: a Dockerfile, and the layers as tars for it to ADD."""
    packed = read_packed(job)
    names = [f"{number}-{layer.name}.tar" for number, layer in enumerate(packed.layers, 1)]
    tars = [job.workspace.layer(layer.diff_id) for layer in packed.layers]
    text = dockerfile(json.loads(packed.config), names, job.reference(job.image.final.base))
    write_context(job.files.context, text, list(zip(names, tars, strict=True)))
    size = size_text(job.files.context.stat().st_size)
    return f"{size}; ADD loses {lost(packed.beyond_add, _NAMED)}" if packed.beyond_add else size
