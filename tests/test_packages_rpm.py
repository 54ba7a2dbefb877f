"""rpm's database, which stays whole: SQLite's as rpm 4.18 wrote it, see test_pipeline_rpm.py, and others by name."""

from __future__ import annotations

import json
import lzma
import sqlite3
from pathlib import Path

import pytest
from oci_archives import docker_archive, scanned
from small_trees import accesses, entries, files, rule
from syft import read_bill
from tars import f, tar

from slimtasks.packages.installed import captured, owners, packages
from slimtasks.packages.rpm import databases
from slimtasks.records import ImagePath, Package
from slimtasks.rootfs import Tree
from slimtasks.sbom import cyclonedx, spdx
from slimtasks.sbom.components import Slimmed
from slimtasks.sbom.contents import Contents
from slimtasks.sbom.document import Subject
from slimtasks.selection import Inputs, Selection, select
from slimtasks.squash import squash

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


DATABASE = ImagePath("/usr/lib/sysimage/rpm/rpmdb.sqlite")
WRITTEN = lzma.decompress((Path(__file__).parent / "rpmdb.sqlite.xz").read_bytes())


def test_packages() -> None:
    server, extra = packages({DATABASE: WRITTEN})
    assert server == Package(
        "rpm/server",
        "1:2.0-3.fc39",
        "noarch",
        "server-2.0-3.fc39.src.rpm",
        paths=(ImagePath("/bin/late"), ImagePath("/bin/server")),
        provides=("server", "/bin/late", "/bin/server"),
    )
    assert (extra.name, extra.depends) == ("rpm/server-extra", (("server",),))
    assert extra.paths == ("/usr/share/extra", "/usr/share/extra/one")


def test_owners_and_whole_packages() -> None:
    tree = entries("/bin -> usr/bin\n/usr/bin/server\n/usr/bin/late\n/usr/share/extra/one")
    found = owners(packages({DATABASE: WRITTEN}), Tree(tree))
    assert set(found.items()) >= {("/usr/bin/late", "rpm/server"), ("/usr/share/extra/one", "rpm/server-extra")}


def test_captured() -> None:
    assert captured(DATABASE) and captured("/var/lib/rpm/rpmdb.sqlite-wal")
    assert not captured("/var/lib/rpm/Packages") and not captured("/app/rpmdb.sqlite")


def test_a_database_may_be_larger_than_other_files(tmp_path: Path) -> None:
    large = bytes(5 << 20)
    layer = tar(f(DATABASE[1:], large), f("etc/passwd", large))
    assert set(scanned(docker_archive(layer), tmp_path, DATABASE, "/etc/passwd").files) == {DATABASE}


def test_a_damaged_database_has_no_packages(tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    with sqlite3.connect(endless) as database:
        query = "WITH RECURSIVE more(hnum) AS (SELECT 1 UNION ALL SELECT hnum + 1 FROM more)"
        database.execute(f"CREATE VIEW Packages AS {query} SELECT hnum, NULL AS blob FROM more")
    database.close()
    blob = WRITTEN.replace(b"server-extra", b"server\xff\0\0\0\0\0")
    for content in (b"", b"no database", WRITTEN[:9000], endless.read_bytes()):
        assert packages({DATABASE: content}) == ()
    assert len(packages({DATABASE: blob})) == 2


def test_two_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / "two"
    file.write_bytes(WRITTEN)
    with sqlite3.connect(file) as database:
        [(blob,)] = database.execute("SELECT blob FROM Packages WHERE hnum = 1")
        for hnum, other in ((8, blob.replace(b"noarch", b"x86_64")), (9, blob.replace(b"2.0\0", b"3.0\0"))):
            database.execute("INSERT INTO Packages VALUES (?, ?)", (hnum, other))
    database.close()
    names = [package.name for package in packages({DATABASE: file.read_bytes()})]
    assert names == ["rpm/server", "rpm/server-extra", "rpm/server:noarch", "rpm/server:x86_64"]


def test_licences_stay_and_a_squash_says_that_the_database_is_not_cut() -> None:
    tree = entries(FEDORA + "/usr/share/licenses/x/COPYING package=rpm/x\n/usr/share/x package=rpm/x")
    paths = (ImagePath("/usr/share/licenses/x/COPYING"), ImagePath("/usr/share/x"))
    inputs = Inputs(tree, accesses("read /usr/share/x"), [Package("rpm/x", "1", paths=paths)], unowned="traced")
    assert "/usr/share/licenses/x/COPYING" in files(select(inputs).selected, tree).split()
    squashed = squash(tree, inputs.packages, {}, purge=[rule("x")])
    assert squashed.notes == ("rpm's database stays whole: it still has what is gone, 1 package",)
    assert DATABASE not in squash(tree, inputs.packages, {}, metadata="none").paths


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
