"""An image that is started in several ways: what each of them uses stays, and each has to pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults import fails
from pipeline_repo import Repo, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = pytest.mark.engine

SPEC, TRACE = "images/web/image.yaml", "build/web/trace.jsonl"
SCENARIOS = """\
scenarios:
  worker:
    run: {command: [worker], environment: {FILE: worker}, volumes: ["spool:/spool"]}
    workload:
      - wait: {log: read worker}
      - exec: {command: [cat, /spool/made], stdout: [worker]}
  version:
    workload:
      - oneshot: {command: [cat, /data/version], stdout: [v1]}
    checks:
      - oneshot: {command: [cat, /data/nobody], exit-status: 1}
"""
OF_BASE = """\
scenarios:
  told: {run: {environment: {A: b}}, workload: [oneshot: {command: [sh, -c, 'echo $A'], stdout: [/^b$/]}]}
"""
WORKER = """\
#!/bin/sh
trap 'exit 0' TERM
read -r word < "/data/$FILE" || exit 3
echo "$word" > /spool/made
echo "read $word"
while :; do sleep 1 & wait; done
"""
FILES = {"worker": "worker", "other": "other", "version": "v1", "nobody": "nobody"}
WHOLE_WEB = "the one without a name"


def with_scenarios(repo: Repo) -> None:
    """Makes of `web` an image with three ways to start it; each reads a file that no other reads."""
    repo.write("images/web/worker", WORKER).chmod(0o755)
    for name, text in FILES.items():
        repo.write(f"images/web/data/{name}", f"{text}\n")
    repo.append("images/web/Dockerfile", "COPY worker /bin/\nCOPY data /data/\n")
    repo.append(SPEC, SCENARIOS)
    repo.append("images/ground/image.yaml", OF_BASE)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    repo = Repo(tmp_path_factory.mktemp("scenarios"), busybox, fresh_tags())
    with_scenarios(repo)
    yield repo
    repo.remove_images()


@pytest.fixture
def several(built: Repo) -> Iterator[Repo]:
    """The repo with such a `web`, built; its spec is put back afterwards."""
    before = built.path(SPEC).read_text()
    result = built.run()
    assert result.status == 0, result.output
    yield built
    built.write(SPEC, before)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def traced_anew(repo: Repo) -> tuple[int, str]:
    """How many containers of the fat image that started, and what was said."""
    fat = repo.fat("web")
    with repo.created() as created:
        result = repo.run("trace:web")
    assert (result.status, result.ran) == (0, ("trace:web",)), result.output
    return created.count(fat), result.output


def test_what_each_of_them_uses_is_in_the_image(several: Repo) -> None:
    header, *records = lines(several.path(TRACE))
    assert header["steps"] == [
        "start",
        "1 http GET http :80/",
        "2 http GET http :80/absent",
        "worker: start",
        "worker: 1 wait log read worker",
        "worker: 2 exec cat /spool/made",
        "version: start",
        "version: 1 oneshot cat /data/version",
    ]
    assert [one["name"] for one in header["scenarios"]] == ["", "worker", "version"]
    assert {f"{one['key']}.jsonl" for one in header["scenarios"]} == {
        path.name for path in several.path("build/traces").iterdir()
    }
    steps = {record["path"]: record["steps"] for record in records if record.get("how") == "read"}
    assert (steps["/etc/httpd.conf"], steps["/data/worker"], steps["/data/version"]) == ([0], [3], [7])
    kept = {record["path"] for record in lines(several.path("build/web/selection.jsonl"))[1:]}
    assert {f"/data/{name}" for name in FILES} & kept == {"/data/worker", "/data/version"}
    verified = json.loads(several.path("build/web/verify.json").read_text())
    assert [(one["scenario"], len(one["steps"])) for one in verified["results"]] == [
        ("", 2),
        ("worker", 2),
        ("version", 2),
    ]
    assert several.report()["web"]["steps"] == 6 and several.report()["web"]["verified"]
    assert several.left_over() == []


def test_a_base_is_verified_in_each(several: Repo) -> None:
    verified = json.loads(several.path("build/ground/verify.json").read_text())
    assert [(one["scenario"], one["steps"][0]["name"]) for one in verified["results"]] == [
        ("", "step 1 (oneshot)"),
        ("told", "step 1 of scenario told (oneshot)"),
    ]
    assert several.report()["ground"]["steps"] == 2


def test_nothing_changed_in_any(several: Repo) -> None:
    assert several.run().ran == ()


def test_only_the_scenario_that_changed_is_traced(several: Repo) -> None:
    several.replace(SPEC, "stdout: [worker]", "stdout: [wor]")
    started, said = traced_anew(several)
    assert started == 1 and f" ({WHOLE_WEB}, version traced before)" in said, said
    result = several.run()
    assert "6 steps of 3 scenarios passed in " in result.output, result.output


def test_what_all_of_them_are_laid_over(several: Repo) -> None:
    several.replace(SPEC, "run: {stop_grace_period: 5s}", "run: {stop_grace_period: 5s, environment: {A: b}}")
    started, said = traced_anew(several)
    assert started == 3 and "traced before" not in said, said


def test_another_name_traces_nothing(several: Repo) -> None:
    several.replace(SPEC, "  worker:\n", "  labour:\n")
    started, said = traced_anew(several)
    assert started == 0 and " (traced before)" in said
    assert lines(several.path(TRACE))[0]["steps"][3] == "labour: start"


def test_a_check_traces_nothing(several: Repo) -> None:
    several.replace(SPEC, "/data/nobody]", "/data/none]")
    assert several.run().ran == ("verify:web",)


def test_cleaning_leaves_the_traces_of_all(several: Repo) -> None:
    several.replace(SPEC, "FILE: worker", "FILE: other")
    several.replace(SPEC, "log: read worker", "log: read other")
    several.replace(SPEC, "stdout: [worker]", "stdout: [other]")
    assert several.run("trace:web").status == 0
    several.run("clean", "verify:web")
    stored = {path.name for path in several.path("build/traces").iterdir()}
    assert stored == {f"{one['key']}.jsonl" for one in lines(several.path(TRACE))[0]["scenarios"]}


def test_a_lock_is_of_all_of_them(several: Repo) -> None:
    lock = several.path("images/web/trace.lock.jsonl")
    assert several.run("lock", "web").status == 0
    locked = {record.get("path") for record in lines(lock)}
    assert {"/etc/httpd.conf", "/data/worker", "/data/version"} <= locked
    started, said = traced_anew(several)
    assert started == 0 and ", from trace.lock.jsonl\n" in said
    assert several.run().failed == ()
    several.replace(SPEC, "cat, /data/version", "cat, /data/other")
    several.replace(SPEC, "stdout: [v1]", "stdout: [other]")
    started, said = traced_anew(several)
    assert started == 0 and "scenarios.version.workload in the spec changed since: `doit lock web` traces" in said, said
    lock.unlink()


def test_a_trace_from_elsewhere_comes_after_them(several: Repo) -> None:
    fat = json.loads(several.path("build/web/fat.json").read_text())["tree_digest"]
    header = {"complete": True, "fat": fat, "lines": 1, "steps": ["start"], "version": 2}
    record = {"path": "/data/nobody", "how": "read", "steps": [0]}
    several.write("images/web/prod.jsonl", f"{json.dumps(header)}\n{json.dumps(record)}\n")
    several.append(SPEC, "trace: {also: [{file: prod.jsonl}]}\n")
    started, said = traced_anew(several)
    assert started == 0 and "; prod.jsonl adds 1 path\n" in said
    header, *records = lines(several.path(TRACE))
    assert header["steps"][8:] == ["prod.jsonl: start"]
    assert [record["steps"] for record in records if record.get("path") == "/data/nobody"] == [[8]]


MOUNTED = "/srv was mounted, and what was opened below it at once was not watched"


def test_one_that_is_not_complete(several: Repo) -> None:
    mounting = "busybox mount -o bind /spool /srv; sleep 0.3; exec worker"
    several.replace(SPEC, "command: [worker]", f"cap_add: [SYS_ADMIN], command: [sh, -c, 'mkdir -p /srv; {mounting}']")
    result = several.run("web")
    fails(several, result, "trace:web", f"scenario worker: the trace may have missed something: {MOUNTED}\n")
    several.append(SPEC, "trace: {allow-incomplete: true}\n")
    result = several.run("web", "report")
    assert result.status == 0 and f"\nweb: THE TRACE IS NOT COMPLETE: worker: {MOUNTED}\n" in result.output


def test_one_that_fails_on_the_fat_image(several: Repo) -> None:
    before = several.tagged("web")
    several.replace(SPEC, "stdout: [worker]", "stdout: [boss]")
    line = f"{SPEC}:16:9: step 2 of scenario worker (exec) failed: stdout: not met: boss\n"
    result = several.run()
    fails(several, result, "trace:web", "the workload fails on the fat image already", line)
    assert several.tagged("web") == before


def test_one_that_fails_on_the_slim_image(several: Repo) -> None:
    before = several.tagged("web")
    several.append(SPEC, "drop: [/data/worker]\n")
    line = f'/data/worker: taken away by drop: ["/data/worker"] at {SPEC}:22:8'
    fails(
        several,
        several.run(),
        "verify:web",
        "step 1 of scenario worker (wait) failed: the container ended by itself",
        line,
    )
    assert several.tagged("web") == before
    several.replace(SPEC, "drop: [/data/worker]", "drop: [/data/version]")
    line = f'/data/version: taken away by drop: ["/data/version"] at {SPEC}:22:8'
    fails(several, several.run(), "verify:web", "step 1 of scenario version (oneshot) failed: exit status 1", line)


def test_a_check_of_one_that_fails(several: Repo) -> None:
    several.replace(SPEC, "exit-status: 1}", "stdout: [nobody]}")
    line = '/data/nobody: would be kept by keep: ["/data/nobody"]'
    fails(several, several.run(), "verify:web", "check 1 of scenario version (oneshot) failed: exit status 1", line)


def test_one_that_does_not_start(several: Repo) -> None:
    several.replace(SPEC, "command: [worker]", "command: [wrker]")
    several.replace(SPEC, "      - wait: {log: read worker}\n", "")
    said = f"{SPEC}: start of scenario worker failed: the container does not start: the image has no wrker "
    fails(several, several.run(), "trace:web", "the workload fails on the fat image already", said)
