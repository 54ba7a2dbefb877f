"""What `trace:` in a spec says, and what becomes of a trace that is not complete."""

from __future__ import annotations

import json

import pytest
from engine_relay import Relay
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

SPEC = "images/web/image.yaml"
UNSEEN = "LOOKUPS ARE NOT SEEN: neither what is only looked at, nor what is asked for in vain"
MOUNTED = "/srv was mounted, and what was opened below it at once was not watched"


def test_a_backend_that_sees_no_lookups_says_so(repo: Repo) -> None:
    repo.append(SPEC, "trace: {backend: fanotify}\n")
    result = repo.run()
    assert result.status == 0, result.output
    assert "; fanotify, LOOKUPS NOT SEEN\n" in result.output
    assert result.output.count(f"\nweb: {UNSEEN}\n") == 1  # below the table
    header = json.loads(repo.path("build/web/trace.jsonl").read_text().splitlines()[0])
    assert header["backend"] == {"opens": "fanotify", "lookups": "none", "why": "the spec says so"}
    assert repo.report()["web"]["trace"] == {"backend": header["backend"], "complete": True, "unseen": [UNSEEN]}
    assert repo.report()["ground"]["trace"] == {}


def test_an_incomplete_trace_is_no_trace_unless_it_is_allowed(repo: Repo) -> None:
    repo.replace(
        "images/web/server", "httpd -f", "mkdir -p /srv\nbusybox mount -o bind /data /srv\nsleep 0.3\nhttpd -f"
    )
    repo.append(SPEC, "run: {cap_add: [SYS_ADMIN], volumes: ['data:/data'], stop_grace_period: 5s}\n")
    repo.replace(SPEC, "run: {stop_grace_period: 5s}\n", "")
    result = repo.run("web")
    assert (result.status, result.failed) == (1, ("trace:web",)), result.output
    assert f"the trace may have missed something: {MOUNTED}\n" in result.output
    assert "allow-incomplete: true" in result.output
    assert not repo.path("build/web/trace.jsonl").exists() and not list(repo.path("build/traces").glob("*"))
    repo.append(SPEC, "trace: {allow-incomplete: true}\n")
    result = repo.run("web", "report")
    assert result.status == 0, result.output
    assert f"\nweb: THE TRACE IS NOT COMPLETE: {MOUNTED}\n" in result.output
    trace = repo.report()["web"]["trace"]
    assert (trace["complete"], trace["incomplete"]) == (False, [MOUNTED])
    assert repo.left_over() == []


TESTERS = """\
  - client: {command: [sh, -c, 'cat /for/client && wget -q -O - http://web/ | head -n 9'], stdout: [client, hello]}
  - client: {image: TAG/ground, command: [sh, -c, 'cat /etc/passwd; wget -q -O - http://web/'], stdout: [hello]}
  - host: {command: [sh, -c, 'cat for-host; sh -c ./ask'], stdout: [host]}
  - wait: {port: 80}
trace: {backend: BACKEND}
"""
ASK = """\
#!/usr/bin/env python3
import os, urllib.request
assert b"hello" in urllib.request.urlopen(f"http://{os.environ['SLIMTASKS_HOST']}:{os.environ['SLIMTASKS_PORT_80']}/").read()
"""
THEIRS = ("client", "host", "/ask", "passwd", "wget", "/cat", "/head", "python", "relay", "slimtasks")
# What serves the page, as busybox's shell starts it; all else would be somebody else's.
OURS = {"", "/bin/server", "/bin/busybox"}


@pytest.mark.parametrize("backend", ["ebpf", "strace"])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "by relay"])
def test_the_testers_programs_are_in_no_trace(repo: Repo, backend: str, elsewhere: bool) -> None:
    """Neither those of clients, also of the same image, nor of the host, nor what looks whether it is ready."""
    repo.write("images/web/for-host", "host\n")
    repo.write("images/web/ask", ASK).chmod(0o755)
    repo.append("images/web/Dockerfile", "COPY client /for/client\n")
    repo.write("images/web/client", "client\n")
    repo.append(SPEC, TESTERS.replace("TAG", repo.tags).replace("BACKEND", backend))
    with Relay() as relay:
        result = repo.run("trace:web", **({"DOCKER_HOST": relay.address} if elsewhere else {}))
    assert result.status == 0, result.output
    records = [json.loads(line) for line in repo.path("build/web/trace.jsonl").read_text().splitlines()]
    assert records[0]["backend"]["lookups"] == backend
    paths = {record["path"] for record in records if "how" in record}
    assert {"/www/index.html", "/etc/httpd.conf"} <= paths  # it was traced
    assert {name for record in records for name in record.get("by", (record.get("program", ""),))} <= OURS
    assert [path for path in paths if any(word in path for word in THEIRS)] == []


def test_lookups_of_the_start_alone_leave_packages_whole(repo: Repo) -> None:
    told = "LOOKUPS AFTER STEP 0 ARE NOT SEEN: trace.lookups is startup"
    status = "Package: server\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
    repo.write("images/web/dpkg/status", status)
    repo.write("images/web/dpkg/info/server.list", "/bin/server\n/bin/late\n")
    repo.write("images/web/tree/bin/late", "late")
    repo.append("images/web/Dockerfile", "COPY dpkg /var/lib/dpkg\nCOPY tree /\n")
    repo.append(SPEC, "trace: {lookups: startup}\n")
    result = repo.run("web", "report")
    assert result.status == 0, result.output
    assert ", LOOKUPS AFTER STEP 0 NOT SEEN\n" in result.output
    assert "LOOKUPS AFTER STEP 0 NOT SEEN, SO PACKAGES STAY WHOLE: 1" in result.output
    assert result.output.count(f"\nweb: {told}\n") == 1  # below the table
    trace = repo.report()["web"]["trace"]
    assert (trace["complete"], trace["unseen"]) == (True, [told])
    lines = repo.path("build/web/selection.jsonl").read_text().splitlines()[1:]
    assert "/bin/late" in {json.loads(line)["path"] for line in lines}
