"""Checks a finished image against its spec's limits, and counts what is costly to count only where that is limited."""

from __future__ import annotations

import time
from dataclasses import replace

from slimtasks.ages import age
from slimtasks.job import Job
from slimtasks.limits import Measured, check_limits
from slimtasks.registry.image import travelling_as


def check_all(job: Job, measured: Measured, config: bytes) -> None:
    """SlimError with all limits that the image of that config, whose layers are in the store, does not keep."""
    limits = job.image.limits
    if limits.compressed_size is not None:
        measured = replace(measured, compressed_size=travelling_as(job.workspace, config).size)
    if limits.age is not None:
        seconds_old, oldest = age(job.workspace, job.images, job.image, time.time())
        measured = replace(measured, age=seconds_old, oldest=oldest)
    check_limits(job.image, measured)
