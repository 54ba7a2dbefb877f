from __future__ import annotations

import base64

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slimtasks.engine.buildkit_progress import Progress, fields


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def message(*values: tuple[int, int | str | bytes]) -> bytes:
    """A protobuf message of varints and length-delimited fields."""
    out = b""
    for number, value in values:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def aux(*values: tuple[int, bytes]) -> str:
    return base64.b64encode(message(*values)).decode()


def vertex(digest: str, name: str, **more: int | str | bytes) -> tuple[int, bytes]:
    numbers = {"cached": 4, "started": 5, "completed": 6, "error": 7}
    extra = [(numbers[key], value) for key, value in more.items()]
    return 1, message((1, digest), (2, "sha256:input"), (2, "sha256:another"), (3, name), *extra)


def log(digest: str, text: bytes) -> tuple[int, bytes]:
    return 3, message((1, digest), (3, 1), (4, text))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(1, 1 << 20), st.one_of(st.integers(0, (1 << 64) - 1), st.binary()))))
def test_fields_are_read_as_they_were_written(values: list[tuple[int, int | bytes]]) -> None:
    assert list(fields(message(*values))) == values


@given(st.binary())
def test_no_bytes_make_it_fail(data: bytes) -> None:
    list(fields(data))
    Progress().feed(base64.b64encode(data).decode())


def test_lines_come_as_steps_start_and_print() -> None:
    progress = Progress()
    assert progress.feed(aux(vertex("a", "[1/2] FROM base"), vertex("b", "[2/2] RUN make"))) == []
    assert progress.feed(aux(vertex("a", "[1/2] FROM base", cached=1))) == ["[1/2] FROM base (cached)"]
    assert progress.feed(aux(vertex("b", "[2/2] RUN make", started=b"\x08\x01"))) == ["[2/2] RUN make"]
    assert progress.feed(aux(log("b", b"cc a.c\ncc b"))) == ["cc a.c"]
    assert progress.feed(aux(log("b", b".c\r\n 10%\r 99%\n"))) == ["cc b.c", " 99%"]
    assert progress.feed(aux(log("b", b"no newline"))) == []
    assert progress.feed(aux(vertex("b", "[2/2] RUN make", completed=b"\x08\x02"))) == ["no newline"]
    assert progress.failed() is None


def test_the_step_that_failed_of_itself() -> None:
    progress = Progress()
    progress.feed(aux(vertex("a", "RUN one", error="exit code: 2"), vertex("b", "RUN two", error="context canceled")))
    failed = progress.failed()
    assert failed is not None
    assert (failed.name, failed.error) == ("RUN one", "exit code: 2")


def test_what_is_no_base64_is_passed_over() -> None:
    assert Progress().feed("?") == []
