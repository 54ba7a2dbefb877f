from __future__ import annotations

import pytest

from slimtasks.engine.build_failure import build_failure, line_of
from slimtasks.engine.buildkit_progress import Progress, Step

DOCKERFILE = """\
# syntax of a build
FROM debian AS build

RUN apt-get update && \\
    # between
    apt-get install -y  gcc
run make
COPY --from=build /a /b
RUN make twice
RUN make twice
"""


@pytest.mark.parametrize(
    ("instruction", "line"),
    [
        ("FROM debian AS build", 2),
        ("RUN apt-get update &&     apt-get install -y  gcc", 4),
        ("RUN make", 7),
        ("COPY --from=build /a /b", 8),
        ("RUN make twice", 0),
        ("RUN nothing", 0),
        ("", 0),
    ],
)
def test_the_line_of_an_instruction(instruction: str, line: int) -> None:
    assert line_of(DOCKERFILE, instruction) == line


def failing(step: Step) -> Progress:
    progress = Progress()
    progress.steps[b"a"] = step
    return progress


def test_a_failing_step_with_the_end_of_its_output() -> None:
    step = Step(name="[build 3/4] RUN make", error="executor failed running [/bin/sh -c make]: exit code: 2")
    step.output = [f"line {number}" for number in range(30)]
    error = build_failure("web", "Dockerfile", DOCKERFILE, step.error, failing(step), [])
    lines = error.what.splitlines()
    assert lines[0] == "web: Dockerfile line 7: RUN make: exit code 2"
    assert lines[1:] == [f"  line {number}" for number in range(10, 30)]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("failed to do request: Head: dial tcp: lookup registry.example: no such host", "no registry can be reached"),
        ("pull access denied, repository does not exist or may require authorization", "no registry has it"),
    ],
)
def test_a_base_image_that_cannot_be_pulled(error: str, cause: str) -> None:
    step = Step(name="[internal] load metadata for registry.example/our/debian:bookworm", error=error)
    failure = build_failure("web", "Dockerfile", "FROM our/debian:bookworm AS x\n", error, failing(step), [])
    assert failure.what.startswith(
        "web: the base image our/debian:bookworm is not in the engine and cannot be pulled: " + cause
    )
    assert "declare it in images/" in failure.hint


def test_the_classic_builder() -> None:
    output = ["Step 1/2 : FROM debian", " ---> 0123", "Step 2/2 : RUN make", " ---> Running in 1", "cc: error", "gone"]
    reason = "The command '/bin/sh -c make' returned a non-zero code: 2"
    failure = build_failure("web", "Dockerfile", DOCKERFILE, reason, Progress(), output)
    assert failure.what == "web: Dockerfile line 7: RUN make: exit code 2\n  cc: error\n  gone"
    reason = "pull access denied for our/none, repository does not exist or may require 'docker login'"
    failure = build_failure(
        "web", "Dockerfile", "", reason, Progress(), ["Step 1/2 : FROM --platform=linux/amd64 our/none AS x"]
    )
    assert "the base image our/none is not in the engine" in failure.what


def test_a_dockerfile_that_cannot_be_parsed() -> None:
    reason = "failed to create LLB definition: dockerfile parse error line 2: unknown instruction: FOO"
    failure = build_failure("web", "Dockerfile", "", reason, Progress(), [])
    assert failure.what == "web: Dockerfile: dockerfile parse error line 2: unknown instruction: FOO"
