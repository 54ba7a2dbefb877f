"""Several traces as one, and which of it came from elsewhere."""

from __future__ import annotations

from small_trees import accesses, entries

from slimtasks.records import Access, ImagePath, Program
from slimtasks.rootfs import Tree
from slimtasks.trace.file import Trace
from slimtasks.trace.union import merged, together

TREE = Tree(entries("/etc/a\n/etc/link -> a\n"))
OWN = Trace(
    {"complete": True, "fat": "sha256:1", "key": "k", "steps": ["start", "1 http"]},
    (Access(ImagePath("/etc/a"), "read", ("/p",), (0, 1), ("strace",)),),
    (Program("/p", binds=("tcp 0.0.0.0:80",)),),
)
OTHER = Trace(
    {"complete": False, "fat": "sha256:2", "kernel": "6.1", "incomplete": ["an overflow"], "steps": ["start"]},
    (
        Access(ImagePath("/etc/a"), "read", ("/q",), (0,), ("ebpf", "fanotify"), asked=("a",)),
        Access(ImagePath("/etc/link"), "stat", (), (), (), reached=ImagePath("/somewhere")),
    ),
    (Program("/p", syscalls=("read",)), Program("/q")),
)


def test_what_came_from_elsewhere_can_be_told() -> None:
    whole = together(OWN, [("traces/prod.jsonl", OTHER)], TREE)
    assert whole.accesses == (
        Access(
            ImagePath("/etc/a"),
            "read",
            by=("/p", "/q"),
            steps=(0, 1, 2),
            sources=("strace", "traces/prod.jsonl:ebpf", "traces/prod.jsonl:fanotify"),
            asked=("a",),
        ),
        Access(ImagePath("/etc/link"), "stat", sources=("traces/prod.jsonl:unknown",), reached=ImagePath("/etc/a")),
    )
    assert whole.programs == (Program("/p", syscalls=("read",), binds=("tcp 0.0.0.0:80",)), Program("/q"))
    assert whole.header == {
        "complete": False,
        "fat": "sha256:1",
        "key": "k",
        "steps": ["start", "1 http", "traces/prod.jsonl: start"],
        "incomplete": ["traces/prod.jsonl: an overflow"],
        "also": [{"file": "traces/prod.jsonl", "complete": False, "fat": "sha256:2", "kernel": "6.1"}],
    }
    assert whole.notes == ("THE TRACE IS NOT COMPLETE: traces/prod.jsonl: an overflow",)


def test_with_nothing_from_elsewhere_it_stays_as_it_is() -> None:
    assert together(OWN, [], TREE) == OWN


def test_each_path_and_way_once() -> None:
    twice = accesses("read /b\nread /a\nread@fanotify /b\nstat /b")
    assert [(access.path, access.how, access.sources) for access in merged(twice)] == [
        ("/a", "read", ("strace",)),
        ("/b", "read", ("fanotify", "strace")),
        ("/b", "stat", ("strace",)),
    ]
