"""What a trace's header tells of the workload."""

import pytest

from slimtasks.records import Program
from slimtasks.trace.file import Trace, health_steps, idle, is_server, notes

HTTP, WAIT = "1 http GET http :80/", "1 wait log the server: start"


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ([], []),
        (["start"], [""]),
        (["start", WAIT], [""]),
        (["start", WAIT, "healthcheck"], [""]),
        (["start", WAIT, HTTP], []),
        (["recorded"], []),
        (["start", "1 exec echo a: 2 wait x"], []),
        (["start", "1 oneshot --help", "2 oneshot git --version"], [""]),
        (["start", "1 oneshot git help"], [""]),
        (["start", "1 oneshot git --version", "2 oneshot git status"], []),
        (["start", "1 oneshot git grep --help x"], []),
        (["start", "1 client curl --version"], []),
        (["web: start", f"web: {HTTP}", "worker: start", f"worker: {WAIT}"], ["worker"]),
        (["start", HTTP, "worker: start", "worker: 1 structure-test x"], []),
    ],
)
def test_scenarios_without_a_workload(steps: list[str], names: list[str]) -> None:
    assert list(idle({"steps": steps})) == names


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        (["start", "prod.jsonl: start"], [""]),
        (["start", "prod.jsonl: recorded"], []),
        (["start", "prod.jsonl: start", f"prod.jsonl: {HTTP}"], []),
        (["start", "prod.jsonl: web: start", f"prod.jsonl: web: {HTTP}"], []),
    ],
)
def test_a_trace_from_elsewhere_may_have_had_one(steps: list[str], names: list[str]) -> None:
    assert list(idle({"steps": steps, "also": [{"file": "prod.jsonl"}]})) == names


def test_it_is_said_in_capitals() -> None:
    what = "NO WORKLOAD: ONLY THE START OF THE CONTAINER WAS TRACED"
    assert notes({"steps": ["start"], "unseen": ["x"]}) == (what, "x")
    assert notes({"steps": ["a: start", "b: start", f"b: {HTTP}"]}) == (f"scenario a: {what}",)
    asked = "NO WORKLOAD: ONLY A QUESTION FOR VERSION OR HELP WAS TRACED"
    assert notes({"steps": ["start", "1 oneshot java -version"]}) == (asked,)


def test_the_steps_of_a_healthcheck() -> None:
    steps = [
        "start",
        "1 exec a: healthcheck",
        "healthcheck",
        "web: start",
        "web: 1 wait healthcheck",
        "b.jsonl: healthcheck",
    ]
    assert health_steps({"steps": steps}) == {2, 4, 5}


@pytest.mark.parametrize(
    ("binds", "server"),
    [((), False), (("netlink",), False), (("tcp 0.0.0.0:80",), True), (("netlink", "unix /run/x"), True)],
)
def test_a_server_is_what_opened_a_port_or_socket(binds: tuple[str, ...], server: bool) -> None:
    assert is_server(Trace({}, (), (Program("/a"), Program("/b", binds=binds)))) is server
