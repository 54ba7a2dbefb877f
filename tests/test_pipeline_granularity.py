"""Whole packages, through doit as a user runs it: of languages, and of all where there is no workload."""

from __future__ import annotations

import json

import pytest
from pipeline_repo import Repo, Result

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

SPEC, DOCKERFILE = "images/web/image.yaml", "images/web/Dockerfile"
SITE = "/usr/lib/python3/dist-packages"


def good(result: Result, *said: str) -> Result:
    assert result.status == 0, result.output
    for text in said:
        assert text in result.output, f"{text!r} in\n{result.output}"
    return result


def row(result: Result, image: str) -> str:
    """The image's line of the table."""
    return next(line for line in result.output.splitlines() if line.startswith(f"{image} ") and "linux/" in line)


def paths(repo: Repo, image: str) -> set[str]:
    """What is selected."""
    lines = repo.path(f"build/{image}/selection.jsonl").read_text().splitlines()[1:]
    return {json.loads(line)["path"] for line in lines}


def without_workload(repo: Repo) -> None:
    text = repo.path(SPEC).read_text()
    repo.write(SPEC, text[: text.index("workload:")])


def test_without_a_workload_packages_stay_whole_and_the_start_is_proved(repo: Repo) -> None:
    without_workload(repo)
    status = "Package: server\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
    repo.write("images/web/dpkg/status", status)
    repo.write("images/web/dpkg/info/server.list", "/bin/server\n/bin/late\n/usr/share/doc/server/README\n")
    repo.write("images/web/tree/bin/late", "late")
    repo.write("images/web/tree/usr/share/doc/server/README", "read me")
    repo.append(DOCKERFILE, "COPY dpkg /var/lib/dpkg\nCOPY tree /\n")
    whole = "NO WORKLOAD, SO PACKAGES STAY WHOLE: 1 (`granularity: file` would save 4 B)"
    proved = "NO WORKLOAD, ONLY ITS START WAS VERIFIED: it stayed up; tagged"
    traced = "NO WORKLOAD: ONLY THE START OF THE CONTAINER WAS TRACED"
    result = good(repo.run(), whole, proved, f"\nweb: {traced}\nweb: {whole}\n")
    kept = paths(repo, "web")
    assert {"/bin/server", "/bin/late", "/bin/busybox"} <= kept
    assert "/usr/share/doc/server/README" not in kept
    assert "  start only  " in row(result, "web")
    assert (repo.report()["web"]["start"], repo.report()["web"]["verified"]) == ("stayed up", True)

    repo.append(SPEC, "granularity: file\n")
    result = good(repo.run(), f"\nweb: {traced}\n", proved)
    assert "PACKAGES" not in result.output and "/bin/late" not in paths(repo, "web")


def test_without_a_workload_a_container_may_end_by_itself_with_0(repo: Repo) -> None:
    without_workload(repo)
    repo.write("images/web/server", "#!/bin/sh\nexit 0\n")
    repo.replace(DOCKERFILE, "EXPOSE 80\n", "")
    good(repo.run(), "NO WORKLOAD, ONLY ITS START WAS VERIFIED: it exited 0; tagged")


def test_without_a_workload_and_without_a_command_nothing_is_proved(repo: Repo) -> None:
    without_workload(repo)
    repo.append(SPEC, "keep: [/bin/server]\n")
    repo.replace(DOCKERFILE, 'CMD ["server"]\n', "")
    nothing = "THE TRACED RUN USED NO FILE, AND NOTHING THAT WAS USED IS OF A PACKAGE"
    result = good(repo.run(), nothing, "NO WORKLOAD AND NO COMMAND: NOTHING WAS VERIFIED; tagged")
    assert "  nothing  " in row(result, "web")


def test_a_workload_that_only_waits_is_none(repo: Repo) -> None:
    without_workload(repo)
    repo.append(SPEC, "workload: [wait: {port: 80}]\n")
    good(repo.run(), "web: NO WORKLOAD: ONLY THE START", "1 step passed")


def test_a_distribution_of_which_a_file_was_used_stays_whole(repo: Repo) -> None:
    record = "foo.py,,\nlate.py,,\nfoo-1.dist-info/RECORD,,\n"
    repo.write(f"images/web/site{SITE}/foo-1.dist-info/RECORD", record)
    repo.write(f"images/web/site{SITE}/bar-1.dist-info/RECORD", "bar.py,,\n")
    for name in ("foo", "late", "bar"):
        repo.write(f"images/web/site{SITE}/{name}.py", name * 500)
    repo.append(DOCKERFILE, "COPY site /\n")
    repo.append(SPEC, f"  - exec: {{command: [cat, {SITE}/foo.py]}}\nchecks:\n")
    repo.append(SPEC, f"  - exec: {{command: [cat, {SITE}/late.py], stdout: [late]}}\n")
    good(repo.run(), "1 package whole (`granularity: file` would save 2.0 kB)")
    kept = {path for path in paths(repo, "web") if path.startswith(SITE + "/")}
    assert kept == {f"{SITE}/{name}" for name in ("foo.py", "late.py", "foo-1.dist-info", "foo-1.dist-info/RECORD")}
