"""Some paths of an inventory, without taking the rest apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks import fatfiles
from slimtasks.records import Entry, ImagePath, write_lines
from slimtasks.workspace import ImageFiles

NAMES = ("/a", '/a"b', "/a\\", '/a","path":"/b', "/b", "/\udcff", "/ü\n", "/var/lib/dpkg/status")


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    made = ImageFiles(tmp_path)
    write_lines(made.inventory, {}, [Entry(ImagePath(name), "file", 0o644, target=name) for name in NAMES])
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_found_whatever_is_in_its_name(files: ImageFiles, name: str) -> None:
    found = [entry.path for entry in fatfiles.entries_of(files, [ImagePath(name)])]
    assert found == list(dict.fromkeys([name, "/var/lib/dpkg/status"]))


def test_the_package_database_comes_with_any(files: ImageFiles) -> None:
    assert [entry.path for entry in fatfiles.entries_of(files, [ImagePath("/absent")])] == ["/var/lib/dpkg/status"]
