"""A selection on top of final.base."""

from dataclasses import replace

import pytest
from small_trees import accesses, dump, entries, rule

from slimtasks.errors import SlimError
from slimtasks.records import Selected
from slimtasks.selection import Inputs, select

FAT = """
/bin -> usr/bin
/usr/bin/app digest=a size=1
/usr/bin/sh -> dash
/usr/bin/dash digest=d
/etc/passwd digest=fat
/etc/app.conf digest=c
/etc/same digest=s
/lib64/ld.so -> ../usr/lib/ld-2.36.so
/usr/lib/ld-2.36.so digest=l
"""


def selected(trace: str, base: str, fat: str = FAT, **more: object) -> tuple[Selected, ...]:
    values: dict[str, object] = {"granularity": "file", "metadata": "none", "unowned": "traced", **more}
    return select(Inputs(entries(fat), accesses(trace), base=entries(base), **values)).selected  # type: ignore[arg-type]


def test_what_the_base_has_identically_is_left_out() -> None:
    base = "/bin -> usr/bin\n/usr/bin/busybox\n/etc/same digest=s\n/usr/bin/sh -> busybox\n"
    found = selected("exec /bin/app\nread /etc/same\nexec /bin/sh", base)
    assert dump(found) == (
        "/usr/bin/app: traced: executed (strace)\n"
        "/usr/bin/dash: traced: executed (strace)\n"
        "/usr/bin/sh: needed: symlink on the way to /usr/bin/dash"
    )


def test_files_go_where_the_base_s_symlinks_lead() -> None:
    found = selected("exec /lib64/ld.so", "/lib64 -> usr/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu/\n")
    assert dump(found).replace("needed: symlink on the way to /usr/lib/ld-2.36.so", "...") == (
        "/usr/lib/ld-2.36.so: traced: executed (strace)\n"
        "/usr/lib/x86_64-linux-gnu/ld.so <- /lib64/ld.so -> /usr/lib/ld-2.36.so: traced: executed (strace)"
    )


@pytest.mark.parametrize(
    ("trace", "base", "said"),
    [
        ("exec /bin/app", "/bin/busybox", "'s /bin is a symlink to usr/bin, but the base's /bin is a directory"),
        ("read /etc/app.conf", "/etc/app.conf/x", " is a file, but the base's /etc/app.conf is a directory"),
        ("read /etc/app.conf", "/etc", "/etc is a directory, but the base's /etc is a file"),
        ("read /etc/app.conf", "/etc/app.conf -> /var\n/var/", "'s /etc/app.conf is a symlink to the directory /var"),
        ("exec /bin/app", "/bin -> opt\n/opt/x", "/bin is a symlink to usr/bin, but the base's /bin is a symlink to"),
        ("read /etc/passwd", "/etc/passwd digest=base", "/etc/passwd of the fat image and of the base differ"),
    ],
)
def test_conflicts_name_both(trace: str, base: str, said: str) -> None:
    with pytest.raises(SlimError) as refused:
        selected(trace, base)
    assert said in refused.value.what


@pytest.mark.parametrize(
    ("rules", "stays"),
    [
        ({"keep": [rule("/etc/passwd")]}, ["/etc/passwd"]),
        ({"drop": [rule("/etc/passwd")]}, []),
        ({"added": ["/etc/passwd"]}, []),
    ],
)
def test_the_spec_says_which_passwd_wins(rules: dict[str, object], stays: list[str]) -> None:
    found = selected("read /etc/passwd", "/etc/passwd digest=base", FAT, **rules)
    assert [item.path for item in found if item.path == "/etc/passwd"] == stays


def test_the_same_link_written_otherwise_is_left_out() -> None:
    found = selected("exec /bin/app", "/bin -> /usr/bin\n/usr/bin/busybox\n")
    assert [item.path for item in found] == ["/usr/bin/app"]


def test_replaced_files_are_told() -> None:
    inputs = Inputs(entries(FAT), accesses("read /etc/app.conf"), base=entries("/etc/app.conf digest=x"))
    notes = select(replace(inputs, granularity="file", unowned="traced", metadata="none")).notes
    assert notes == ("1 files of the base are replaced by the fat image's: /etc/app.conf",)


def test_what_add_brings_must_not_hide_the_base_s() -> None:
    base = "/bin -> usr/bin\n/sbin -> usr/bin\n/usr/bin/busybox\n/etc/app.d/x\n/srv"
    added = ("/sbin/mine", "/etc/app.d", "/srv/page", "/etc/new", "/usr/bin/mine")
    with pytest.raises(SlimError) as error:
        selected("exec /bin/app", base, added=added)
    assert error.value.what.splitlines() == [
        "add: /etc/app.d: the base's /etc/app.d is a directory, whose files it would hide",
        "add: /sbin/mine: the base has a symlink on the way; write its target as /usr/bin/mine",
        "add: /srv/page: the base's /srv is a file, not a directory",
    ]


def test_what_add_brings_must_not_turn_a_link_into_a_folder() -> None:
    with pytest.raises(SlimError) as error:
        selected("exec /bin/app", "/usr/bin/busybox", added=("/bin/mine", "/etc"))
    assert error.value.what.splitlines() == [
        "add: /bin/mine: the fat image has a symlink on the way; write its target as /usr/bin/mine",
        "add: /etc: the fat image's /etc is a directory, whose files it would hide",
    ]
