"""Starts an image once, untraced, and sees what it does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace

from slimtasks.engine.failure import Refused
from slimtasks.engine.stopwatch import WORKLOAD
from slimtasks.errors import WorkloadError
from slimtasks.proposal.asking import ask
from slimtasks.proposal.facts import Facts
from slimtasks.proposal.seen import Seen, Told
from slimtasks.workload.clock import Clock
from slimtasks.workload.expect import text_of
from slimtasks.workload.failure import StepFailed
from slimtasks.workload.launcher import Exit, run_to_end
from slimtasks.workload.reach import reachable
from slimtasks.workload.readiness import LOG_TAIL, READY_TIMEOUT, wait_health
from slimtasks.workload.runner import started, surrounded
from slimtasks.workload.target import Target, ending
from slimtasks.workload.trial import Trial
from slimtasks.workload.unstarted import START_HINT

_LATER = 2.0  # seconds for which further ports may open after the first one
_NONE_NAMED = 10.0  # seconds in which a first port may open that the image does not expose
_TELLING = 20.0  # seconds for a command to say something of itself
_LIMIT = 300.0  # seconds for all
_PAUSE = 0.1
_PASSING = 32768  # the first of the ports that the kernel gives to whoever asks for none: the next time it is another
_LONG = 300  # characters of a line of the log
_SHELLS = frozenset({"sh", "bash", "dash", "ash"})


def look(trial: Trial, facts: Facts) -> Seen:
    """What the image does when it is started as `run` says. WorkloadError where it cannot be started."""
    clock = Clock(_LIMIT)
    with trial.engine.clock.on(WORKLOAD):
        seen, unnamed = _looked(trial, facts, clock)
        if unnamed:  # which were not published
            seen, _ = _looked(_exposing(trial, unnamed), facts, clock)
        if seen.status is not None and not facts.serves:
            with surrounded(trial, clock) as ready:
                seen = replace(seen, told=_told(ready, facts))
    return seen


def _exposing(trial: Trial, ports: frozenset[int]) -> Trial:
    """The same with more ports that can be reached."""
    run = trial.workload.image.run
    expose = (*run.expose, *(f"{port}/tcp" for port in sorted(ports)))
    image = replace(trial.workload.image, run=replace(run, expose=expose))
    return replace(trial, workload=replace(trial.workload, image=image))


def _looked(trial: Trial, facts: Facts, clock: Clock) -> tuple[Seen, frozenset[int]]:
    """What one container did, and the ports that it opened though they are not exposed: nobody could ask them."""
    with surrounded(trial, clock) as ready, started(ready, clock) as running:
        target = running.target
        assert target is not None
        opened = _opened(target, running.ports)
        unnamed = frozenset(port for port in opened - running.ports if port < _PASSING)
        unhealthy = _unhealthy(target, clock) if facts.healthcheck and not unnamed else ""
        answers = tuple(ask(port, target.reach.address(port)) for port in sorted(opened & running.ports))
        listeners = sorted(target.reach.listeners())
        inner = tuple(str(one) for one in listeners if one.loopback)
        state, log = target.container.inspect()["State"], _log(target)
        if state["Running"]:
            return Seen(answers, inner, log=log, unhealthy=unhealthy), unnamed
        why = target.refusal(state)
        if why:
            raise WorkloadError(f"start failed: the container does not start: {why}", START_HINT)
        return Seen(status=int(state["ExitCode"]), ending=ending(state), log=log), frozenset()


def _log(target: Target) -> tuple[str, ...]:
    lines = text_of(target.container.logs(tail=LOG_TAIL)).splitlines()
    return tuple(line.strip()[:_LONG] for line in lines if line.strip())


def _opened(target: Target, named: frozenset[int]) -> frozenset[int]:
    """The ports that can be reached, once all `named` ones or as many as come are open, or it has ended."""
    began = time.monotonic()
    first = 0.0
    while True:
        opened = reachable(target.reach.listeners())
        now = time.monotonic()
        first = first or (now if opened else 0.0)
        limit = first + _LATER if first else began + (READY_TIMEOUT if named else _NONE_NAMED)
        if (named and named <= opened) or now >= limit or not target.container.running():
            return opened
        time.sleep(_PAUSE)


def _unhealthy(target: Target, clock: Clock) -> str:
    """How the HEALTHCHECK fails; empty where it passes."""
    start = target.image_config["Healthcheck"].get("StartPeriod", 0) / 1e9
    try:
        wait_health(target, min(READY_TIMEOUT + start, clock.left()))
    except StepFailed as failure:
        return " ".join(f"{failure.what}: {failure.came}".rstrip(": ").split())
    return ""


def _told(trial: Trial, facts: Facts) -> Told | None:
    """What its command says of itself; None where it has none that does."""
    for arguments in _questions(facts):
        ended = _ended(trial, arguments)
        if ended is None or ended.status:
            continue
        for stream, printed in (("stdout", ended.stdout), ("stderr", ended.stderr)):
            text = printed.decode("utf-8", "replace")
            if re.search(r"\d\.\d|(?i:usage)", text):
                return Told(arguments, text.strip().splitlines()[0].strip(), stream)
    return None


def _questions(facts: Facts) -> Iterator[tuple[str, ...]]:
    """Arguments that are asked for a version, or for help; none of a shell that was given a script."""
    program = facts.entrypoint or facts.command[:1]
    given = facts.entrypoint[1:] or (() if facts.entrypoint else facts.command[1:])
    if not program or (program[0].rpartition("/")[2] in _SHELLS and given):
        return
    for word in ("--version", "--help"):
        yield (word,) if facts.entrypoint else (*program, word)


def _ended(trial: Trial, arguments: tuple[str, ...]) -> Exit | None:
    """How a container of its own ended; None where it did not start, or not end."""
    config = replace(trial.config(arguments), log_driver="none", stdin_open=False)
    try:
        with trial.launcher.create(config, trial.files()) as container:
            return run_to_end(trial.launcher, container, _TELLING)
    except (TimeoutError, Refused):
        return None
