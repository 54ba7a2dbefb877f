"""junit.xml, read by a library of others."""

from __future__ import annotations

from pathlib import Path

from junitparser import Failure, JUnitXml, Skipped

from slimtasks.junit import Suite, document, suite
from slimtasks.spec import From, Http, Image, Step
from slimtasks.workload.failure import PartResult
from slimtasks.workload.report import StepResult

STEPS = tuple(Step(number, "", "http", Http(path=path)) for number, path in enumerate(("/", "/a", "/b"), 1))
IMAGE = Image(From(), name="web", workload=STEPS)


def dump(tmp_path: Path, *suites: Suite) -> list[str]:
    """One line for each case, as junitparser reads the file."""
    file = tmp_path / "junit.xml"
    file.write_bytes(document(suites))
    lines = []
    for one in JUnitXml.fromfile(str(file)):
        lines.append(f"{one.name}: {one.tests} tests, {one.failures} failures, {one.skipped} skipped, {one.time} s")
        for case in one:
            what = [f"{type(result).__name__}: {result.message}" for result in case.result]
            texts = [result.text for result in case.result if isinstance(result, Failure)]
            assert all(isinstance(result, (Failure, Skipped)) for result in case.result)
            lines.append(" | ".join([f"  {case.classname} {case.name} {case.time}", *what, *filter(None, texts)]))
    return lines


def done(number: int, *, failed: bool = False, parts: tuple[PartResult, ...] = ()) -> StepResult:
    step = STEPS[number - 1]
    return StepResult(step.name, "", 0.25, f"GET http :80{('/', '/a', '/b')[number - 1]}", parts, failed)


def test_all_steps_went_well(tmp_path: Path) -> None:
    assert dump(tmp_path, suite(IMAGE, [done(1), done(2), done(3)], 0.5)) == [
        "web: 3 tests, 0 failures, 0 skipped, 0.75 s",
        "  web step 1 (http) GET http :80/ 0.25",
        "  web step 2 (http) GET http :80/a 0.25",
        "  web step 3 (http) GET http :80/b 0.25",
    ]


def test_a_step_failed(tmp_path: Path) -> None:
    error = "step 2 failed: <404> & \x1b[31mred\x1b[0m\n  -> do this"
    assert dump(tmp_path, suite(IMAGE, [done(1), done(2, failed=True)], 0.5, error)) == [
        "web: 3 tests, 1 failures, 1 skipped, 0.5 s",
        "  web step 1 (http) GET http :80/ 0.25",
        "  web step 2 (http) GET http :80/a 0.25 | Failure: step 2 failed: <404> & \\x1b[31mred\\x1b[0m"
        " | step 2 failed: <404> & \\x1b[31mred\\x1b[0m\n  -> do this",
        "  web step 3 (http) GET http :80/b 0.0 | Skipped: not reached",
    ]


def test_each_structure_test_is_a_case_with_its_own_failure(tmp_path: Path) -> None:
    parts = (PartResult("Command Test: a", "x.yaml:2:3", 0.1), PartResult("Metadata Test", "x.yaml:5:3", 0.2, "no"))
    lines = dump(tmp_path, suite(IMAGE, [done(1, failed=True, parts=parts)], 0.5, "1 of 2 tests failed"))
    assert lines[1:3] == [
        "  web step 1 (http) GET http :80/: Command Test: a 0.1",
        "  web step 1 (http) GET http :80/: Metadata Test 0.2 | Failure: x.yaml:5:3: no | x.yaml:5:3: no",
    ]


def test_a_start_alone_and_one_that_failed(tmp_path: Path) -> None:
    image = Image(From(), name="web", scenario="worker")
    assert dump(tmp_path, suite(image, [], 0.5), suite(image, [], 0.0, "it died")) == [
        "web.worker: 1 tests, 0 failures, 0 skipped, 0.5 s",
        "  web.worker start 0.5",
        "web.worker: 1 tests, 1 failures, 0 skipped, 0.0 s",
        "  web.worker start or end 0.0 | Failure: it died | it died",
    ]
