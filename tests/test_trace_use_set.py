"""A set of uses that does not grow in memory."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from collections.abc import Iterator

import pytest

from slimtasks.errors import SlimError
from slimtasks.trace import use_set
from slimtasks.trace.use_set import MOST_FRESH, UseSet
from slimtasks.trace.uses import Use

PATHS = ("/b", "/a", "/a b", "/a/b", "/\udcff", "/\uff21", "/\U00010000", "/")
USES = tuple(
    Use(path, how, program, step, source, asked)
    for path in PATHS
    for how, step, source in itertools.product(("read", "list"), (0, 10, 9), ("ebpf", "fanotify"))
    for program, asked in (("", ""), ("/p\udc80", "a"))
)


@pytest.fixture(params=[2, 7, 10_000], ids=lambda most: f"{most} in memory")
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_set, "MOST_FRESH", request.param)


@pytest.mark.usefixtures("most")
def test_it_is_a_sorted_set() -> None:
    shuffled = [*USES, *USES]
    random.Random(1).shuffle(shuffled)
    uses = UseSet(shuffled)
    expected = sorted(USES, key=lambda use: (use.path, use.how, use.step, use.source, use.program, use.asked))
    assert list(uses) == expected
    uses.update(USES)
    uses.add(Use("/", "exec", "", 0, "ebpf"))
    assert list(uses) == [Use("/", "exec", "", 0, "ebpf"), *expected]


@pytest.mark.usefixtures("most")
def test_what_is_told_of_one_path_in_one_step() -> None:
    uses = UseSet(USES)
    assert uses.of("/a", 9) == tuple(use for use in uses if (use.path, use.step) == ("/a", 9))
    assert len(uses.of("/\udcff", 10)) == 8
    assert uses.of("/a/", 9) == uses.of("/a", 8) == ()


def test_it_can_be_asked_while_it_is_iterated() -> None:
    uses = UseSet(USES)
    assert {use for use in uses if use in uses.of(use.path, use.step)} == {*USES}


def test_an_empty_one() -> None:
    assert (list(UseSet()), UseSet().of("/", 0)) == ([], ())


def test_memory_does_not_grow_with_it() -> None:
    def many() -> Iterator[Use]:
        return (Use(f"/{number}", "read", "/p", 0, "ebpf") for number in range(12 * MOST_FRESH))

    tracemalloc.start()
    try:
        uses = UseSet(many())
        assert sum(1 for _ in uses) == 12 * MOST_FRESH
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 600 * MOST_FRESH  # bytes; the paths alone would take 800 of each


def test_no_room_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_set, "MOST_FRESH", 100)
    uses = UseSet(Use(f"/{number}", "read", "", 0, "ebpf") for number in range(100))
    assert uses._database is not None
    uses._database.execute("PRAGMA max_page_count = 10")
    with pytest.raises(SlimError, match="no room in a temporary file: database or disk is full") as error:
        uses.update(Use(f"/{number}", "read", "", 0, "ebpf") for number in range(10_000))
    assert "TMPDIR" in error.value.hint
