"""Rules are added to a spec in its own way; all else stays as it is."""

from __future__ import annotations

import pytest

from slimtasks.repair.lines import Line
from slimtasks.repair.writing import with_rules

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
