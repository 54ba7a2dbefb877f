"""Lines that messages tell do what they say once they stand in a spec."""

from __future__ import annotations

import pytest
import yaml
from small_trees import entries, rule

from slimtasks.records import Entry, ImagePath
from slimtasks.rootfs import Tree
from slimtasks.selection import missing
from slimtasks.selection.spec_lines import pattern_of, spec_line
from slimtasks.spec.interpolate import Caller
from slimtasks.spec.toml_tree import parse_toml

PATHS = (
    "/etc/passwd",
    "/usr/bin/[",
    "/srv/what?.txt",
    "/srv/a*b",
    '/srv/with "quotes" and \\',
    "/srv/${HOME}/$$",
    "/srv/two\nlines\x7f",
    "/srv/smile 😀 é",
    "/srv/latin\udce9",
)


@pytest.mark.parametrize("path", PATHS)
def test_a_line_read_back_names_the_path_and_nothing_else(path: str) -> None:
    for read, toml in ((yaml.safe_load, False), (lambda text: parse_toml(text, "image.toml"), True)):
        [text] = read(spec_line("keep", pattern_of(path), toml=toml))["keep"]
        tree = Tree([*entries("/srv/x\n/usr/bin/x\n/etc/x"), *(Entry(ImagePath(p), "file", 0o644) for p in PATHS)])
        assert tree.match(Caller({}).fill(text)) == (path,)


def test_what_is_lacking_is_told_in_words() -> None:
    tree = Tree(entries("/bin -> usr/bin\n/usr/bin/perl\n/usr/bin/["))
    drop = (rule("/usr/bin/[[]", "images/web/image.yaml:7:8"),)
    found = missing([ImagePath("/bin/perl"), ImagePath("/bin/[")], tree, {"/bin"}, drop)
    assert [f"{lacking.path}: {lacking.advice}" for lacking in found] == [
        '/usr/bin/perl: would be kept by keep: ["/usr/bin/perl"]',
        '/usr/bin/[: taken away by drop: ["/usr/bin/[[]"] at images/web/image.yaml:7:8',
    ]


def test_what_is_lacking_on_one_way_is_brought_back_by_what_was_asked_for() -> None:
    tree = Tree(entries("/bin -> usr/bin\n/usr/bin/sh -> dash\n/usr/bin/dash\n/usr/bin/script script=/bin/sh"))
    found = missing([ImagePath("/bin/sh")], tree, (), ())
    assert [(lacking.path, lacking.asked) for lacking in found] == [
        (path, "/bin/sh") for path in ("/bin", "/usr/bin/sh", "/usr/bin/dash")
    ]
    found = missing([ImagePath("/usr/bin/script")], tree, {"/usr/bin/script", "/bin", "/usr/bin/sh"}, ())
    assert [(lacking.path, lacking.asked) for lacking in found] == [("/usr/bin/dash", "/usr/bin/dash")]
