"""apk's database, as hand-written stanzas have it in the format of apk-tools: no Alpine can be had here."""

from small_trees import accesses, entries, files, rule

from slimtasks.packages import apk
from slimtasks.packages.installed import captured, owners, packages
from slimtasks.records import ImagePath, Package, Selected
from slimtasks.rootfs import Tree
from slimtasks.sbom.purl import of_package
from slimtasks.selection import Inputs, select
from slimtasks.squash import squash

MUSL = """\
C:Q1Deb0jNytkrjPW4N/eKLZ43BwOlw=
P:musl
V:1.2.4-r2
A:x86_64
L:MIT
o:musl
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q12adwqQOjo9dFl+VJD2Ecd901vhE=
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q17yJ3JFNypA4mxhJJr0ou6CzsJVI=
"""
ZLIB = """\
P:zlib
V:1.3.1-r0
A:x86_64
D:so:libc.musl-x86_64.so.1 musl>=1.2 !uclibc
F:lib
R:libz.so.1
a:0:0:777
F:usr
F:usr/share
F:usr/share/zlib
M:0:0:1777
R:one
R:two
Z:Q12adwqQOjo9dFl+VJD2Ecd901vhE=
"""
UTILS = "P:musl-utils\nV:1.2.4-r2\nA:x86_64\no:musl\nF:\nF:usr\nF:usr/bin\nR:ldd\na:0:0:755\n"
INSTALLED = "\n".join((MUSL, UTILS, ZLIB)) + "\n"
DATABASE = ImagePath("/lib/apk/db/installed")
CAPTURED = {DATABASE: INSTALLED.encode(), ImagePath("/etc/apk/world"): b"zlib>1\nmusl-utils@edge\nmusl\n"}
TREE = """
/etc/apk/world
/lib/apk/db/installed
/lib/apk/db/scripts.tar
/lib/ld-musl-x86_64.so.1 elf package=apk/musl
/lib/libc.musl-x86_64.so.1 -> ld-musl-x86_64.so.1 package=apk/musl
/lib/libz.so.1 elf package=apk/zlib
/usr/bin/ldd package=apk/musl-utils
/usr/share/zlib/ package=apk/zlib
/usr/share/zlib/one package=apk/zlib
/usr/share/zlib/two package=apk/zlib
"""


def selected(trace: str, **more: object) -> tuple[Selected, ...]:
    given = {"granularity": "file", **more}
    inputs = Inputs(entries(TREE), accesses(trace), packages(CAPTURED), captured=CAPTURED, unowned="traced", **given)  # type: ignore[arg-type]
    return select(inputs).selected


def written(found: tuple[Selected, ...]) -> dict[str, str]:
    return {item.path: item.content for item in found if item.content}


def test_packages() -> None:
    musl, utils, zlib = packages(CAPTURED)
    paths = tuple(ImagePath(f"/lib{name}") for name in ("", "/ld-musl-x86_64.so.1", "/libc.musl-x86_64.so.1"))
    provides = ("so:libc.musl-x86_64.so.1",)
    assert musl == Package("apk/musl", "1.2.4-r2", "x86_64", "musl", paths=paths, provides=provides)
    assert (utils.name, utils.source) == ("apk/musl-utils", "musl")
    assert (zlib.source, zlib.depends) == ("zlib", (("so:libc.musl-x86_64.so.1",), ("musl",)))


def test_no_package_without_a_name_and_each_once() -> None:
    assert packages({}) == packages({DATABASE: b""}) == packages({DATABASE: b"V:1\nR:x\n\n"}) == ()
    both = {path: INSTALLED.encode() for path in apk.DATABASES}
    assert packages(both) == packages(CAPTURED)


def test_captured() -> None:
    assert all(captured(path) for path in (*apk.DATABASES, apk.WORLD))
    assert not captured("/lib/apk/db/scripts.tar")


def test_owners_in_a_merged_usr() -> None:
    tree = entries("/lib -> usr/lib\n/usr/lib/libz.so.1\n/usr/lib/apk/db/installed\n/usr/share/zlib/")
    assert owners(packages(CAPTURED), Tree(tree)) == {
        "/usr/lib/libz.so.1": "apk/zlib",
        "/usr/share": "apk/zlib",
        "/usr/share/zlib": "apk/zlib",
    }


def test_purl_is_of_the_distribution() -> None:
    package = packages(CAPTURED)[1]
    source = (package.source, "")
    wolfi = {"ID": "wolfi", "VERSION_ID": "2023"}
    assert of_package(package, source, {}) == "pkg:apk/alpine/musl-utils@1.2.4-r2?arch=x86_64&upstream=musl"
    assert of_package(package, source, wolfi).startswith("pkg:apk/wolfi/musl-utils@1.2.4-r2?arch=x86_64&distro=wolfi-2")


