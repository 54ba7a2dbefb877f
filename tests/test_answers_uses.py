"""How a step of a trace is told."""

from __future__ import annotations

import pytest

from slimtasks.answers.uses import Use

STEPS = {
    "start": "at the start",
    "2 http GET http :80/": "in step 2 (http GET http :80/)",
    "1 exec sh -c 'x: 2 y'": "in step 1 (exec sh -c 'x: 2 y')",
    "worker: start": "at the start of worker",
    "worker: 2 exec sh -c 'x: 2 y'": "in step 2 of worker (exec sh -c 'x: 2 y')",
    "traces/of prod.jsonl: start": "at the start of traces/of prod.jsonl",
    "traces/prod.jsonl: worker: 1 wait port 80": "in step 1 of traces/prod.jsonl: worker (wait port 80)",
    "healthcheck": "in the HEALTHCHECK",
    "worker: healthcheck": "in the HEALTHCHECK of worker",
    "something else": "in something else",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_has_its_scenario_or_file(step: str) -> None:
    assert Use("traced", ("opened",), (), (step,), "", ()).text == f"opened {STEPS[step]}"
