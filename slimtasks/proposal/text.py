"""The text of a first spec, with its comments and questions."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from slimtasks.proposal.facts import Facts
from slimtasks.proposal.flow import flow
from slimtasks.proposal.steps import Guess
from slimtasks.selection.inputs import NotKept
from slimtasks.sizes import size_text
from slimtasks.terminal import shown

_WIDTH = 116


@dataclass(frozen=True)
class Draft:
    """What was said on the command line, as the spec has it."""

    tag: str
    source: Mapping[str, str]  # what stands below `from`
    command: tuple[str, ...] = ()  # of `run`
    environment: Mapping[str, str] = field(default_factory=dict)  # of `run`

    def text(self) -> str:
        """A spec of that alone."""
        return "\n".join([*self.head(), *self.run(), ""])

    def head(self) -> list[str]:
        return [
            f"tags: {flow([self.tag])}",
            "from:",
            *(f"  {key}: {flow(value)}" for key, value in self.source.items()),
        ]

    def run(self) -> list[str]:
        lines = [f"  command: {flow(list(self.command))}"] if self.command else []
        lines += ["  environment:"] if self.environment else []
        lines += [f"    {flow(name)}: {flow(value)}" for name, value in self.environment.items()]
        return ["run:", *lines] if lines else []


def spec_text(draft: Draft, about: str, facts: Facts, guess: Guess, missed: Iterable[NotKept]) -> str:
    """The whole file; `about`: a line on the fat image."""
    tags, source, *rest = draft.head()
    lines = [
        *_comment("What this image is, and what it has to be able to do. README.md of slimtasks tells all keys."),
        f"{tags}  # of the slim image, which takes them when all below passes on it; `doit push` sends it there",
        source,
        *rest,
        *_comment(about),
        "",
        *_comment("The fat image says the following, and so will the slim one; `final:` is for other words."),
        *_comment(*_said(facts)),
        "",
        *_run(draft, guess),
        "",
        *_workload(facts, guess),
        "",
        *_comment("What has to work that the workload does not try? The same steps, on the slim image alone:"),
        *_commented("checks:", "  - exec: {command: [program, --version]}"),
        *_presets(tuple(missed)),
    ]
    return "\n".join(lines) + "\n"


def _said(facts: Facts) -> Iterator[str]:
    rows = {
        "entrypoint": shlex.join(facts.entrypoint),
        "command": shlex.join(facts.command),
        "user": facts.user or "root",
        "working_dir": facts.working_dir,
        "ports": ", ".join(facts.ports),
        "volumes": ", ".join(facts.volumes),
        "healthcheck": shlex.join(facts.healthcheck),
    }
    for name, value in rows.items():
        if value:
            yield f"  {name:12} {value}"
    absent = [name for name in ("ports", "volumes", "healthcheck") if not rows[name]]
    if absent:
        yield f"  no {', no '.join(absent)}"


def _run(draft: Draft, guess: Guess) -> list[str]:
    """How to start it."""
    lines = _comment(*guess.missing)
    if "compose" in draft.source:
        lines += _comment("How it is started stands in the Compose file; what differs here is laid over that.")
    else:
        lines += _comment(
            "What does it take to start it? The keys are those of a Compose service; `services:` are others."
        )
    if draft.run():
        return [*lines, *draft.run()]
    names = guess.variables or ("NAME",)
    return [*lines, *_commented("run:", "  environment:", *(f"    {name}: value" for name in names))]


def _workload(facts: Facts, guess: Guess) -> list[str]:
    lines = _comment(
        "What must it be able to do? Only what these steps use stays, and all have to pass on the slim image."
    )
    if not guess.steps:
        lines += _comment("Nothing was found to ask it: its start alone is tried, and whole packages stay.")
    for question in guess.questions:
        lines += _comment(question)
    if guess.steps:
        return [*lines, "workload:", *(f"  - {step}" for step in map(_bare, guess.steps))]
    port = next(iter(facts.tcp), 8080)
    return [*lines, *_commented("workload:", f"  - http: {{port: {port}, path: /, body: [Welcome]}}")]


def _bare(step: str) -> str:
    """A step without the braces around its one key."""
    return step[1:-1]


def _presets(missed: tuple[NotKept, ...]) -> Iterator[str]:
    if not missed:
        return
    yield ""
    yield from _comment("What of these does it need, though the steps above may not show it? The image has them:")
    yield "# keep-presets:"
    for one in missed:
        yield f"#   - {one.preset:14} # {one.what}, {size_text(one.size)}"


def _comment(*lines: str) -> list[str]:
    """Each line wrapped, what is no text written out."""
    wrapped: list[str] = []
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        wrapped += textwrap.wrap(
            shown(line), _WIDTH, subsequent_indent=f"{indent}  " if indent else "", break_on_hyphens=False
        ) or [""]
    return [f"# {line}".rstrip() for line in wrapped]


def _commented(*lines: str) -> list[str]:
    """Lines of a spec that are not in force."""
    return [f"# {line}" for line in lines]
