import pytest
from small_trees import entries

from slimtasks.rootfs import Tree, normalise, parents

USRMERGED = """
/bin -> usr/bin
/lib -> /usr/lib
/usr/bin/
/usr/bin/sh -> dash
/usr/bin/dash
/usr/bin/[
/usr/lib/libc.so.6
/etc/alternatives/awk -> /usr/bin/mawk
/usr/bin/awk -> /etc/alternatives/awk
/usr/bin/mawk
/var/run -> /run
/run/
/a/b/up -> ../../usr
/loop/one -> two
/loop/two -> one
/etc/mtab -> ../proc/self/mounts
"""


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/etc/passwd", "/etc/passwd"),
        ("./usr/bin/", "/usr/bin"),
        ("usr//lib/./x", "/usr/lib/x"),
        ("/a/../../b", "/b"),
        ("/", "/"),
        ("", "/"),
        ("/a/...", "/a/..."),
        ("/a/.hidden", "/a/.hidden"),
    ],
)
def test_normalise(written: str, path: str) -> None:
    assert normalise(written) == path


def test_parents_are_those_above_root_first() -> None:
    assert parents("/usr/bin/sh") == ("/", "/usr", "/usr/bin")
    assert parents("/") == ()


@pytest.mark.parametrize(
    ("path", "walked"),
    [
        ("/bin/sh", "/bin /usr/bin/sh => /usr/bin/dash file"),
        ("/lib/libc.so.6", "/lib => /usr/lib/libc.so.6 file"),
        ("/bin/awk", "/bin /usr/bin/awk /etc/alternatives/awk => /usr/bin/mawk file"),
        ("/bin/../lib/libc.so.6", "/bin => /usr/lib/libc.so.6 file"),
        ("/a/b/up/bin", "/a/b/up => /usr/bin dir"),
        ("/a/b/up/..", "/a/b/up => / dir"),
        ("/../../usr", " => /usr dir"),
        ("/bin/absent/deeper", "/bin => /usr/bin/absent/deeper none"),
        ("/usr/bin/dash/x", " => /usr/bin/dash/x none"),
        ("/loop/one", "/loop/one /loop/two => /loop/one none"),
        ("/etc/mtab", "/etc/mtab => /proc/self/mounts none"),
        ("/", " => / dir"),
    ],
)
def test_walk(path: str, walked: str) -> None:
    walk = Tree(entries(USRMERGED)).walk(path)
    kind = walk.final.type if walk.final else "none"
    assert f"{' '.join(walk.passed)} => {walk.resolved} {kind}" == walked


def test_walk_stops_at_a_last_symlink_where_asked() -> None:
    walk = Tree(entries(USRMERGED)).walk("/bin/sh", follow_last=False)
    assert (walk.passed, walk.resolved) == (("/bin",), "/usr/bin/sh")
    assert walk.final is not None
    assert walk.final.type == "link"


def test_walk_follows_forty_symlinks_like_the_kernel() -> None:
    chain = "".join(f"/l{n} -> l{n + 1}\n" for n in range(1, 41)) + "/l41\n"
    tree = Tree(entries(chain))
    assert tree.walk("/l1").final == tree.lookup("/l41")
    assert Tree(entries(chain + "/l0 -> l1\n")).walk("/l0").final is None


def test_implied_directories_are_there() -> None:
    tree = Tree(entries("/a/b/c"))
    assert tree.paths == ("/", "/a", "/a/b", "/a/b/c")
    assert tree.children("/a") == ("/a/b",)
    assert tree.below("/a") == ("/a/b", "/a/b/c")


def test_below_is_not_fooled_by_names_that_sort_between() -> None:
    tree = Tree(entries("/a/x\n/a-b/x\n/a.b\n/ab/x\n"))
    assert tree.below("/a") == ("/a/x",)


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("/usr/bin/sh", "/usr/bin/sh"),
        ("/bin/dash", "/usr/bin/dash"),
        ("/bin/d*", "/usr/bin/dash"),
        ("/usr/bin/**", "/usr/bin /usr/bin/[ /usr/bin/awk /usr/bin/dash /usr/bin/mawk /usr/bin/sh"),
        ("/usr/*", "/usr/bin /usr/lib"),
        ("/**/libc.so.?", "/usr/lib/libc.so.6"),
        ("**/mawk", "/usr/bin/mawk"),
        ("/usr/**/dash", "/usr/bin/dash"),
        ("/usr/bin/[ds]*", "/usr/bin/dash /usr/bin/sh"),
        ("/usr/bin/[!ds[]*", "/usr/bin/awk /usr/bin/mawk"),
        ("/usr/bin/[", "/usr/bin/["),
        ("/bin", "/bin"),
        ("/etc/*/a*", "/etc/alternatives/awk"),
        ("/nowhere/**", ""),
        ("/usr/b*/[z-a]", ""),
    ],
)
def test_match(pattern: str, paths: str) -> None:
    assert " ".join(Tree(entries(USRMERGED)).match(pattern)) == paths


def test_match_names_that_are_not_utf8() -> None:
    name = b"/data/\xff\n.txt".decode(errors="surrogateescape")
    tree = Tree([entries("/data/x")[0].__class__(normalise(name), "file", 0o644)])
    assert tree.match("/data/*.txt") == (name,)
