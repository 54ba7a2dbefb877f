"""`trace.also`: traces from elsewhere, another machine or a staging cluster, that add to an image's own."""

from __future__ import annotations

import os
from collections.abc import Iterable

from slimtasks import fatfiles
from slimtasks.additions import additions
from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.records import WRITES, Access
from slimtasks.rootfs import Tree, is_engines
from slimtasks.sizes import count
from slimtasks.spec.model import Also
from slimtasks.trace.file import Trace
from slimtasks.trace.given import Given, need_complete, read_given
from slimtasks.trace.union import together


def with_others(job: Job, own: Trace) -> tuple[Trace, tuple[str, ...]]:
    """The trace with all that the spec adds to it, and a few words on each; SlimError for one that does not fit."""
    if not job.image.trace.also:
        return own, ()
    tree = Tree(fatfiles.inventory(job.files))
    added = {addition.entry.path for addition in additions(job.image)}
    others, words = [], []
    known = {access.path for access in own.accesses}
    for also in job.image.trace.also:
        name, other = os.path.relpath(also.file, job.image.folder), _read(job, also)
        others.append((name, other))
        paths = {access.path for access in other.accesses}
        lacking = len(_lacking(other.accesses, tree) - added)
        words.append(
            f"{name} adds {count(len(paths - known), 'path')}"
            f"{f', {lacking} of its paths not in this image' if lacking else ''}"
            f"{'' if other.header['complete'] else ', NOT COMPLETE'}"
        )
        known |= paths
    return together(own, others, tree), tuple(words)


def _read(job: Job, also: Also) -> Trace:
    name = os.path.relpath(also.file, job.workspace.root)
    given = Given(also.file, name, f"take the file as the tracer wrote it, or leave it out: {also.where}")
    trace = Trace(*read_given(given, Access))
    need_complete(given, trace.header, allowed=job.image.trace.allow_incomplete)
    theirs, ours = trace.header["fat"], fatfiles.fat(job.files).tree_digest
    if theirs != ours and not also.any_image:
        raise SlimError(
            f"{name}:1: traced on another image than this one\n  its fat digest {theirs}\n  this image's   {ours}",
            f"trace this image there, or say `any-image: true` beside the file: {also.where}",
        )
    return trace


def _lacking(accesses: Iterable[Access], tree: Tree) -> set[str]:
    """What it read that the image does not have."""
    read = {access.path for access in accesses if access.how not in WRITES | {"miss"}}
    made = {access.path for access in accesses if access.how in WRITES}
    return {path for path in read - made if not is_engines(path) and tree.walk(path).final is None}
