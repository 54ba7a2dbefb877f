"""When a workload runs the HEALTHCHECK of the image under test, and for what that counts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import dropwhile
from typing import Any, Literal

from slimtasks.oci.config import with_healthcheck
from slimtasks.spec.healthcheck import Healthcheck
from slimtasks.spec.model import Image
from slimtasks.spec.steps import Step, Wait
from slimtasks.workload.readiness import health_command

START = 0  # as a step's number
Moment = Literal["", "first", "last"]
"""'first': the steps begin once it says healthy; 'last': it has to say so after them; '': it is not run by itself."""
NANOSECONDS = 1_000_000_000  # in a second, as the Engine API's HealthConfig counts


def tried_config(image: Image, config: Mapping[str, Any]) -> dict[str, Any]:
    """The `Config` of the image with the HEALTHCHECK that one scenario tries it with: `run`'s over `final`'s."""
    return with_check(with_healthcheck(config, image.final.healthcheck), image.run.healthcheck)


def with_check(config: Mapping[str, Any], check: Healthcheck | None) -> dict[str, Any]:
    """An image's `Config` with Compose's `healthcheck` over its own HEALTHCHECK."""
    if check is None:
        return dict(config)
    if check.disable:
        return with_healthcheck(config, ())
    said = {"Interval": check.interval, "Timeout": check.timeout, "StartPeriod": check.start_period}
    times = {name: int(seconds * NANOSECONDS) for name, seconds in said.items() if seconds is not None}
    test = {"Test": list(check.test)} if check.test else {}
    retries = {"Retries": check.retries} if check.retries else {}
    return {**config, "Healthcheck": {**(config.get("Healthcheck") or {}), **test, **times, **retries}}


def health_moment(image: Image, steps: tuple[Step, ...], config: Mapping[str, Any]) -> Moment:
    """When the HEALTHCHECK of an image with that `Config` is run, in one scenario with these steps.

    Not where all steps have containers of their own, nor where a step waits for it; a named scenario that begins with a
    `wait` may be one that never gets healthy.
    """
    rest = tuple(dropwhile(lambda step: step.alone, steps))
    if not health_command(config) or (steps and not rest):
        return ""
    if not rest or rest[0].kind != "wait":
        return "first"
    waited_for = any(isinstance(step.action, Wait) and step.action.healthcheck for step in rest)
    return "" if image.scenario or waited_for else "last"


def health_step(image: Image, steps: tuple[Step, ...]) -> int:
    """The number that it has as a step: behind all others, so that what it alone uses can be told.

    With `lookups: startup` the start would end with it, so there it is part of the start.
    """
    return START if image.trace.lookups == "startup" else len(steps) + 1
