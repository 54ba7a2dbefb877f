"""A suite of pytest's as a step of a workload, and its fixture on its own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from faults import DOCKERFILE, SPEC, fails
from junitparser import JUnitXml
from pipeline_repo import Repo, environment_of

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

SUITE = "images/web/suite/test_web.py"
TESTS = """\
from urllib.request import urlopen

import pytest

def test_notes(slim_container):
    with urlopen(slim_container.url("/notes")) as answer:
        assert answer.read() == b"first\\n"

@pytest.mark.skip
def test_not_yet(): ...

def test_which(slim_container):
    with pytest.raises(LookupError, match="has no port 81, but 80"):
        slim_container.address(81)
"""
STEP = "  - pytest: suite\n"
CHECK = "checks:\n  - pytest: {path: suite, args: [-k, notes]}\n"


@pytest.fixture
def tested(site: Repo) -> Repo:
    """The repo with a page of `web` that only the suite asks for."""
    site.write("images/web/notes", "first\n")
    site.append(DOCKERFILE, "COPY notes /www/notes\nEXPOSE 80\n")
    site.write(SUITE, TESTS)
    return site


def test_what_the_suite_asks_for_stays_and_a_change_of_it_traces_again(tested: Repo) -> None:
    tested.append(SPEC, STEP)
    result = tested.run()
    assert result.failed == (), result.output
    [suite] = JUnitXml.fromfile(str(tested.path("build/web/junit.xml")))
    assert [case.name for case in suite][2:] == [f"step 3 (pytest) suite: test_{name}" for name in ("notes", "which")]
    why = tested.run("why", "web", "/www/notes").output
    assert "in step 3 (pytest suite)" in why, why
    assert not list(tested.path("images/web").rglob("*cache*"))
    assert tested.run().ran == ()
    tested.append(SUITE, "\ndef test_one_more():\n    pass\n")
    assert "trace:web" in tested.run().ran


def test_a_test_that_fails_is_told_with_its_place_and_with_what_is_missing(tested: Repo) -> None:
    tested.append(SPEC, CHECK)
    fails(
        tested,
        tested.run(),
        "verify:web",
        "check 1 (pytest) failed: 1 of 1 tests failed",
        "suite/test_web.py:5: test_notes: urllib.error.HTTPError: HTTP Error 404",
        '/www/notes: would be kept by keep: ["/www/notes"]',
    )


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("x = 1\n", "step 3 (pytest) failed: no test was run"),
        ("def test_x(:\n", "step 3 (pytest) failed: 1 of 1 tests failed"),
        ("def test_x(absent): ...\n", "suite/test_web.py:1: test_x: failed on setup"),
    ],
)
def test_a_suite_that_is_wrong(suite: str, said: str, tested: Repo) -> None:
    tested.append(SPEC, STEP)
    tested.write(SUITE, suite)
    fails(tested, tested.run(), "trace:web", said)


def test_the_fixture_starts_what_it_is_told_to(tested: Repo) -> None:
    assert tested.run().failed == ()

    def suite(*options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", SUITE, *options]
        variables = environment_of({"PYTHONDONTWRITEBYTECODE": "1"})
        done = subprocess.run(command, cwd=tested.root, env=variables, capture_output=True, text=True)
        return done.returncode, done.stdout

    status, said = suite("--slim-image=web@fat")
    assert (status, said.splitlines()[-1].partition(" in ")[0]) == (0, "2 passed, 1 skipped"), said
    status, said = suite("--slim-image=web")
    assert status == 1 and "HTTP Error 404" in said, said
    status, said = suite(f"--slim-image={tested.tags}/web")
    assert status == 1 and "HTTP Error 404" in said, said
    for options, wrong in (
        ((), "slim_container: which image? say --slim-image=NAME"),
        (("--slim-image=webb",), "neither this repo nor the engine has an image webb"),
        (("--slim-image=webb@fat",), "this repo has no image webb"),
    ):
        status, said = suite(*options)
        assert status == 1 and wrong in said and "Traceback" not in said and "another exception" not in said, said
    assert tested.left_over() == []
