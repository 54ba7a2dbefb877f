"""Waits until a container can serve: its HEALTHCHECK, ports that are listened on, lines of its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from slimtasks.engine.failure import Refused
from slimtasks.spec.steps import Wait
from slimtasks.workload.clock import in_seconds
from slimtasks.workload.expect import shortened, text_of, unmet
from slimtasks.workload.failure import StepFailed
from slimtasks.workload.launcher import Exit
from slimtasks.workload.listeners import Listener
from slimtasks.workload.reach import reachable
from slimtasks.workload.target import Target

READY_TIMEOUT = 30.0  # seconds
OPENING = 3.0  # seconds in which a server that has a HEALTHCHECK may open its first port before that is run
LOG_TAIL = 100_000  # lines of the log in which `wait: log:` looks
PAUSES = (0.01, 0.2)  # seconds between two looks: the first pause, and the longest


def wait_ready(target: Target, ports: frozenset[int], timeout: float) -> None:
    """Waits for the image's HEALTHCHECK or, where it has none, for all `ports`; StepFailed after `timeout` seconds."""
    if health_command(target.image_config):
        start_period = target.image_config["Healthcheck"].get("StartPeriod", 0) / 1e9
        wait_health(target, timeout + start_period)
    else:
        wait_ports(target, ports, timeout)


def wait_for(target: Target, action: Wait, timeout: float) -> None:
    """The step `wait`; StepFailed after `timeout` seconds, or as soon as the container has ended."""
    if action.port:
        wait_ports(target, frozenset({action.port}), timeout)
    elif action.log:
        wait_log(target, action.log, timeout)
    else:
        wait_health(target, timeout)


def wait_ports(target: Target, ports: frozenset[int], timeout: float) -> None:
    """Waits until somebody listens on each of `ports` where the outside can reach it."""
    seen: frozenset[Listener] = frozenset()

    def listening() -> bool:
        nonlocal seen
        seen = target.reach.listeners() if ports else seen
        return ports <= reachable(seen)

    def failed() -> StepFailed:
        return _closed(sorted(ports - reachable(seen)), seen, timeout)

    _until(target, timeout, listening, failed)


def wait_opening(target: Target, ports: frozenset[int]) -> None:
    """Waits until one of `ports`, if there are any, is listened on; for OPENING seconds at most."""
    with suppress(StepFailed):
        _until(
            target,
            OPENING,
            lambda: not ports or bool(ports & reachable(target.reach.listeners())),
            lambda: StepFailed("none of the ports is open"),
        )


def wait_log(target: Target, expected: str, timeout: float) -> None:
    """Waits until what the container printed meets the expectation."""

    def printed() -> bool:
        return not unmet([expected], text_of(target.container.logs(tail=LOG_TAIL)))

    _until(target, timeout, printed, lambda: StepFailed(f"not in the log after {in_seconds(timeout)}: {expected}"))


def wait_health(target: Target, timeout: float) -> None:
    """Runs the image's HEALTHCHECK in the container, as the engine would, until it succeeds."""
    command = health_command(target.image_config)
    if not command:
        raise StepFailed("the image has no HEALTHCHECK", hint="wait for a `port:` or a line of the `log:`")
    each = target.image_config["Healthcheck"].get("Timeout", 0) / 1e9 or READY_TIMEOUT
    last: Exit | None = None

    def healthy() -> bool:
        nonlocal last
        try:
            last = target.launcher.exec(target.container, command, "", min(each, timeout))
        except TimeoutError:
            last = Exit(-1, b"", f"not done after {in_seconds(min(each, timeout))}".encode())
        except Refused:
            target.must_run()
            raise
        return last.status == 0

    def failed() -> StepFailed:
        came = text_of(last.stdout + last.stderr) if last else ""
        return StepFailed(f"not healthy after {in_seconds(timeout)}", sent=" ".join(command), came=shortened(came))

    _until(target, timeout, healthy, failed)


def health_command(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The command of an image's HEALTHCHECK; empty where it has none."""
    test = tuple((config.get("Healthcheck") or {}).get("Test") or ())
    if test[:1] == ("CMD-SHELL",):
        return (*(config.get("Shell") or ("/bin/sh", "-c")), *test[1:])
    return test[1:] if test[:1] == ("CMD",) else ()


def _until(target: Target, timeout: float, done: Callable[[], bool], failed: Callable[[], StepFailed]) -> None:
    deadline = time.monotonic() + timeout
    pause, longest = PAUSES
    while not done():
        target.must_run()
        left = deadline - time.monotonic()
        if left <= 0:
            raise failed()
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, longest)


def _closed(ports: list[int], seen: frozenset[Listener], timeout: float) -> StepFailed:
    """The failure that says which ports did not open, and who listens instead."""
    inner = [listener for listener in sorted(seen) if listener.loopback and listener.port in ports]
    names = ("port " if len(ports) == 1 else "ports ") + ", ".join(map(str, ports))
    listening = ", ".join(map(str, sorted(seen))) or "nothing"
    hint = "if the image is right not to open it, let the workload begin with a `wait:` for what it does open"
    if inner:
        hint = f"{inner[0]} cannot be reached from outside its container: let the server listen on 0.0.0.0"
    what = f"{names}: nobody listens after {in_seconds(timeout)}"
    return StepFailed(what, came=f"listening in the container: {listening}", hint=hint)
