"""The one date of an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks import fatfiles
from slimtasks.assembly.dates import Clock
from slimtasks.errors import Damaged, SlimError
from slimtasks.oci.config import timestamp
from slimtasks.packages.dpkg import newest
from slimtasks.records import Entry, FileType, ImagePath, write_lines
from slimtasks.workspace import ImageFiles

NOON = 43_200  # when the packages were installed


def entry(path: str, mtime: int, package: str = "", kind: FileType = "file", layer: int = 0) -> Entry:
    return Entry(ImagePath(path), kind, 0o644, mtime=mtime, package=package, layer=layer)


ENTRIES = (
    entry("/a", 10, "deb/a"),
    entry("/b", 30, "deb/b"),
    entry("/c", 20, "deb/c:i386"),
    entry("/made", NOON + 5),
    entry("/var/lib/dpkg/info/a.list", NOON),
    entry("/var/lib/dpkg/info/c:i386.list", NOON),
    entry("/var/lib/dpkg/status.d/b", NOON),
    entry("/var/lib/dpkg/status.d/b.md5sums", 0),
)


def test_the_newest_file_of_a_package_gives_the_date() -> None:
    assert Clock.of(ENTRIES, {}).epoch == 30


def test_source_date_epoch_comes_first() -> None:
    assert Clock.of(ENTRIES, {"SOURCE_DATE_EPOCH": "20"}).epoch == 20


def test_a_tree_without_packages_is_of_1970() -> None:
    assert Clock.of(ENTRIES[3:], {}).epoch == 0


@pytest.mark.parametrize("given", ["today", "", "-1", "1.5", "1700000000000", "253402300800", "9" * 5000])
def test_a_date_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(SlimError, match=f"SOURCE_DATE_EPOCH is '{given[:40]}'"):
        Clock.of(ENTRIES, {"SOURCE_DATE_EPOCH": given})


def test_a_date_that_no_config_can_tell_is_the_last_one() -> None:
    late = (entry("/x", 10**15, "deb/late"), entry("/var/lib/dpkg/info/late.list", 10**16))
    last = Clock.of((*ENTRIES, *late), {}).epoch
    assert timestamp(last) == "9999-12-31T23:59:59Z" and Clock.of(ENTRIES, {}, 10**15).epoch == last
    assert Clock.of(ENTRIES, {"SOURCE_DATE_EPOCH": str(last)}).epoch == last


@pytest.mark.parametrize("since", [-30, 0, 3600])
def test_a_packages_file_that_the_build_wrote_anew_does_not_count(since: int) -> None:
    edited = entry("/etc/a.conf", NOON + since, "deb/a")
    clock = Clock.of((*ENTRIES, edited), {})
    assert (clock.epoch, clock.mtime(edited)) == (30, 30)


def test_the_links_and_directories_of_a_package_may_be_made_by_whatever_unpacked_it() -> None:
    clock = Clock.of(ENTRIES, {})
    assert clock.mtime(entry("/lib64", NOON, "deb/a", "link")) == 30
    assert clock.mtime(entry("/usr", 10, "deb/a", "dir")) == 30


@pytest.mark.parametrize(
    ("mtime", "package", "expected"),
    [(5, "", 20), (50, "", 20), (5, "deb/a", 5), (50, "deb/a", 50), (50, "deb/c:i386", 50)],
)
def test_what_no_package_brought_has_the_one_date_however_old_it_is(mtime: int, package: str, expected: int) -> None:
    clock = Clock.of(ENTRIES, {"SOURCE_DATE_EPOCH": "20"})
    assert clock.mtime(entry("/x", mtime, package)) == expected


def test_a_copy_over_a_packages_file_is_not_the_packages_however_old_it_is() -> None:
    clock = Clock.of(ENTRIES, {})
    assert [clock.mtime(entry("/etc/a.conf", 5, "deb/a", layer=layer)) for layer in (0, 1)] == [5, 30]
    assert clock.brought(entry("/etc/a.conf", 5, "deb/a", layer=1)) is None
    upgraded = Clock.of((*ENTRIES, entry("/var/lib/dpkg/info/a.list", NOON, layer=1)), {})
    assert upgraded.mtime(entry("/etc/a.conf", 5, "deb/a", layer=1)) == 5


@pytest.mark.parametrize(
    ("mtime", "package", "kind", "expected"),
    [
        (5, "deb/a", "file", 5),
        (NOON, "deb/a", "file", NOON),  # as the newest file of a squashed base is
        (NOON - 30, "deb/a", "file", None),
        (NOON + 30, "deb/a", "file", None),
        (5, "", "file", None),
        (NOON + 30, "deb/a", "link", 100),
    ],
)
def test_a_shared_layer_has_files_as_their_package_brought_them(
    mtime: int, package: str, kind: FileType, expected: int | None
) -> None:
    assert Clock.of(ENTRIES, {}, 100).brought(entry("/x", mtime, package, kind)) == expected


def test_a_given_date_comes_after_source_date_epoch() -> None:
    assert Clock.of(ENTRIES, {}, 100).epoch == 100
    assert Clock.of(ENTRIES, {"SOURCE_DATE_EPOCH": "20"}, 100).epoch == 20


def test_the_list_of_an_images_files_tells_its_date(tmp_path: Path) -> None:
    files = ImageFiles(tmp_path)
    write_lines(files.inventory, {"newest": newest(ENTRIES)}, ENTRIES)
    assert fatfiles.newest(files) == Clock.of(ENTRIES, {}).epoch == 30


def test_a_list_of_files_that_tells_no_date_is_damaged(tmp_path: Path) -> None:
    write_lines(ImageFiles(tmp_path).inventory, {}, ENTRIES)
    with pytest.raises(Damaged, match=r"inventory\.jsonl is damaged"):
        fatfiles.newest(ImageFiles(tmp_path))
