"""Records survive the way through a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks.errors import Damaged
from slimtasks.records import (
    Elf,
    Entry,
    ImagePath,
    Reason,
    Selected,
    SlimLayer,
    has_all_lines,
    read_header,
    read_json,
    read_lines,
    read_record,
    whole_file,
    write_lines,
)
from slimtasks.trace.lock import Locked

STRANGE = Entry(
    ImagePath("/a\udcff\n"),
    "file",
    0o4755,
    uid=1,
    size=9,
    xattrs=(("security.capability", "01"),),
    elf=Elf(machine=62, needed=("libc.so.6",), runpath=("$ORIGIN",)),
)


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    plain = Entry(ImagePath("/dev/x"), "char", 0o600, device=(1, 3))
    write_lines(path, {"paths": 2}, [STRANGE, plain])
    header, records = read_lines(path, Entry)
    assert header == {"paths": 2, "lines": 2}
    assert list(records) == [STRANGE, plain]


def test_nested_records_come_back_as_records(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    chosen = Selected(ImagePath("/x"), (Reason("traced", "fanotify"), Reason("own")))
    write_lines(path, {}, [chosen])
    assert list(read_lines(path, Selected)[1]) == [chosen]


def test_a_record_that_adds_to_one_with_slots_has_the_defaults_of_both(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    locked = Locked(ImagePath("/x"), "read")
    write_lines(path, {}, [locked])
    assert list(read_lines(path, Locked)[1]) == [locked]


def test_a_line_with_more_than_a_record_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_lines(path, {}, [STRANGE, STRANGE])
    path.write_text(path.read_text().rstrip("\n") + "{}\n")
    with pytest.raises(Damaged, match="more than a record in line 3"):
        list(read_lines(path, Entry)[1])


def test_defaults_are_left_out_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_lines(path, {}, [Entry(ImagePath("/x"), "dir", 0o755)])
    assert path.read_text().splitlines()[1] == '{"mode":493,"path":"/x","type":"dir"}'


def test_a_file_that_is_not_finished_never_appears(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "x"
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert list((tmp_path / "sub").iterdir()) == []


DAMAGES = {
    "": "nothing where JSON should be",
    "\x00\x00": "no JSON at 1:1",
    '{"diff_id": "x"': "no JSON at 1:16",
    '{"diff_id": "x"}': "not what was written (SlimLayer.__init__() missing 4 required",
    '{"other": 1}': "not what was written (SlimLayer.__init__() got an unexpected",
    "[]": "not what was written ('list' object has no attribute 'keys')",
}


@pytest.mark.parametrize("text", DAMAGES)
def test_a_record_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(Damaged) as damaged:
        read_record(path, SlimLayer)
    assert damaged.value.what.startswith(f"{path} is damaged: {DAMAGES[text]}")
    assert damaged.value.hint.startswith(f"`rm {path}`")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(Damaged, match="is damaged: not what was written"):
        read_json(path)


def test_lines_that_were_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write_lines(path, {}, [Entry(ImagePath(f"/{number}"), "dir", 0o755) for number in range(3)])
    whole = path.read_bytes()
    ends = [end for end, byte in enumerate(whole, 1) if byte == ord("\n")]
    assert has_all_lines(path)
    for size in range(len(whole) - 1):
        path.write_bytes(whole[:size])
        assert not has_all_lines(path)
        with pytest.raises(Damaged, match="is damaged") as damaged:
            list(read_lines(path, Entry)[1])
        if size in ends:
            assert damaged.value.what.endswith(f"it ends after {ends.index(size)} of 3 lines")


def test_a_header_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("3\n")
    with pytest.raises(Damaged):
        read_header(path)
    assert not has_all_lines(path)
