"""Several traces as one, and which of it came from elsewhere."""

from __future__ import annotations

from small_trees import accesses, entries

from slimtasks.records import Access, ImagePath, Program
from slimtasks.rootfs import Tree
from slimtasks.trace.file import Trace
from slimtasks.trace.union import merged, of_scenarios, steps_of, together

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


def of_scenario(key: str, *, kernel: str = "6.1", lookups: str = "ebpf", **more: object) -> Trace:
    header = {
        "architecture": "amd64",
        "backend": {"opens": "fanotify", "lookups": lookups, "why": f"{lookups} works"},
        "complete": "incomplete" not in more,
        "fat": "sha256:1",
        "inputs": {"image": "i", f"{key}.run": key},
        "key": key,
        "kernel": kernel,
        "steps": ["start", "1 http GET"],
        **more,
    }
    a, own = ImagePath("/etc/a"), ImagePath(f"/etc/{key}")
    return Trace(
        header,
        (Access(a, "read", (f"/{key}",), (0, 1), ("ebpf",)), Access(own, "read", steps=(1,))),
        (Program("/p", binds=(key,)),),
    )


def test_the_traces_of_scenarios_are_one() -> None:
    whole = of_scenarios({"": of_scenario("top"), "web": of_scenario("web"), "worker": of_scenario("worker")})
    assert whole.header == {
        "architecture": "amd64",
        "backend": {"opens": "fanotify", "lookups": "ebpf", "why": "ebpf works"},
        "complete": True,
        "fat": "sha256:1",
        "inputs": {"image": "i", "top.run": "top", "web.run": "web", "worker.run": "worker"},
        "kernel": "6.1",
        "scenarios": [{"name": "", "key": "top"}, {"name": "web", "key": "web"}, {"name": "worker", "key": "worker"}],
        "steps": ["start", "1 http GET", "web: start", "web: 1 http GET", "worker: start", "worker: 1 http GET"],
    }
    assert [(access.path, access.steps) for access in whole.accesses] == [
        ("/etc/a", (0, 1, 2, 3, 4, 5)),
        ("/etc/top", (1,)),
        ("/etc/web", (3,)),
        ("/etc/worker", (5,)),
    ]
    assert next(iter(whole.accesses)).by == ("/top", "/web", "/worker")
    assert whole.programs == (Program("/p", binds=("top", "web", "worker")),)


def test_what_only_one_of_them_missed_has_its_name() -> None:
    whole = of_scenarios(
        {
            "web": of_scenario("web", incomplete=["a", "b"], unseen=["x"]),
            "worker": of_scenario("worker", kernel="6.2", lookups="none", incomplete=["c", "b"], unseen=["x"]),
        }
    )
    assert whole.header["incomplete"] == ["b", "web: a", "worker: c"] and not whole.header["complete"]
    assert whole.header["unseen"] == ["x"]
    assert whole.header["kernel"] == "6.1, 6.2" and whole.header["backend"]["lookups"] == "ebpf, none"


def test_the_trace_of_an_image_without_scenarios_is_as_it_was() -> None:
    assert of_scenarios({"": OWN}) is OWN


def test_whose_steps_are_whose() -> None:
    steps = ["start", "1 exec web: x", "web: start", "worker: start", "worker: 1 exec x", "prod.jsonl: start"]
    assert steps_of("", ["", "web", "worker"], steps) == {0, 1, 5}
    assert steps_of("web", ["", "web", "worker"], steps) == {2}
    assert steps_of("worker", ["", "web", "worker"], steps) == {3, 4}
    assert steps_of("", [""], steps) == {0, 1, 2, 3, 4, 5}


def test_each_path_and_way_once() -> None:
    twice = accesses("read /b\nread /a\nread@fanotify /b\nstat /b")
    assert [(access.path, access.how, access.sources) for access in merged(twice)] == [
        ("/a", "read", ("strace",)),
        ("/b", "read", ("fanotify", "strace")),
        ("/b", "stat", ("strace",)),
    ]
