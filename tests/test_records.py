"""Records survive the way through a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks.records import Elf, Entry, ImagePath, Reason, Selected, read_lines, whole_file, write_lines

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
    assert header == {"paths": 2}
    assert list(records) == [STRANGE, plain]


def test_nested_records_come_back_as_records(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    chosen = Selected(ImagePath("/x"), (Reason("traced", "fanotify"), Reason("own")))
    write_lines(path, {}, [chosen])
    assert list(read_lines(path, Selected)[1]) == [chosen]


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
