"""rpm's database, which stays whole and of which no package is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_trees import accesses, entries, files, rule
from syft import read_bill

from slimtasks.packages.rpm import databases
from slimtasks.rootfs import Tree
from slimtasks.sbom import cyclonedx, spdx
from slimtasks.sbom.components import Slimmed
from slimtasks.sbom.contents import Contents
from slimtasks.sbom.document import Subject
from slimtasks.selection import Inputs, Selection, select

FEDORA = """
/bin/server
/usr/lib/sysimage/rpm/rpmdb.sqlite size=217088
/usr/lib/sysimage/rpm/rpmdb.sqlite-shm size=32768
/usr/lib/sysimage/rpm/rpmdb.sqlite-wal
/var/lib/rpm -> ../../usr/lib/sysimage/rpm
"""
OLD = """
/bin/server
/var/lib/rpm/Basenames size=9
/var/lib/rpm/Packages size=2000
"""


def selected(tree: str, **more: object) -> Selection:
    inputs = Inputs(entries(tree), accesses("exec /bin/server"), unowned="traced", granularity="file", **more)  # type: ignore[arg-type]
    return select(inputs)


@pytest.mark.parametrize(
    ("tree", "staying", "told"),
    [
        (
            FEDORA,
            "rpmdb.sqlite rpmdb.sqlite-wal rpm",
            "(/usr/lib/sysimage/rpm/rpmdb.sqlite, /usr/lib/sysimage/rpm/rpmdb.sqlite-wal, 217.1 kB)",
        ),
        (OLD, "Packages", "(/var/lib/rpm/Packages, 2.0 kB)"),
    ],
)
def test_the_database_stays_whole(tree: str, staying: str, told: str) -> None:
    found = selected(tree)
    paths = files(found.selected, entries(tree)).split()
    assert [path.rpartition("/")[2] for path in paths] == ["server", *staying.split()]
    assert not [item.path for item in found.selected if item.content]
    [note] = [note for note in found.notes if "rpm" in note]
    assert note.startswith(f"rpm's database stays whole {told}: scanners find the packages that are gone, too")


def test_it_goes_where_it_is_not_wanted() -> None:
    for more in ({"metadata": "none"}, {"drop": [rule("/usr/lib/sysimage/rpm/**"), rule("/var/lib/rpm")]}):
        found = selected(FEDORA, **more)
        assert files(found.selected, entries(FEDORA)) == "/bin/server"
        assert not [note for note in found.notes if "rpm" in note]


def test_an_image_without_it_has_none() -> None:
    assert databases(Tree(entries("/var/lib/rpm/\n/var/lib/rpm/__db.001"))) == ()


def test_the_bills_say_what_they_lack(tmp_path: Path) -> None:
    tree, nothing = Tree(entries(OLD)), Contents(frozenset(), {}, {})
    slimmed = Slimmed(tree, (), {}, (), nothing, nothing, Tree(()))
    subject = Subject("small:1", "sha256:0", 0, (), unread=slimmed.unread)
    lack = "the packages of rpm are not told: /var/lib/rpm/Packages is not read"
    told = cyclonedx.bill(subject)
    assert told["compositions"] == [{"aggregate": "incomplete", "dependencies": ["image"]}]
    assert told["properties"] == [{"name": "slimtasks:lack", "value": lack}]
    assert spdx.bill(subject)["comment"] == lack
    for form in (cyclonedx, spdx):
        (tmp_path / "bill.json").write_text(json.dumps(form.bill(subject)))
        assert read_bill(tmp_path / "bill.json") == set()
    whole = Subject("small:1", "sha256:0", 0, ())
    assert "compositions" not in cyclonedx.bill(whole) and "comment" not in spdx.bill(whole)
