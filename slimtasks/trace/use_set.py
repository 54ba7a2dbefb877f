"""A set of uses that does not grow in memory: what a container used may be a million paths."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import starmap

from slimtasks.errors import SlimError
from slimtasks.trace.uses import Use

MOST_FRESH = 2048  # uses in memory, some 1 MB
_COLUMNS = "path, how, step, source, program, asked"
_TABLE = f"""
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -2000;  -- 2 MB
CREATE TABLE uses ({_COLUMNS}, PRIMARY KEY ({_COLUMNS})) WITHOUT ROWID;
"""


class UseSet:
    """Iterates sorted by path, then by how. From MOST_FRESH on it lies in a temporary database that has no name.

    Not to be changed while it is iterated. Threads may use it one after the other. Raises SlimError where there is no
    room for the database.
    """

    def __init__(self, uses: Iterable[Use] = ()) -> None:
        self._fresh: set[Use] = set()
        self._database: sqlite3.Connection | None = None
        self.update(uses)

    def __del__(self) -> None:
        if self._database is not None:
            self._database.close()

    def add(self, use: Use) -> None:
        self._fresh.add(use)
        if len(self._fresh) >= MOST_FRESH:
            self._store()

    def update(self, uses: Iterable[Use]) -> None:
        for use in uses:
            self.add(use)

    def __iter__(self) -> Iterator[Use]:
        if self._database is None:
            return iter(sorted(self._fresh, key=_order))
        return self._select("")

    def of(self, path: str, step: int) -> tuple[Use, ...]:
        """The uses of just that path in just that step."""
        return tuple(self._select("WHERE path = ? AND step = ?", _bytes(path), step))

    def _select(self, where: str, *values: object) -> Iterator[Use]:
        if self._fresh or self._database is None:
            self._store()
        assert self._database is not None
        with _room():
            rows = self._database.execute(f"SELECT {_COLUMNS} FROM uses {where} ORDER BY {_COLUMNS}", values)
            yield from starmap(_use, rows)

    def _store(self) -> None:
        with _room():
            if self._database is None:
                # The reader of the tracer's messages is a thread; it ends before others read.
                self._database = sqlite3.connect("", check_same_thread=False)
                self._database.executescript(_TABLE)
            rows = map(_row, sorted(self._fresh, key=_order))  # neighbours in the table, too
            self._database.executemany("INSERT OR IGNORE INTO uses VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._fresh.clear()


def _order(use: Use) -> tuple[object, ...]:
    return use.path, use.how, use.step, use.source, use.program, use.asked


def _row(use: Use) -> tuple[object, ...]:
    return _bytes(use.path), use.how, use.step, use.source, _bytes(use.program), _bytes(use.asked)


def _use(path: bytes, how: str, step: int, source: str, program: bytes, asked: bytes) -> Use:
    return Use(_text(path), how, _text(program), step, source, _text(asked))


def _bytes(text: str) -> bytes:
    """Bytes that sort as the text does, surrogate escapes too, which are no UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise SlimError(
            f"what the containers used finds no room in a temporary file: {error}",
            "make room in /var/tmp, or set TMPDIR to a directory that has some",
        ) from error
