"""What a small image has no longer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from built_repo import BuiltRepo

from slimtasks.answers.built import Built
from slimtasks.answers.removed import Removed, removed
from slimtasks.answers.removed_text import removed_text
from slimtasks.errors import SlimError

TREE = """\
/etc/passwd size=33
/etc/hosts size=50
/usr/bin/app size=1000 package=app
/usr/bin/one size=3000 package=app
/usr/bin/two size=3000 package=app hardlink=/usr/bin/one
/usr/bin/tool size=70 package=tool
/usr/share/big size=200000 package=tool
/usr/share/notes size=8 package=app
/usr/bin/x -> tool
"""


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """One package in part, one not at all, one file of nobody's."""
    repo = BuiltRepo(tmp_path)
    repo.build("web", "", TREE, "exec /usr/bin/app\nread /usr/bin/two\n")
    return Built(repo.session.by_name["web"], repo.session.workspace)


def said(answer: Removed, most: int = 0, *, files: bool = False) -> str:
    return removed_text(answer, most, files=files)


def test_packages_largest_first_whole_or_in_part(built: Built) -> None:
    assert (
        said(removed(built))
        == """\
web: 6 of 8 files removed, 200.1 kB of 204.1 kB
1 whole package (200.1 kB), parts of 1 (8 B), and what no package owns (33 B)
  200.1 kB  tool 1.0 (whole)
      33 B  no package (2 files)
       8 B  app 1.0 (part: 2 of 4 files stay)"""
    )


def test_files_largest_first_and_no_more_than_asked(built: Built) -> None:
    assert said(removed(built), 3, files=True).split("\n")[2:] == [
        "  200.0 kB  /usr/share/big",
        "      70 B  /usr/bin/tool",
        "      33 B  /etc/passwd",
        "  and 3 more (-n 0 shows all)",
    ]


def test_one_package(built: Built) -> None:
    assert (
        said(removed(built, "tool"), files=True)
        == """\
web: 2 of 2 files of tool removed, 200.1 kB of 200.1 kB
  200.0 kB  /usr/share/big
      70 B  /usr/bin/tool
all of it: would be kept by keep-packages: ["tool"]"""
    )
    assert removed(built, "deb/tool") == removed(built, "tool")
    with pytest.raises(SlimError, match=r"of web has no package tol; the nearest is tool"):
        removed(built, "tol")


def test_bytes_that_stay_under_another_name_are_not_removed(built: Built) -> None:
    sizes = {file.path: file.size for file in removed(built).files}
    assert sizes["/usr/bin/one"] == 0  # type: ignore[index]
    whole = removed(built)
    assert whole.removed.size + whole.kept.size == 33 + 1000 + 3000 + 70 + 200000 + 8


def test_what_add_brings_instead_is_not_removed(tmp_path: Path) -> None:
    repo = BuiltRepo(tmp_path)
    repo.write("images/web/passwd", "root\n")
    repo.build("web", "add: [{source: passwd, target: /etc/passwd}]\n", TREE, "exec /usr/bin/app\n")
    built = Built(repo.session.by_name["web"], repo.session.workspace)
    assert "/etc/passwd" not in {file.path for file in removed(built).files}


def test_nothing_removed(tmp_path: Path) -> None:
    repo = BuiltRepo(tmp_path)
    repo.build("web", "", "/usr/bin/app size=10 package=app", "exec /usr/bin/app\n")
    answer = removed(Built(repo.session.by_name["web"], repo.session.workspace))
    assert replace(answer, kept=answer.removed) == Removed("web", "", answer.removed, answer.removed, (), ())
    assert said(answer).startswith("web: 0 of 1 file removed, 0 B of 10 B\n")
