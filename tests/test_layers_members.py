"""What of a selection can be shared, and what sticks together."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from small_trees import entries

from slimtasks.layers.members import Bundle, bundles, source_of, split
from slimtasks.records import Entry, ImagePath, Reason, Selected

P = ImagePath


def selected(*paths: str) -> list[Selected]:
    return [Selected(P(path), (Reason("traced"),)) for path in paths]


def found(tree: str, *paths: str, edited: Iterable[str] = ()) -> list[str]:
    """'members: paths' of each bundle; all that is there is selected unless `paths` says what."""
    known = {entry.path: entry for entry in entries(tree)}

    def brought(entry: Entry) -> int | None:
        return None if entry.path in edited else 7

    return [line(bundle) for bundle in bundles(known, selected(*(paths or known)), brought)]


def line(bundle: Bundle) -> str:
    return f"{' '.join(bundle.members)}: {' '.join(entry.path for entry in bundle.entries)}"


LIBRARY = """
/lib/libz.so.1 -> libz.so.1.2 package=z
/lib/libz.so.1.2 package=z elf soname=libz.so.1 size=9
/lib/libz.so -> libz.so.1 package=z-dev
"""


def test_a_library_is_named_by_its_soname_link_which_brings_it() -> None:
    assert found(LIBRARY) == [
        "deb/z-dev:/lib/libz.so: /lib/libz.so",
        "deb/z:/lib/libz.so.1: /lib/libz.so.1 /lib/libz.so.1.2",
    ]


def test_a_library_without_its_link_is_named_by_itself() -> None:
    assert found(LIBRARY, "/lib/libz.so.1.2") == ["deb/z:/lib/libz.so.1.2: /lib/libz.so.1.2"]


@pytest.mark.parametrize("link", ["/lib/libz.so.1 -> other package=z", "/lib/libz.so.1 -> libz.so.1.2 package=y"])
def test_a_link_that_leads_elsewhere_or_is_anothers_brings_nothing(link: str) -> None:
    tree = f"{link}\n/lib/libz.so.1.2 package=z elf soname=libz.so.1"
    assert "deb/z:/lib/libz.so.1.2: /lib/libz.so.1.2" in found(tree)


def test_all_names_of_an_inode_stick_together() -> None:
    tree = """
    /a package=x size=5
    /b package=x size=5 hardlink=/a
    /c package=x
    """
    assert found(tree) == ["deb/x:/a deb/x:/b: /a /b", "deb/x:/c: /c"]
    assert found(tree, "/b", "/c") == ["deb/x:/b: /b", "deb/x:/c: /c"]
    assert found(tree, edited=["/b"]) == ["deb/x:/c: /c"]


def test_a_library_of_two_names_comes_with_both() -> None:
    tree = LIBRARY + "/lib/zz package=z hardlink=/lib/libz.so.1.2 size=9"
    assert found(tree)[1:] == ["deb/z:/lib/libz.so.1 deb/z:/lib/zz: /lib/libz.so.1 /lib/libz.so.1.2 /lib/zz"]


def test_what_no_package_brought_as_it_is_belongs_to_the_image() -> None:
    tree = """
    /dir/ package=x
    /edited package=x
    /made
    /plain package=x
    '/two\tcolumns' package=x
    """
    assert found(tree, edited=["/edited"]) == ["deb/x:/plain: /plain"]


def test_what_the_user_copied_over_a_packages_file_belongs_to_the_image() -> None:
    known = {entry.path: entry for entry in entries("/etc/a package=x\n/etc/b package=x")}
    copied = Selected(P("/etc/a"), (Reason("traced"), Reason("own", "COPY a /etc/")))
    found = bundles(known, [copied, *selected("/etc/b")], lambda _: 0)
    assert [bundle.members for bundle in found] == [("deb/x:/etc/b",)]


def test_generated_and_moved_files_belong_to_the_image() -> None:
    known = {entry.path: entry for entry in entries("/a package=x\n/b package=x\n/c -> a package=x\n/d package=x")}
    choices = [
        Selected(P("/a"), (), content="text"),
        Selected(P("/b"), (), source=P("/bin/b")),
        Selected(P("/c"), (), target="b"),
        Selected(P("/d"), (), source=P("/d")),
    ]
    assert [bundle.members for bundle in bundles(known, choices, lambda _: 0)] == [("deb/x:/d",)]


def test_compiled_python_belongs_to_the_package_of_its_source() -> None:
    tree = """
    /p/__pycache__/m.cpython-311.pyc
    /p/__pycache__/gone.cpython-311.pyc
    /p/m.py package=x
    """
    assert found(tree)[1] == "deb/x:/p/m.py: /p/m.py"
    assert found(tree)[0] == "deb/x:/p/__pycache__/m.cpython-311.pyc: /p/__pycache__/m.cpython-311.pyc"
    assert found(tree, edited=["/p/m.py"]) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [("/a/__pycache__/b.cpython-311.pyc", "/a/b.py"), ("/a/__pycache__/b.c.opt-1.pyc", "/a/b.py"), ("/a/b.pyc", "")],
)
def test_what_a_file_was_compiled_from(path: str, source: str) -> None:
    assert source_of(path) == (source or path)


def test_what_stands_in_a_layer_tells_nothing_of_the_image() -> None:
    known = {entry.path: entry for entry in entries("/a package=x layer=3 size=5 elf")}
    (bundle,) = bundles(known, selected("/a"), lambda _: 7)
    assert bundle.entries == (Entry(P("/a"), "file", 0o644, size=5, mtime=7),)


@pytest.mark.parametrize(
    ("name", "parts"), [("deb/a:/b", ("deb/a", "/b")), ("deb/a:i386:/b:/c", ("deb/a:i386", "/b:/c"))]
)
def test_a_name_has_a_package_and_a_path(name: str, parts: tuple[str, str]) -> None:
    assert split(name) == parts


@pytest.mark.parametrize("name", ["", "/a", ":/a", "deb/a", "deb/a:b", " deb/a:/b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        split(name)
