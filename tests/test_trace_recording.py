from __future__ import annotations

import shutil
import struct

import pytest

from slimtasks.errors import IncompleteTrace
from slimtasks.records import Access, ImagePath
from slimtasks.trace import tracer_image
from slimtasks.trace.frames import Decoder, Frame
from slimtasks.trace.recording import TracedContainer, union

GATE = '7 openat(AT_FDCWD</work>, "/.slimtasks-gate", O_RDONLY|O_CLOEXEC) = 3</.slimtasks-gate>'


def frame(kind: bytes, target: int, text: bytes) -> bytes:
    return struct.pack("=cxHI", kind, target, len(text)) + text


def target(*frames: tuple[bytes, str]) -> TracedContainer:
    made = TracedContainer(1)
    for kind, text in frames:
        made.take(Frame(kind, 1, text))
    return made


def test_frames_come_in_any_pieces() -> None:
    stream = frame(b"O", 1, b"o/a\nb\xff") + frame(b"S", 300, b"") + frame(b"D", 2, b"1 2 3 mounts")
    expected = [Frame(b"O", 1, "o/a\nb\udcff"), Frame(b"S", 300, ""), Frame(b"D", 2, "1 2 3 mounts")]
    for size in (1, 3, 8, 9, len(stream)):
        decoder = Decoder()
        pieces = (stream[at : at + size] for at in range(0, len(stream), size))
        assert [found for piece in pieces for found in decoder.feed(piece)] == expected


def test_a_recording_is_the_sorted_union() -> None:
    opened = ((b"O", "o/b"), (b"O", "x/.slimtasks-gate"), (b"O", "l/a"))
    looked = ((b"O", "o/b"), (b"S", GATE), (b"S", '7 stat("x", {}) = 0'))
    one = target((b"R", "7"), *opened, (b"S", GATE), (b"D", "5 0 9 filesystem"))
    two = target((b"R", "8"), (b"R", "9"), *looked, (b"D", "2 1 3 mounts"))
    recording = union([one, two])
    assert recording.accesses == (
        Access(ImagePath("/a"), "list", "fanotify"),
        Access(ImagePath("/b"), "open", "fanotify"),
        Access(ImagePath("/work/x"), "look", "strace"),
    )
    assert (recording.containers, recording.commands, recording.events, recording.lines) == (2, 3, 7, 12)
    assert recording.marks == "filesystem, mounts"


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([(b"E", "the kernel's queue of opened files ran over"), (b"D", "1 0 1 mounts")], "ran over"),
        ([(b"S", GATE), (b"S", "7 what is this"), (b"D", "1 0 1 mounts")], "cannot be read"),
        ([(b"S", GATE), (b"S", "7 unshare(CLONE_NEWNS) = 0"), (b"D", "1 0 1 mounts")], "mount namespace of its own"),
        ([(b"R", "7")], "ended before the containers did"),
    ],
)
def test_what_may_be_missing_fails(frames: list[tuple[bytes, str]], reason: str) -> None:
    with pytest.raises(IncompleteTrace, match=reason):
        union([target(*frames), target((b"D", "1 0 1 mounts"))])


def test_a_mount_namespace_is_seen_through_a_file_system_mark() -> None:
    recording = union([target((b"S", GATE), (b"S", "7 unshare(CLONE_NEWNS) = 0"), (b"D", "1 0 1 filesystem"))])
    assert recording.accesses == ()


def test_the_digest_is_of_the_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sources_digest = tracer_image.sources_digest.__wrapped__  # the sources of a run do not change
    before = sources_digest()
    copy = tmp_path_factory.mktemp("copy") / "trace"
    shutil.copytree(tracer_image.PROGRAMS.parent, copy)
    monkeypatch.setattr(tracer_image, "PROGRAMS", copy / "programs")
    assert sources_digest() == before
    for name in ("programs/gate.c", "programs/set.h", "programs/Dockerfile", "strace_calls.py"):
        (copy / name).write_text((copy / name).read_text() + "\n")
        after, before = before, sources_digest()
        assert after != before


def test_no_tracer_is_packaged_for_an_unknown_machine() -> None:
    assert tracer_image.packaged("vax") is None
