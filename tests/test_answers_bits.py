"""What differs between two makings of one layer, or of one config, to the last bit."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tars import Item, d, f, link, special, tar

from slimtasks.answers.bits import config_difference, layer_difference

FILE = f("bin/app", "one", 0o755)


@pytest.fixture
def told(tmp_path: Path) -> Callable[..., list[str]]:
    """Path and fields of what differs, a line each, of two layers' members."""

    def told(before: list[Item], after: list[Item]) -> list[str]:
        one, two = tmp_path / "before.tar", tmp_path / "after.tar"
        one.write_bytes(tar(*before))
        two.write_bytes(tar(*after))
        return [
            f"{unlike.path}: {', '.join(f'{field.name} {field.before}>{field.after}' for field in unlike.fields)}"
            for unlike in layer_difference(one, two, tmp_path)
        ]

    return told


def dated(item: Item, mtime: int) -> Item:
    item[0].mtime = mtime
    return item


def of(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        (FILE, f("bin/app", "one", 0o700), "/bin/app: mode 0755>0700"),
        (FILE, f("bin/app", "one", 0o755, uid=7), "/bin/app: owner 0:0>7:7"),
        (FILE, dated(f("bin/app", "one", 0o755), 8), "/bin/app: mtime 7>8"),
        (FILE, f("bin/app", "two", 0o755), f"/bin/app: content {of('one')}>{of('two')}"),
        (
            FILE,
            f("bin/app", "one", 0o755, pax={"SCHILY.xattr.user.a": "b"}),
            "/bin/app: attributes >user.a=62",
        ),
        (link("bin/app", "one"), link("bin/app", "two"), "/bin/app: link one>two"),
        (FILE, f("bin/other", "one", 0o755), "/bin/app: entry file>"),
    ],
)
def test_path_and_field(told: Callable[..., list[str]], before: Item, after: Item, difference: str) -> None:
    assert told([d("bin"), before], [d("bin"), after])[0] == difference


def test_all_fields_of_all_paths(told: Callable[..., list[str]]) -> None:
    after = [dated(d("bin", 0o700), 9), f("bin/app", "one", 0o755), f("bin/b")]
    linked = special("bin/b", tarfile.LNKTYPE, linkname="bin/app", mode=0o755)
    assert told([d("bin"), FILE, linked], after) == [
        "/bin: mode 0755>0700, mtime 7>9",
        f"/bin/b: mode 0755>0644, content {of('one')}>{of('')}, hardlink /bin/app>",
    ]


def test_order(told: Callable[..., list[str]]) -> None:
    assert told([f("a"), f("b"), f("c")], [f("a"), f("c"), f("b")]) == [": order /b>/c"]


def test_the_same_entries_written_otherwise(told: Callable[..., list[str]]) -> None:
    named = f("b")
    named[0].uname = "somebody"
    assert told([f("a"), f("b")], [f("a"), named]) == [": bytes before.tar from 512>after.tar from 512"]


def config(**parts: Any) -> bytes:
    return json.dumps({"os": "linux", "rootfs": {"diff_ids": [str(len(parts))]}, **parts}).encode()


def test_the_config_s_own_parts_and_those_of_the_running_container() -> None:
    before = config(created="1970-01-01T00:00:00Z", config={"Env": ["A=1"], "User": "7"})
    after = config(created="2001-01-01T00:00:00Z", config={"Env": ["A=2"], "User": "7"}, author="me")
    assert [(field.name, field.before, field.after) for field in config_difference(before, after)] == [
        ("author", "", '"me"'),
        ("config.Env", '["A=1"]', '["A=2"]'),
        ("created", '"1970-01-01T00:00:00Z"', '"2001-01-01T00:00:00Z"'),
    ]
    assert config_difference(before, before) == ()
