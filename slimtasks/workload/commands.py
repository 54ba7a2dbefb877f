"""The steps that run a command: `exec`, `client`, `oneshot`, `host`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from slimtasks import process
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.failure import Refused
from slimtasks.errors import SlimError
from slimtasks.spec.steps import Client, CommandStep, Exec, Host, Oneshot
from slimtasks.workload.clock import in_seconds
from slimtasks.workload.expect import shortened, text_of, unmet
from slimtasks.workload.failure import StepFailed
from slimtasks.workload.launcher import Exit, Launcher, run_to_end
from slimtasks.workload.other_hosts import is_unknown
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.target import Target
from slimtasks.workload.unstarted import HINT, in_words, unstarted


def run_exec(action: Exec, target: Target, timeout: float) -> None:
    """Runs the command in the running container."""
    target.must_run()
    try:
        ended = target.launcher.exec(target.container, action.command, "", timeout)
    except TimeoutError:
        raise _too_slow(action, timeout) from None
    except Refused as error:
        target.must_run()
        raise _refused("command", action, error) from error
    judge(action, ended)


def run_oneshot(action: Oneshot, launcher: Launcher, config: ContainerConfig, files: bytes, timeout: float) -> None:
    """Runs a fresh container of `config`, which has the step's arguments, to its end."""
    judge(action, _ended(action, launcher, config, files, timeout))


def run_client(action: Client, engine: Engine, image_id: str, network: str, name: str, timeout: float) -> None:
    """Runs the command, which replaces the image's own entrypoint, in a container that finds the target by `name`."""
    config = ContainerConfig(
        image=image_id,
        entrypoint=action.command[:1],
        command=action.command[1:],
        network=network,
        log_driver="none",
        healthcheck=False,
    )
    try:
        judge(action, _ended(action, PlainLauncher(engine), config, b"", timeout))
    except StepFailed as failure:
        if is_unknown(failure.came):
            failure.hint = failure.hint or f"to clients the running container is the host {name}"
        raise


def _ended(action: Oneshot | Client, launcher: Launcher, config: ContainerConfig, files: bytes, timeout: float) -> Exit:
    """How a container ended that is there for the step alone."""
    try:
        with launcher.create(config, files) as container:
            return run_to_end(launcher, container, timeout)
    except TimeoutError:
        raise _too_slow(action, timeout) from None
    except Refused as error:
        raise _refused("container", action, error) from error


def run_host(action: Host, env: Mapping[str, str], folder: Path, timeout: float) -> None:
    """Runs the command on this machine, in `folder`."""
    try:
        done = process.run(action.command, env=env, cwd=folder, timeout=timeout, check=False)
    except SlimError as error:
        raise StepFailed(error.what, sent=_sent(action), hint=error.hint) from error
    judge(action, Exit(done.status, done.stdout, done.stderr))


def judge(action: CommandStep, ended: Exit) -> None:
    """StepFailed unless the command ended and printed as `action` says."""
    wrong = []
    if ended.status != action.exit_status:
        wrong.append(f"exit status {ended.status} instead of {action.exit_status}")
    stdout, stderr = text_of(ended.stdout), text_of(ended.stderr)
    wrong += [f"stdout: not met: {source}" for source in unmet(action.stdout, stdout)]
    wrong += [f"stderr: not met: {source}" for source in unmet(action.stderr, stderr)]
    if not wrong:
        return
    why = "" if isinstance(action, Host) else unstarted(ended)
    if why:
        raise StepFailed(why, sent=_sent(action), hint=HINT)
    printed = [f"{name}:\n{shortened(text)}" for name, text in (("stdout", stdout), ("stderr", stderr)) if text]
    came = "\n".join([f"exit status {ended.status}", *printed])
    raise StepFailed(wrong[0], sent=_sent(action), expected="\n".join(wrong[1:]), came=came)


def _refused(what: str, action: CommandStep, error: Refused) -> StepFailed:
    why = in_words(error.reason)
    if why == error.reason:
        return StepFailed(f"the {what} does not start: {why}", sent=_sent(action), hint=error.hint)
    return StepFailed(why, sent=_sent(action), hint=HINT)


def _too_slow(action: CommandStep, timeout: float) -> StepFailed:
    what = f"not done after {in_seconds(timeout)}"
    return StepFailed(what, sent=_sent(action), hint="the step's `timeout:` may be raised")


def _sent(action: CommandStep) -> str:
    return shlex.join(action.command)