def test_the_database_of_what_stays() -> None:
    found = selected("read /usr/share/zlib/two\nread /lib/libc.musl-x86_64.so.1")
    assert files(found, entries(TREE)).split() == [
        "/lib/apk/db/installed",
        "/lib/ld-musl-x86_64.so.1",
        "/lib/libc.musl-x86_64.so.1",
        "/usr/share/zlib/two",
    ]
    cut = ZLIB.replace("F:lib\nR:libz.so.1\na:0:0:777\nF:usr\nF:usr/share\n", "").replace("R:one\n", "")
    assert written(found) == {"/lib/apk/db/installed": f"{MUSL}\n{cut}\n"}
    assert packages({DATABASE: written(found)["/lib/apk/db/installed"].encode()})[1].paths == (
        "/usr/share/zlib",
        "/usr/share/zlib/two",
    )


def test_names_that_are_no_utf8_go_through() -> None:
    odd = ZLIB.encode().replace(b"R:two", b"R:tw\xff")
    assert apk.pruned(odd + b"\n", {"apk/zlib"}).encode("utf-8", "surrogateescape") == odd + b"\n"


def test_an_app_that_reads_the_database_gets_it_cut_down() -> None:
    found = written(selected("read /lib/libz.so.1\nread /lib/apk/db/installed"))
    assert [line for line in found["/lib/apk/db/installed"].split("\n") if line[:2] in ("P:", "F:", "R:")] == [
        "P:zlib",
        "F:lib",
        "R:libz.so.1",
    ]


def test_none_of_it() -> None:
    assert written(selected("read /lib/libz.so.1", metadata="none")) == {}
    assert written(selected("read /lib/libz.so.1", drop=[rule("/lib/apk/**")])) == {}


def test_what_the_base_has_installed_stays_in_the_database() -> None:
    below = ZLIB.replace("1.3.1-r0", "1.2-r0")
    installed = f"{MUSL}\n{below}\n".encode()
    base = entries("/lib/apk/db/installed digest=x\n/lib/ld-musl-x86_64.so.1\n/lib/libz.so.1")
    trace = "read /lib/libc.musl-x86_64.so.1\nread /lib/libz.so.1"
    found = selected(trace, base=base, base_captured={DATABASE: installed})
    names = [line for line in written(found)["/lib/apk/db/installed"].split("\n") if line[:2] in ("P:", "V:")]
    assert names == ["P:musl", "V:1.2.4-r2", "P:zlib", "V:1.2-r0", "P:zlib", "V:1.3.1-r0"]


def test_whole_packages_and_patterns() -> None:
    of_zlib = ["/lib/libz.so.1", "/usr/share/zlib/one", "/usr/share/zlib/two"]
    by_use = files(selected("read /usr/share/zlib/two", granularity="package"), entries(TREE)).split()
    assert [path for path in by_use if "/apk/" not in path] == of_zlib
    for pattern in ("zlib", "apk/zlib", "z*", "apk/z*", "zlib:x86_64"):
        kept = files(selected("", keep_packages=[rule(pattern)]), entries(TREE)).split()
        assert [path for path in kept if "/apk/" not in path] == of_zlib


def test_squash_leaves_a_database_of_what_stays() -> None:
    tree = entries(TREE)
    squashed = squash(tree, packages(CAPTURED), CAPTURED, purge=[rule("musl-utils")])
    assert set(Tree(tree).paths) - squashed.paths == {"/usr/bin/ldd"}
    assert dict(squashed.contents) == {
        "/etc/apk/world": b"zlib>1\nmusl\n",
        "/lib/apk/db/installed": f"{MUSL}\n{ZLIB}\n".encode(),
    }


def test_squash_to_packages_and_what_they_depend_on() -> None:
    squashed = squash(entries(TREE), packages(CAPTURED), CAPTURED, only_packages=[rule("zlib")])
    assert squashed.packages == ("apk/musl", "apk/zlib")
    assert {"/lib/apk/db/installed", "/lib/apk/db/scripts.tar", "/etc/apk/world"} <= squashed.paths


def test_squash_without_metadata() -> None:
    gone = set(Tree(entries(TREE)).paths) - squash(entries(TREE), packages(CAPTURED), CAPTURED, metadata="none").paths
    assert gone == {"/lib/apk/db", "/lib/apk/db/installed", "/lib/apk/db/scripts.tar"}
