"""doit repair on real apps of which something was taken out: `pytest -m apps`, minutes each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_repo import cloned, doit_in, fresh_tags

from slimtasks.engine.client import Engine

pytestmark = [pytest.mark.engine, pytest.mark.apps]

TOML = """\
  - exec: {command: [python3, -c, "import tomllib; print(tomllib.loads('a = 1'))"], stdout: ["{'a': 1}"]}
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with cloned(tmp_path_factory.mktemp("samples") / "clone") as made:
        yield made


@pytest.fixture
def tag(clone: Path) -> Iterator[str]:
    """A tag for the slim image that nobody else has; it goes at the end."""
    made = f"{fresh_tags()}/sample:latest"
    yield made
    Engine(clone).untag(made)


def spec_of(clone: Path, name: str, tag: str) -> Path:
    path = clone / "images" / name / "image.yaml"
    path.write_text(path.read_text().replace(f"our/{name}", tag))
    return path


def moved_to_checks(text: str, *words: str) -> str:
    """The spec with the lines of the workload that have one of the words behind `checks:`."""
    lines = text.splitlines(keepends=True)
    moved = [line for line in lines[: lines.index("checks:\n")] if any(word in line for word in words)]
    assert len(moved) == len(words)
    rest = [line for line in lines if line not in moved]
    at = rest.index("checks:\n") + 1
    return "".join([*rest[:at], *moved, *rest[at:]])


def repaired(clone: Path, spec: Path, *rules: str) -> None:
    """It is found and written, and the image passes."""
    before = spec.read_text()
    result = doit_in(clone, "repair", spec.parent.name, "--write")
    assert result.status == 0, result.output
    assert spec.read_text() == "\n".join([before.rstrip("\n"), *rules, ""])
    assert "none can be left out" in result.output


def test_a_lock_of_when_the_workload_was_shorter(clone: Path, tag: str) -> None:
    spec = spec_of(clone, "git", tag)
    whole = spec.read_text()
    lines = whole.splitlines(keepends=True)
    spec.write_text("".join(lines[: lines.index("workload:\n") + 3]))
    assert doit_in(clone, "lock", "git").status == 0
    spec.write_text(whole)
    repaired(clone, spec, 'keep: ["/bin/git-receive-pack", "/bin/git-upload-pack", "/bin/sh"]')


def test_a_module_that_only_a_check_imports(clone: Path, tag: str) -> None:
    """Nobody asks for it by name: Python lists the folder, and finds it lacking."""
    spec = spec_of(clone, "flask", tag)
    spec.write_text(spec.read_text().replace("checks:\n", f"granularity: file\nchecks:\n{TOML}"))
    repaired(clone, spec, 'keep: ["/usr/lib/python3.11/tomllib/**"]')


def test_commands_that_only_checks_call(clone: Path, tag: str) -> None:
    spec = spec_of(clone, "bash", tag)
    spec.write_text(moved_to_checks(spec.read_text(), "diff <(", "| tee "))
    repaired(clone, spec, 'keep: ["/bin/diff", "/bin/tee"]')
