"""What two builds of one Dockerfile have in common, and what they have not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slimtasks.oci.digest import tree_digest
from slimtasks.records import Entry, ImagePath

FILE = Entry(ImagePath("/usr/bin/x"), "file", 0o755, size=3, mtime=1, digest="aa")


def _digest(entry: Entry) -> str:
    return tree_digest([entry])


@pytest.mark.parametrize("change", [{"mtime": 9}, {"layer": 4}, {"package": "deb/x"}, {"script": "/bin/sh"}])
def test_what_does_not_count(change: dict[str, object]) -> None:
    assert _digest(replace(FILE, **change)) == _digest(FILE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/usr/bin/y"},
        {"type": "link"},
        {"mode": 0o4755},
        {"uid": 1},
        {"gid": 1},
        {"target": "x"},
        {"hardlink": "/a"},
        {"device": (1, 2)},
        {"digest": "bb"},
        {"xattrs": (("user.x", "00"),)},
    ],
)
def test_what_counts(change: dict[str, object]) -> None:
    assert _digest(replace(FILE, **change)) != _digest(FILE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/var/cache/apt/pkgcache.bin", False),
        ("/var/cachet", True),
        ("/var/log/dpkg.log", False),
        ("/var/lib/apt/lists/x", False),
        ("/tmp/x", False),
        ("/root/.cache/pip/x", False),
        ("/home/me/.cache/x", False),
        ("/home/me/x", True),
        ("/etc/hosts", False),
        ("/etc/hosts.allow", True),
        ("/etc/ld.so.cache", True),
        ("/proc/1/x", False),
        ("/.dockerenv", False),
        ("/srv/tmp/x", True),
    ],
)
def test_caches_logs_and_the_engines_files_do_not_count(path: str, counts: bool) -> None:
    entry = replace(FILE, path=ImagePath(path))
    assert (tree_digest([entry]) != tree_digest([])) == counts


def test_directories_of_caches_count_by_owner_and_mode() -> None:
    folder = Entry(ImagePath("/var/cache/nginx"), "dir", 0o755)
    assert _digest(folder) != _digest(replace(folder, uid=33))
    assert tree_digest([Entry(ImagePath("/dev/pts"), "dir", 0o555)]) == tree_digest([])


def test_compiled_python_counts_without_its_content() -> None:
    compiled = replace(FILE, path=ImagePath("/a/__pycache__/x.pyc"))
    assert _digest(compiled) == _digest(replace(compiled, digest="bb"))
    assert _digest(compiled) != tree_digest([])
