"""The one date of an image."""

from __future__ import annotations

import pytest

from slimtasks.assembly.dates import Clock
from slimtasks.errors import SlimError
from slimtasks.records import Entry, ImagePath

ENTRIES = (
    Entry(ImagePath("/a"), "file", 0o644, mtime=10, package="deb/a"),
    Entry(ImagePath("/b"), "file", 0o644, mtime=30, package="deb/b"),
    Entry(ImagePath("/made"), "file", 0o644, mtime=99),
)


def test_the_newest_file_of_a_package_gives_the_date() -> None:
    assert Clock.of(ENTRIES, {}) == Clock(30)


def test_source_date_epoch_comes_first() -> None:
    assert Clock.of(ENTRIES, {"SOURCE_DATE_EPOCH": "20"}) == Clock(20)


def test_a_tree_without_packages_is_of_1970() -> None:
    assert Clock.of(ENTRIES[2:], {}) == Clock(0)


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(SlimError, match="SOURCE_DATE_EPOCH is 'today'"):
        Clock.of(ENTRIES, {"SOURCE_DATE_EPOCH": "today"})


def test_the_links_and_directories_of_a_package_may_be_made_by_whatever_unpacked_it() -> None:
    assert Clock(30).mtime(Entry(ImagePath("/lib64"), "link", 0o777, mtime=99, package="deb/a")) == 30
    assert Clock(30).mtime(Entry(ImagePath("/usr"), "dir", 0o755, mtime=10, package="deb/a")) == 30


@pytest.mark.parametrize(("mtime", "package", "expected"), [(5, "", 5), (50, "", 30), (50, "deb/a", 50)])
def test_only_what_a_build_made_is_clamped(mtime: int, package: str, expected: int) -> None:
    assert Clock(30).mtime(Entry(ImagePath("/x"), "file", 0o644, mtime=mtime, package=package)) == expected
