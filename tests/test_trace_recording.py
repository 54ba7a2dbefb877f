from __future__ import annotations

import shutil
import struct

import pytest

from slimtasks.errors import IncompleteTrace
from slimtasks.trace import tracer_image
from slimtasks.trace.frames import Decoder, Frame
from slimtasks.trace.recording import TracedContainer, union
from slimtasks.trace.uses import Fact, Use

GATE = '7 openat(AT_FDCWD</work>, "/.slimtasks-gate", O_RDONLY|O_CLOEXEC) = 3</.slimtasks-gate>'


def frame(kind: bytes, target: int, text: bytes) -> bytes:
    return struct.pack("=cxHI", kind, target, len(text)) + text


def target(*frames: tuple[bytes, str]) -> TracedContainer:
    made = TracedContainer(1)
    for kind, text in frames:
        made.take(Frame(kind, 1, text))
    return made


def test_frames_come_in_any_pieces() -> None:
    stream = frame(b"A", 1, b"0\0/a\nb\xff") + frame(b"S", 300, b"") + frame(b"D", 2, b"a=1 b=2")
    expected = [Frame(b"A", 1, "0\0/a\nb\udcff"), Frame(b"S", 300, ""), Frame(b"D", 2, "a=1 b=2")]
    for size in (1, 3, 8, 9, len(stream)):
        decoder = Decoder()
        pieces = (stream[at : at + size] for at in range(0, len(stream), size))
        assert [found for piece in pieces for found in decoder.feed(piece)] == expected


def access(step: int, program: str, how: str, path: str) -> tuple[bytes, str]:
    """A frame of fanotify's."""
    return b"A", "\0".join((str(step), program, "fanotify", how, "0", "", path))


def done(**counters: object) -> tuple[bytes, str]:
    return b"D", " ".join(f"{name}={value}" for name, value in {"marks": "mounts", **counters}.items())


def line(text: str, step: int = 0) -> tuple[bytes, str]:
    return b"S", f"{step}\0{text}"


def test_a_recording_is_the_union() -> None:
    opened = (access(0, "/p", "read", "/b"), access(0, "/p", "exec", "/.slimtasks-gate"), access(1, "", "list", "/a"))
    one = target((b"R", "7"), *opened, line(GATE), done(events=5, lines=9, marks="filesystem"))
    looked = (opened[0], line(GATE), line('7 stat("x", {}) = 0', 2), (b"P", "0\0/.slimtasks-gate\0device\0/dev/null"))
    two = target((b"R", "8"), (b"R", "9"), *looked, done(events=2, lines=3))
    recording = union([one, two])
    assert sorted(recording.uses) == [
        Use("/a", "list", "", 1, "fanotify"),
        Use("/b", "read", "/p", 0, "fanotify"),
        Use("/work/x", "stat", "", 2, "strace", "x"),
    ]
    assert recording.facts == {Fact("", "device", "/dev/null")}
    assert (recording.containers, recording.commands, recording.events, recording.lines) == (2, 3, 7, 12)
    assert recording.marks == "filesystem, mounts"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("0 /p ebpf stat 2 /usr ../x", [Use("/usr/../x", "miss", "/p", 0, "ebpf", "../x")]),
        ("0 /p ebpf create 17 / /etc", [Use("/etc", "stat", "/p", 0, "ebpf")]),
        ("0 /p ebpf read 0 /jail /x", [Use("/jail/x", "read", "/p", 0, "ebpf", "/x")]),
        ("0 /p ebpf read 9 /jail x", []),
        ("0 /p ebpf read 0 / /.slimtasks-gate", []),
    ],
)
def test_a_string_means_a_path(fields: str, expected: list[Use]) -> None:
    assert list(target((b"A", fields.replace(" ", "\0"))).uses) == expected


def test_what_is_below_a_mount_may_be_a_file_of_the_root() -> None:
    one = target(
        (b"M", "/mnt\0/usr"),
        (b"M", "/\0/jail"),
        access(0, "", "read", "/mnt/x"),
        access(0, "", "read", "/mntx"),
        done(),
    )
    assert [(use.path, use.asked) for use in one.uses] == [
        ("/jail/mnt/x", "/mnt/x"),
        ("/jail/mntx", "/mntx"),
        ("/mnt/x", ""),
        ("/mntx", ""),
        ("/usr/x", "/mnt/x"),
    ]


def test_what_is_below_a_mount_of_a_part_of_a_mount() -> None:
    mounts = [(b"M", "/mnt/\0/usr"), (b"M", "/srv\0/mnt/share"), (b"M", "/t\0/t")]
    one = target(*mounts, access(0, "", "read", "/srv/x"), done())
    assert sorted(use.path for use in one.uses) == ["/mnt/share/x", "/srv/x", "/usr/share/x"]


def test_a_step_that_was_begun() -> None:
    assert target((b"N", "3")).step == 3


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([(b"E", "the kernel's queue of opened files ran over"), done()], "ran over"),
        ([line(GATE), line("7 what is this"), done()], "cannot be read"),
        ([line(GATE), line("7 unshare(CLONE_NEWNS) = 0"), done()], "mount namespace of its own"),
        (
            [line(GATE), line("7 unshare(CLONE_NEWNS) = 0"), done(marks="filesystem", volumes=1)],
            "opened files of volumes",
        ),
        ([done(unshared=1)], "mount namespace of its own"),
        ([(b"R", "7")], "ended before the container did"),
    ],
)
def test_what_may_be_missing_fails(frames: list[tuple[bytes, str]], reason: str) -> None:
    with pytest.raises(IncompleteTrace, match=reason):
        union([target(*frames), target(done())])


def test_a_mount_namespace_is_seen_through_a_file_system_mark() -> None:
    recording = union([target(line(GATE), line("7 unshare(CLONE_NEWNS) = 0"), done(marks="filesystem"))])
    assert list(recording.uses) == []


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
