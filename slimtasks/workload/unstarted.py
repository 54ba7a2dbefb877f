"""Why a program did not start, in our words: engines, runc, crun and the gate each have their own."""

from __future__ import annotations

import re

from slimtasks.workload.launcher import Exit

HINT = (
    "correct the command, or put the program into the image; into a slim image comes what the workload runs, "
    "and what only `checks` run needs a `keep:` rule"
)
START_HINT = "see `run:` in the spec, and CMD and ENTRYPOINT of the image"

_REFUSED = (
    re.compile(r'exec: "(?P<program>[^"]*)": (?P<why>.*)', re.DOTALL),
    re.compile(r"exec (?P<program>\S+): (?P<why>.*)", re.DOTALL),
    re.compile(r"(?:crun: )?executable file `(?P<program>[^`]*)` (?P<why>not found.*)", re.DOTALL),
)
_OF_ENGINE = re.compile(
    r"OCI runtime exec failed: (?:exec failed: )?(?:unable to start container process: )?(?P<rest>.*)"
)
_OF_RUNTIME = re.compile(r"exec \S+: [a-z ]+|crun: executable file .*")
_OF_GATE = re.compile(r"(?P<program>[^:\n]+): (?P<why>not found|cannot be executed)")


def unstarted(ended: Exit) -> str:
    """Why the program of a command in a container did not start; empty where it did, and ended by itself."""
    said = (ended.stdout + ended.stderr).decode(errors="replace").strip()
    refused = _OF_ENGINE.match(said)
    if refused and ended.status in (126, 127):
        return in_words(refused["rest"])
    if _OF_RUNTIME.fullmatch(said) and ended.status in (1, 126, 127, 255):
        return in_words(said)
    gated = _OF_GATE.fullmatch(said)
    if gated and ended.status in (126, 127):
        return _words(gated["program"], gated["why"])
    return ""


def in_words(reason: str) -> str:
    """What the engine said of a program that it could not start; `reason` itself where it is about something else."""
    found = next(filter(None, (pattern.match(reason) for pattern in _REFUSED)), None)
    return _words(found["program"], found["why"]) if found else reason


def _words(program: str, why: str) -> str:
    if "permission denied" in why:
        return f"{program} is no file that may be executed"
    if "cannot be executed" in why:  # the gate does not tell why
        return f"{program} is no file that may be executed, or no program for this machine"
    if "exec format error" in why:
        return f"{program} is no program for this machine"
    if "not found" in why and "/" not in program:
        return f"the image has no {program} in its PATH"
    if "stat " in why:
        return f"the image has no {program}"
    if "not found" in why or "no such file" in why:
        return f"the image has no {program}, or not the interpreter that it names"
    return f"{program} does not start: {why}"
