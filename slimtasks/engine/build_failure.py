"""What went wrong in a build, in words: which step, its last output, its line of the Dockerfile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from slimtasks.engine.buildkit_progress import Progress, Step
from slimtasks.engine.failure import cleaned
from slimtasks.errors import BuildError

_TAIL = 20  # lines of output shown
_INTERNAL = re.compile(r"^\[internal\] load metadata for (\S+)")
_NUMBERED = re.compile(r"^(?:\[[^\]]*\]|Step \d+/\d+ :) *")
_UNREACHED = re.compile(
    r"dial tcp|no such host|i/o timeout|connection refused|failed to do request|TLS handshake|request canceled", re.I
)
_NO_NETWORK = re.compile(
    r"could not resolve|bad address|name or service not known|temporary failure (?:in name )?resolv|"
    r"network is unreachable",
    re.I,
)
_NOT_PULLED = re.compile(
    r"pull access denied for (?P<denied>[^\s,]+)|manifest for (?P<manifest>\S+) not found|"
    r"(?P<unknown>\S+): (?:not found|failed to resolve source metadata)",
    re.I,
)


def build_failure(
    name: str, file: str, dockerfile: str, reason: str, progress: Progress, output: Sequence[str]
) -> BuildError:
    """The error for a build that the engine ended with `reason`; `output` is the classic builder's."""
    step = progress.failed()
    if base := _base(step, reason, output):
        return _base_failure(name, _as_written(base, dockerfile), step.error if step else reason)
    instruction = _NUMBERED.sub("", step.name if step else _last_classic(output))
    line = line_of(dockerfile, instruction)
    where = f"{name}: {file}" + (f" line {line}" if line else "")
    if instruction:
        where += f": {instruction}"
    tail = [*(step.output if step else _after_step(output))][-_TAIL:]
    text = "\n".join([f"{where}: {_short(step.error if step else reason)}", *(f"  {line}" for line in tail)])
    hint = f"correct {file}, or what it uses, then run the same command again"
    if _NO_NETWORK.search(text):
        hint = "the build has no network, or not to that host: see to it, then run the same command again"
    if "no space left on device" in text:
        hint = "the engine's disk is full: `docker system df` says of what"
    elif "--mount" in reason and "BuildKit" in reason:
        hint = "this engine has only the classic builder: leave `RUN --mount` out, or use one that has BuildKit"
    return BuildError(text, hint)


def _as_written(base: str, dockerfile: str) -> str:
    """The end of the name that the Dockerfile has; BuildKit puts the registry that it means before it."""
    parts = base.removesuffix(":latest").split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if re.search(rf"(?<![\w./-]){re.escape(end)}(?![\w/-])", dockerfile)), base)


def _base_failure(name: str, base: str, reason: str) -> BuildError:
    """The error for a base image that the engine has not and cannot pull."""
    cause = "no registry can be reached" if _UNREACHED.search(reason) else "no registry has it, or it wants a login"
    return BuildError(
        f"{name}: the base image {base} is not in the engine and cannot be pulled: {cause}\n  {_short(reason)}",
        f"declare it in images/, or load it (`docker load`), or `docker pull {base}` where there is a network",
        base=base,
    )


def line_of(dockerfile: str, instruction: str) -> int:
    """The 1-based line on which an instruction starts; 0 where that cannot be told."""
    wanted = _squeezed(instruction)
    found = [number for number, text in _instructions(dockerfile) if wanted and _squeezed(text) == wanted]
    return found[0] if len(found) == 1 else 0


def _instructions(dockerfile: str) -> Iterator[tuple[int, str]]:
    """Each instruction with its first line's number; continued lines are joined, comments between them left out."""
    start, text = 0, ""
    for number, line in enumerate(dockerfile.splitlines(), 1):
        if line.lstrip().startswith("#") or (not text and not line.strip()):
            continue
        start = start if text else number
        text += line.rstrip().removesuffix("\\")
        if not line.rstrip().endswith("\\"):
            yield start, text
            text = ""
    if text:
        yield start, text


def _squeezed(instruction: str) -> str:
    """For comparing: BuildKit changes white space, and upper-cases the keyword."""
    keyword, _, rest = " ".join(instruction.split()).partition(" ")
    return f"{keyword.upper()} {rest.replace(' ', '')}"


def _base(step: Step | None, reason: str, output: Sequence[str]) -> str:
    if step:
        found = _INTERNAL.match(step.name)
        return found.group(1) if found else ""
    instruction = _NUMBERED.sub("", _last_classic(output))
    named = _NOT_PULLED.search(reason)
    if instruction.upper().startswith("FROM ") and (named or _UNREACHED.search(reason)):
        return next(word for word in instruction.split()[1:] if not word.startswith("--"))
    return ""


def _last_classic(output: Sequence[str]) -> str:
    return next((line for line in reversed(output) if line.startswith("Step ")), "")


def _after_step(output: Sequence[str]) -> list[str]:
    last = next((at for at in range(len(output) - 1, -1, -1) if output[at].startswith("Step ")), -1)
    return [line for line in output[last + 1 :] if not line.startswith((" --->", "Removing intermediate container"))]


def _short(reason: str) -> str:
    """The reason in one line, less what the step's name says already."""
    reason = " ".join(cleaned(reason).split())
    reason = re.sub(r"^(?:failed to solve(?: with frontend \S+)?: |failed to create LLB definition: )+", "", reason)
    status = re.search(r"(?:exit code: |returned a non-zero code: )(\d+)$", reason)
    return f"exit code {status.group(1)}" if status else reason
