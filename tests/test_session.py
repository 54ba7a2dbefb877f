"""Runs in one checkout take turns, even where the one before has taken the lock's folder away."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from slimtasks.session import Session


def test_a_lock_that_went_with_its_folder_is_nobodys(tmp_path: Path) -> None:
    waits, holds, goes_on = threading.Event(), threading.Event(), threading.Event()

    def second() -> None:
        with Session(tmp_path, {}, lambda line: waits.set()).alone():
            holds.set()
            goes_on.wait(60)

    with Session(tmp_path, {}, lambda line: None).alone():
        waiting = threading.Thread(target=second)
        waiting.start()
        assert waits.wait(60) and not holds.is_set()
        shutil.rmtree(tmp_path / "build")
    assert holds.wait(60)
    said: list[str] = []

    def told(line: str) -> None:
        said.append(line)
        goes_on.set()

    with Session(tmp_path, {}, told).alone():
        assert said == ["another run is at work in this checkout: waiting for it to end"]
    waiting.join()
