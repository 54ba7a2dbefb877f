"""The step `pytest`: runs a suite of tests on this machine, each test a part of the step."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from slimtasks import process
from slimtasks.errors import SlimError
from slimtasks.spec.steps import Pytest
from slimtasks.workload.expect import shortened, text_of
from slimtasks.workload.failure import PartResult, StepFailed

_NO_TESTS = 5  # pytest.ExitCode.NO_TESTS_COLLECTED
_FAILURES = ("failure", "error")


def run_pytest(action: Pytest, env: Mapping[str, str], folder: Path, timeout: float) -> tuple[PartResult, ...]:
    """How each test went that was not skipped; StepFailed, which has them all, where any did not, or none was run.

    pytest runs in `folder`, in the Python that runs us, and leaves no cache in the repo.
    """
    if find_spec("pytest") is None:
        raise StepFailed(f"{sys.executable} has no pytest", hint=f"{sys.executable} -m pip install pytest")
    with tempfile.TemporaryDirectory(prefix="slimtasks-") as scratch:
        report = Path(scratch, "junit.xml")
        try:
            done = process.run(
                _command(action, report),
                env={**env, "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=folder,
                timeout=timeout,
                check=False,
            )
        except SlimError as error:
            raise StepFailed(error.what, hint="the step's `timeout:` may be raised") from error
        parts = tuple(_parts(report)) if report.is_file() else ()
    failed = [part for part in parts if part.failure]
    if failed:
        lines = (f"  {part.where}: {part.name}: {part.failure.splitlines()[0]}" for part in failed)
        raise StepFailed("\n".join((f"{len(failed)} of {len(parts)} tests failed", *lines)), parts=parts)
    printed = shortened(text_of(done.stdout) or text_of(done.stderr))
    if done.status == _NO_TESTS or (not done.status and not parts):
        raise StepFailed("no test was run", came=printed, hint="see the step's path and args, and which tests skip")
    if done.status:
        raise StepFailed(f"pytest ended with exit status {done.status}", came=printed, parts=parts)
    return parts


def _command(action: Pytest, report: Path) -> list[str]:
    """`-p slimtasks`: the fixture, also where plugins are not loaded by themselves."""
    options = ("-p", "slimtasks", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={report}")
    return [sys.executable, "-m", "pytest", *options, *action.args, str(action.path)]


def _parts(report: Path) -> Iterator[PartResult]:
    """The tests of a report in the family xunit1, which tells files and lines (counted from 0)."""
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        wrong = next((found for kind in _FAILURES if (found := case.find(kind)) is not None), None)
        said = "" if wrong is None else f"{wrong.get('message', wrong.tag)}\n{wrong.text or ''}".strip()
        where = case.get("file", "")
        place = f"{where}:{int(case.get('line', '0')) + 1}" if where else case.get("classname", "")
        yield PartResult(case.get("name", ""), place, float(case.get("time", "0")), said)
