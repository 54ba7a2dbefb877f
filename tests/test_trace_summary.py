"""What was seen, put together."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_trees import entries

from slimtasks.records import Access, ImagePath, Program
from slimtasks.rootfs import Tree
from slimtasks.trace.file import VERSION, Trace, read_trace, write_trace
from slimtasks.trace.summary import accesses, programs
from slimtasks.trace.uses import Fact, Use

TREE = Tree(
    entries("""
/bin -> usr/bin
/usr/bin/sh -> dash
/usr/bin/dash
/usr/bin/start script="/bin/sh -e"
/etc/alternatives/x -> ../passwd
/etc/passwd
""")
)


def test_one_record_for_a_path_and_a_way() -> None:
    uses = [
        Use("/etc/passwd", "read", "/bin/sh", 0, "strace"),
        Use("/etc/passwd", "read", "/usr/bin/start", 3, "fanotify"),
        Use("/etc/passwd", "read", "", 1, "strace", "passwd"),
        Use("/etc/passwd", "stat", "/other", 1, "strace"),
    ]
    assert tuple(accesses(uses, TREE)) == (
        Access(
            ImagePath("/etc/passwd"),
            "read",
            by=("/usr/bin/dash",),
            steps=(0, 1, 3),
            sources=("fanotify", "strace"),
            asked=("passwd",),
        ),
        Access(ImagePath("/etc/passwd"), "stat", by=("/other",), steps=(1,), sources=("strace",)),
    )


@pytest.mark.parametrize(
    ("how", "path", "reached"),
    [
        ("read", "/etc/alternatives/x", "/etc/passwd"),
        ("readlink", "/etc/alternatives/x", ""),
        ("readlink", "/bin/sh", "/usr/bin/sh"),
        ("miss", "/bin/none", "/usr/bin/none"),
        ("read", "/usr/../etc/passwd", "/etc/passwd"),
        ("read", "/volume/x", ""),
    ],
)
def test_where_symlinks_lead(how: str, path: str, reached: str) -> None:
    (found,) = accesses([Use(path, how, "", 0, "strace")], TREE)
    assert (found.reached, found.asked) == (reached, ())


def test_for_what_a_file_was_opened() -> None:
    uses = [
        Use("/bin/log", "write", "/p", 0, "strace"),
        Use("/usr/bin/log", "read", "/p", 0, "fanotify"),
        Use("/bin/log", "read", "/p", 1, "strace"),
        Use("/bin/log", "write", "/p", 1, "strace"),
        Use("/usr/bin/log", "read", "/p", 1, "fanotify"),
        Use("/usr/bin/log", "read", "/p", 2, "fanotify"),
    ]
    found = [(access.path, access.how, access.steps) for access in accesses(uses, TREE) if "fanotify" in access.sources]
    assert found == [("/usr/bin/log", "read", (1, 2)), ("/usr/bin/log", "write", (0,))]


def test_a_name_that_was_given_later_is_no_news() -> None:
    uses = [
        Use("/new", "rename", "/p", 0, "strace"),
        Use("/new", "read", "/p", 0, "fanotify"),
        Use("/new", "read", "/p", 1, "fanotify"),
    ]
    assert [(access.how, access.steps) for access in accesses(uses, TREE)] == [("read", (1,)), ("rename", (0,))]


def test_who_it_was_is_told_by_who_knows() -> None:
    uses = [
        Use("/bin/sh", "exec", "/usr/bin/start", 0, "strace"),
        Use("/usr/bin/dash", "exec", "/gone", 0, "fanotify"),
        Use("/bin/ld", "read", "/p", 0, "strace"),
        Use("/usr/bin/ld", "read", "", 0, "fanotify"),
        Use("/usr/bin/ld", "exec", "/q", 0, "fanotify"),
    ]
    found = {(access.path, access.how): access.by for access in accesses(uses, TREE) if access.sources == ("fanotify",)}
    assert found == {
        ("/usr/bin/dash", "exec"): ("/usr/bin/dash",),
        ("/usr/bin/ld", "read"): ("/p",),
        ("/usr/bin/ld", "exec"): ("/q",),
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/proc/18", "/proc/[pid]"),
        ("/proc/18/fd/3", "/proc/[pid]/fd/3"),
        ("/proc/self/task/7/comm", "/proc/self/task/[tid]/comm"),
        ("/proc/18/task/7", "/proc/[pid]/task/[tid]"),
        ("/proc/1800x", "/proc/1800x"),
        ("/x/proc/18", "/x/proc/18"),
    ],
)
def test_no_pids(path: str, expected: str) -> None:
    assert [access.path for access in accesses([Use(path, "list", "", 0, "strace")], TREE)] == [expected]


def test_what_a_program_did() -> None:
    uses = [
        Use("/bin/new", "create", "/bin/sh", 0, "strace"),
        Use("/dev/null", "write", "/usr/bin/dash", 0, "strace"),
        Use("/dev/shm/sem.x", "create", "/usr/bin/dash", 0, "strace"),
        Use("/dev/fd", "list", "/usr/bin/dash", 0, "strace"),
        Use("/tmp/x", "remove", "", 0, "strace"),
        Use("/etc/passwd", "read", "/reader", 0, "strace"),
    ]
    facts = [Fact("/usr/bin/start", "bind", "tcp 0.0.0.0:80"), Fact("/bin/sh", "syscall", "read")]
    assert programs(uses, facts, TREE) == (
        Program("", writes=("/tmp/x",)),
        Program(
            "/usr/bin/dash",
            syscalls=("read",),
            binds=("tcp 0.0.0.0:80",),
            devices=("/dev/null",),
            ipc=("posix /sem.x",),
            writes=("/usr/bin/new",),
        ),
    )


def test_a_trace_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    one = Access(ImagePath("/a\udcff\n"), "read", by=("/p",), steps=(0,), sources=("strace",), asked=("a",))
    trace = Trace({"complete": True}, (one,), (Program("", writes=("/x",)), Program("/p")))
    write_trace(path, trace)
    found = read_trace(path)
    assert found.header == {"complete": True, "lines": 3, "version": VERSION}
    assert [tuple(found.accesses), tuple(found.accesses)] == [(one,), (one,)]
    assert found.programs == trace.programs
    assert len(path.read_text().splitlines()) == 4
