"""What the engine, the workload and we ourselves took, told apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from slimtasks.costs import Meter, note, seconds
from slimtasks.engine.stopwatch import ENGINE, WORKLOAD, Stopwatch
from slimtasks.records import read_json
from slimtasks.workspace import ImageFiles


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def slowly(clock: Clock, seconds: float, count: int) -> Iterator[int]:
    for number in range(count):
        clock.now += seconds
        yield number


def test_of_two_at_once_the_outer_one_counts(clock: Clock) -> None:
    watch = Stopwatch()
    with watch.on(WORKLOAD):
        clock.now += 1
        with watch.on(ENGINE):
            clock.now += 2
    with watch.on(ENGINE):
        clock.now += 4
    assert watch.spent == {WORKLOAD: 3, ENGINE: 4}


def test_it_counts_though_the_wait_failed(clock: Clock) -> None:
    watch = Stopwatch()
    with pytest.raises(OSError), watch.on(ENGINE):
        clock.now += 1
        raise OSError
    with watch.on(ENGINE):
        clock.now += 1
    assert watch.spent == {ENGINE: 2}


def test_what_is_done_between_two_items_is_ours(clock: Clock) -> None:
    watch = Stopwatch()
    for _ in watch.each(ENGINE, slowly(clock, 1, 3)):
        clock.now += 10
    assert watch.spent == {ENGINE: 3}


def test_what_the_engine_waits_for_is_ours(clock: Clock) -> None:
    watch = Stopwatch()
    with watch.on(ENGINE):
        for _ in watch.ours(slowly(clock, 1, 3)):
            clock.now += 10
    assert watch.spent == {ENGINE: 30}


def test_a_thread_that_waits_beside_us_costs_nothing() -> None:
    watch = Stopwatch()

    def wait() -> None:
        with watch.on(ENGINE):
            pass

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert watch.spent == {}


def test_the_cost_of_a_stage_is_what_was_spent_since(clock: Clock) -> None:
    watch = Stopwatch()
    with watch.on(ENGINE):
        clock.now += 1
    meter = Meter(watch)
    with watch.on(ENGINE):
        clock.now += 2
    clock.now += 4
    cost = meter.read()
    assert {what: cost[what] for what in ("seconds", "engine", "workload", "programs")} == {
        "seconds": 6,
        "engine": 2,
        "workload": 0,
        "programs": 0,
    }


def test_each_stage_keeps_its_last_cost(tmp_path_factory: pytest.TempPathFactory) -> None:
    files = ImageFiles(tmp_path_factory.mktemp("build"))
    note(files, "fat", {"seconds": 9.0})
    note(files, "trace", {"seconds": 2.0, "engine": 1.5})
    note(files, "fat", {"seconds": 1.0})
    assert seconds(files) == {"fat": 1.0, "trace": 2.0}
    assert read_json(files.costs)["trace"]["engine"] == 1.5
