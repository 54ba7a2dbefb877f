"""images/layers.lock, as it is read, written, and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks.errors import SlimError
from slimtasks.layers.lock import Group, Lock, lock_text, parse_lock, read_lock, write_lock

LOCK = Lock(
    6,
    1700000000,
    (
        Group("root", "libc6", ("deb/libc6:/lib/ld.so", "deb/libc6:/lib/libc.so.6")),
        Group("infrastructure", "zlib1g", ("deb/zlib1g:/usr/lib/libz.so.1",)),
    ),
    ("deb/bash:/bin/bash",),
)
HEAD = "shared = 6\ndate = 0\n"


def test_a_lock_has_a_member_a_line() -> None:
    assert [line for line in lock_text(LOCK).splitlines() if not line.startswith("#")] == [
        "shared = 6",
        "date = 1700000000",
        "",
        "[root libc6]",
        "deb/libc6:/lib/ld.so",
        "deb/libc6:/lib/libc.so.6",
        "",
        "[infrastructure zlib1g]",
        "deb/zlib1g:/usr/lib/libz.so.1",
        "",
        "[common]",
        "deb/bash:/bin/bash",
    ]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_lock(tmp_path / "layers.lock", LOCK)
    assert read_lock(tmp_path / "layers.lock") == LOCK
    assert [path.name for path in tmp_path.iterdir()] == ["layers.lock"]


def test_a_lock_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "layers.lock").symlink_to("there/plan")
    with pytest.raises(SlimError, match="leads to there/plan, which is not there"):
        read_lock(tmp_path / "layers.lock")
    write_lock(tmp_path / "layers.lock", LOCK)
    assert (tmp_path / "layers.lock").is_symlink() and read_lock(tmp_path / "there/plan") == LOCK


def test_no_lock_is_none(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "layers.lock") is None


def test_root_lies_below_wherever_it_stands() -> None:
    lock = parse_lock((HEAD + "[infrastructure a]\nx:/a\n[root b]\nx:/c\nx:/b\n").splitlines(), "lock")
    assert [(group.name, group.members) for group in lock.groups] == [("b", ("x:/b", "x:/c")), ("a", ("x:/a",))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lock:1: found no 'shared = NUMBER'; allowed: shared and date before the groups"),
        ("shared = 6\n[root a]\n", "lock:1: found no 'date = NUMBER'"),
        ("# x\nshard = 6\n", "lock:2: found the key 'shard'; allowed: shared and date, then groups"),
        ("shared = six\n", "lock:1: shared: found 'six'; allowed: a whole number"),
        (HEAD + "deb/a:/b\n", "lock:3: found 'deb/a:/b'; allowed: shared and date, then groups"),
        (
            HEAD + "[top a]\n",
            r"lock:3: found '\[top a\]'; allowed: '\[root NAME\]', '\[infrastructure NAME\]' or '\[common\]'",
        ),
        (HEAD + "[root]\n", r"lock:3: found '\[root\]'"),
        (HEAD + "[root common]\n", r"lock:3: found '\[root common\]'"),
        (HEAD + "[common]\n[common]\n", "lock:4: found the group 'common' a second time"),
        (HEAD + "[root a]\n[root a]\n", "lock:4: found the group 'a' a second time"),
        (HEAD + "[root a]\n<<<<<<< HEAD\n", "lock:4: found '<<<<<<< HEAD'; allowed: 'package:/path'"),
        (HEAD + "[root a]\nx:/a\n[root b]\nx:/a\n", "lock:6: found 'x:/a', which stands in line 4, too"),
    ],
)
def test_what_is_no_lock_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SlimError, match=message):
        parse_lock(text.splitlines(), "lock")


def test_what_is_not_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "layers.lock").write_bytes(HEAD.encode() + b"[root a]\nx:/\xff\n")
    with pytest.raises(SlimError, match=r"images/layers\.lock:4: found the byte 0xff; allowed: UTF-8"):
        read_lock(tmp_path / "layers.lock")
