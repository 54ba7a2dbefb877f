"""Rules are added to a spec in its own way; all else stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from slimtasks.engine.client import Engine
from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.repair.lines import Line, with_lines
from slimtasks.repair.writing import add_lines, with_rules
from slimtasks.spec import load
from slimtasks.workspace import Workspace

LINES = (Line("keep", "/z"), Line("keep", "/x/${y}"), Line("keep-packages", "tzdata"))
PACKAGES = 'keep-packages: ["tzdata"]\n'
WIDE = ", ".join(f"/a/longer/path/number/{number}" for number in range(4))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tags: [a]  # b\n", 'tags: [a]  # b\nkeep: ["/x/$${y}", "/z"]\n' + PACKAGES),
        ("tags: [a]\n# the end", 'tags: [a]\n# the end\nkeep: ["/x/$${y}", "/z"]\n' + PACKAGES),
        ("keep: [/a]\n", 'keep: [/a, "/x/$${y}", "/z"]\n' + PACKAGES),
        ("keep: [ '/a', ]  # b\n", 'keep: [ \'/a\', "/x/$${y}", "/z", ]  # b\n' + PACKAGES),
        ("keep: []\n", 'keep: ["/x/$${y}", "/z"]\n' + PACKAGES),
        ("keep: [/a,  # b\n  /c  # d\n]\n", 'keep: [/a,  # b\n  /c, "/x/$${y}", "/z"  # d\n]\n' + PACKAGES),
        (f"keep: [{WIDE}]\n", f'keep: [{WIDE},\n       "/x/$${{y}}", "/z"]\n' + PACKAGES),
        (
            "keep:\n  - /a  # b\n  - /c  # d\n\n# e\nrun: {}\n",
            'keep:\n  - /a  # b\n  - /c  # d\n  - "/x/$${y}"\n  - "/z"\n\n# e\nrun: {}\n' + PACKAGES,
        ),
        ("keep:\n- /a", 'keep:\n- /a\n- "/x/$${y}"\n- "/z"\n' + PACKAGES),
        ("keep:\n  - >-\n    /a\nrun: {}\n", 'keep:\n  - >-\n    /a\n  - "/x/$${y}"\n  - "/z"\nrun: {}\n' + PACKAGES),
        (
            "keep-packages: [a]\r\nkeep:\r\n  - /a\r\n",
            'keep-packages: [a, "tzdata"]\r\nkeep:\r\n  - /a\r\n  - "/x/$${y}"\r\n  - "/z"\r\n',
        ),
    ],
)
def test_yaml(before: str, after: str) -> None:
    assert with_rules(before, LINES, toml=False) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            'tags = ["a"]  # b\n\n[from]\nimage = "c"\n',
            'tags = ["a"]  # b\nkeep = ["/x/$${y}", "/z"]\nkeep-packages = ["tzdata"]\n\n[from]\nimage = "c"\n',
        ),
        (
            'keep = [\n  "/a",  # b\n]\nkeep-packages = []\n',
            'keep = [\n  "/a",  # b\n  "/x/$${y}",\n  "/z",\n]\nkeep-packages = ["tzdata"]\n',
        ),
    ],
)
def test_toml(before: str, after: str) -> None:
    assert with_rules(before, LINES, toml=True) == after


@pytest.mark.parametrize("text", ["{keep: [/a]}\n", "own: &a [/a]\nkeep: *a\n", "keep: /a\n"])
def test_what_has_no_place_for_them(text: str) -> None:
    with pytest.raises(ValueError):
        with_rules(text, LINES, toml=False)


def job_of(root: Path, spec: str, defaults: str = "") -> Job:
    """For the image `web` of a repo with that spec."""
    (root / "images/web").mkdir(parents=True)
    (root / "images/web/image.yaml").write_text(spec)
    (root / "pyproject.toml").write_text(f"[tool.slimtasks]\n{defaults}")
    image = load(root, {}).image("web")
    return Job(image, {"web": image}, Workspace(root), cast(Engine, None), {}, print, print)


def test_the_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    job = job_of(tmp_path, "from: {image: x}\nworkload:\n  - http: {}\n")
    job.image.file.chmod(0o640)
    add_lines(job, LINES)
    assert load(tmp_path, {}).image("web") == with_lines(job.image, LINES)
    assert job.image.file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in job.image.folder.iterdir()] == ["image.yaml"]


@pytest.mark.parametrize(
    ("spec", "defaults", "why"),
    [
        ("{from: {image: x}}\n", "", ": its keys stand in braces"),
        ("from: {image: x}\nown: &a [/a]\nkeep: *a\n", "", ": keep is no list that stands there"),
        ("from: {image: x}\nkeep: &a [/a]\nown: *a\n", "", ": with them, it would say something else, too"),
        ("from: {image: x}\n", 'keep = ["/a"]\n', ": with them, it would say something else, too"),
        ("from: {image: x}\n...\n", "", ": nothing can stand behind its end"),
    ],
)
def test_a_spec_that_would_say_something_else_is_left_alone(tmp_path: Path, spec: str, defaults: str, why: str) -> None:
    job = job_of(tmp_path, spec, defaults)
    with pytest.raises(SlimError) as refused:
        add_lines(job, LINES)
    assert str(refused.value) == (
        f"images/web/image.yaml is not written so that lines can be added to it{why}\n"
        '  -> add by hand\n     keep: ["/x/$${y}", "/z"]\n     keep-packages: ["tzdata"]'
    )
    assert job.image.file.read_text() == spec
