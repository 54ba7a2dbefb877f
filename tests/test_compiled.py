"""Compiled Python files keep fitting their sources when those get another mtime."""

from __future__ import annotations

import hashlib
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from slimtasks.additions import Addition
from slimtasks.assembly.compiled import redated, source_dates
from slimtasks.assembly.dates import Clock
from slimtasks.assembly.layering import Item, plan_layers
from slimtasks.records import Entry, ImagePath, Reason, Selected

BUILT, DATE = 1_700_000_000, 1_000_000_000
SOURCE, COMPILED = ImagePath("/app/mod.py"), ImagePath("/app/__pycache__/mod.cpython-311.pyc")
MODE = py_compile.PycInvalidationMode


def compiled(folder: Path, mode: MODE = MODE.TIMESTAMP) -> Path:
    """mod.py and what was made of it, as if at BUILT."""
    source = folder / "mod.py"
    source.write_text("ANSWER = 42\n")
    os.utime(source, (BUILT, BUILT))
    return Path(py_compile.compile(str(source), doraise=True, invalidation_mode=mode) or "")


def entry(path: ImagePath, content: bytes) -> Entry:
    return Entry(path, "file", 0o644, size=len(content), mtime=BUILT, digest=hashlib.sha256(content).hexdigest())


def imported(folder: Path) -> str:
    """What Python says when it imports mod."""
    command = [sys.executable, "-v", "-B", "-c", "import mod"]
    return subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True, check=True).stderr


def test_python_takes_it_for_the_source_that_has_another_date_now(tmp_path: Path) -> None:
    path = compiled(tmp_path)
    os.utime(tmp_path / "mod.py", (DATE, DATE))
    assert f"{path} matches" not in imported(tmp_path)  # so that Python does look
    before = path.read_bytes()
    made, content = redated(entry(COMPILED, before), before, (BUILT, DATE))
    path.write_bytes(content)
    assert f"{path} matches {tmp_path / 'mod.py'}" in imported(tmp_path)
    assert (made.size, made.digest) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("mode", "dates"),
    [
        (MODE.TIMESTAMP, (BUILT - 1, DATE)),  # it did not fit
        (MODE.CHECKED_HASH, (BUILT, DATE)),
        (MODE.UNCHECKED_HASH, (BUILT, DATE)),
    ],
)
def test_what_did_not_fit_or_goes_by_a_hash_stays(tmp_path: Path, mode: MODE, dates: tuple[int, int]) -> None:
    content = compiled(tmp_path, mode).read_bytes()
    assert redated(entry(COMPILED, content), content, dates) == (entry(COMPILED, content), content)


def test_other_content_than_was_read_before_is_not_hidden(tmp_path: Path) -> None:
    content = compiled(tmp_path).read_bytes()
    other = entry(COMPILED, content[:-1] + b"x")
    assert redated(other, content, (BUILT, DATE))[0] == other  # whose digest the layer's writer misses


def items(*added: Addition, clock: Clock) -> dict[ImagePath, Item]:
    tree = (entry(COMPILED, b"c"), entry(SOURCE, b"s"))
    chosen = [Selected(one.path, (Reason("traced", "x"),)) for one in tree]
    return {item.entry.path: item for plan in plan_layers(tree, chosen, added, clock) for item in plan.items}


def test_a_layer_tells_the_compiled_file_its_sources_date() -> None:
    found = items(clock=Clock(DATE))
    assert found[COMPILED].dates == (BUILT, DATE)
    assert (found[SOURCE].dates, found[SOURCE].entry.mtime) == (None, DATE)
    assert items(clock=Clock(BUILT))[COMPILED].dates is None


def test_it_is_not_made_to_fit_a_source_that_the_spec_adds(tmp_path: Path) -> None:
    added = Addition(Entry(SOURCE, "file", 0o644, size=1), tmp_path / "mod.py")
    assert items(added, clock=Clock(DATE))[COMPILED].dates is None


def test_without_a_source_there_is_nothing_to_fit() -> None:
    sourceless = entry(ImagePath("/app/mod.pyc"), b"c")
    tree = {one.path: one for one in (sourceless, entry(COMPILED, b"c"))}
    assert [source_dates(one, tree, Clock(DATE)) for one in tree.values()] == [None, None]
