"""Makes an image with other rules than its spec has, in a folder of its own, and runs its workload and checks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from slimtasks.assembly.finish import write
from slimtasks.assembly.packed import read_packed
from slimtasks.errors import ServiceFailed, WorkloadError
from slimtasks.explaining import cause_of
from slimtasks.job import Job
from slimtasks.oci.archive import retagged
from slimtasks.records import SlimImage, read_record
from slimtasks.repair.lines import Line, as_spec, line_of, with_lines
from slimtasks.repair.search import Outcome
from slimtasks.stages import layers, select, verify
from slimtasks.workspace import Workspace


class Tried:
    """Trials of one slim image that is built; `again` stands for build/ in them."""

    def __init__(self, job: Job, again: Workspace) -> None:
        self._job, self._again = job, again
        self._sizes = {frozenset[Line](): read_record(job.files.image, SlimImage).size}

    def size(self, lines: Iterable[Line]) -> int:
        """Bytes of the image with lines that were tried."""
        return self._sizes[frozenset(lines)]

    def tried(self, lines: Collection[Line]) -> str:
        """The step that fails with them; empty where all passes."""
        with self._made(lines) as (job, identity):
            failed = _failed(job, identity)
        return failed[1].step if failed else ""

    def explained(self, lines: Collection[Line]) -> Outcome:
        """The same, with the cause."""
        with self._made(lines) as (job, identity):
            failed = _failed(job, identity)
            if failed is None:
                return Outcome()
            job, error = failed
            cause = cause_of(job, identity, error)
        lost = tuple((one.path, line_of(one, self._job.image)) for one in cause.lost)
        return Outcome(error.step, error.what, cause.text, cause.hint or error.hint, lost)

    @contextmanager
    def _made(self, lines: Collection[Line]) -> Iterator[tuple[Job, str]]:
        """The image with the lines, in the engine while inside; without lines the one that is built."""
        job = self._job
        if not lines:
            yield job, job.built(job.image.name)
            return
        image = with_lines(job.image, lines)
        job = replace(job, image=image, images={**job.images, image.name: image}, workspace=self._again, note=_silent)
        job.say(f"with {', '.join(as_spec(lines, toml=False)) or 'fewer drop rules'}")
        select.run(job)
        layers.run(job)
        packed = read_packed(job)
        self._sizes[frozenset(lines)] = packed.below.under(packed.layers)[0]
        write(job, packed.config, packed.layers, packed.below)
        tag = job.engine.temporary_tag("trial", image.name)
        identity = job.engine.load_stream(retagged(job.files.archive, [tag]), str(job.files.archive))
        try:
            yield job, identity
        finally:
            job.engine.untag(tag)


def _failed(job: Job, identity: str) -> tuple[Job, WorkloadError] | None:
    """The job of the first scenario that fails, and how; raises what no lines help against."""
    for image in job.image.by_scenario:
        one = replace(job, image=image)
        try:
            verify.attempt(one, identity, [])
        except ServiceFailed:
            raise
        except WorkloadError as error:
            return one, error
    return None


def _silent(line: str) -> None:
    """What a trial finds is told at the end."""
