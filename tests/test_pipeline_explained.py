"""What verify says of a slim image that lacks something."""

from __future__ import annotations

import subprocess

import pytest
from faults import DOCKERFILE, SPEC, fails
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = pytest.mark.engine

USERS = """\
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
int main(void) {
    if (!getpwnam("nobody"))
        return fprintf(stderr, "getpwnam(\\"nobody\\") failed\\n"), 2;
    if (!getgrnam("nogroup"))
        return fprintf(stderr, "getgrnam(\\"nogroup\\") failed\\n"), 2;
    puts("both");
}
"""


@pytest.fixture
def users(site: Repo) -> Repo:
    """The repo with a program in `web` that needs /etc/passwd, then /etc/group, and a step that runs it."""
    source = site.write("images/web/users.c", USERS)
    made = ["gcc", "-static", "-o", str(site.path("images/web/users")), str(source)]
    subprocess.run(made, check=True, capture_output=True)
    site.write("images/web/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    site.write("images/web/group", "root:x:0:\nnogroup:x:65534:\n")
    site.append(DOCKERFILE, "COPY users /bin/\nCOPY passwd group /etc/\n")
    site.append(SPEC, "  - exec: {command: [users], stdout: [both]}\n")
    return site


@pytest.mark.parametrize(
    ("dropped", "named", "call"),
    [
        ("/etc/passwd, /etc/group", "/etc/passwd", 'getpwnam("nobody")'),
        ("/etc/group", "/etc/group", 'getgrnam("nogroup")'),
    ],
)
def test_what_a_drop_rule_took(users: Repo, dropped: str, named: str, call: str) -> None:
    users.append(SPEC, f"drop: [{dropped}]\n")
    line = f'{named}: taken away by drop: ["{named}"] at {SPEC}:12:8'
    result = users.run()
    fails(users, result, "verify:web", "step 3 (exec) failed: exit status 2 instead of 0", f"{call} failed", line)
    assert result.output.count("taken away by") == 1
    users.replace(SPEC, f"drop: [{dropped}]\n", "")
    assert users.run().failed == ()


@pytest.mark.parametrize(("user", "file"), [("nobody", "passwd"), ("65534:nogroup", "group")])
def test_what_the_engine_looks_a_name_up_in(users: Repo, user: str, file: str) -> None:
    """No trace shows that it does: it reads the file before there is a container."""
    users.append(SPEC, f"drop: [/etc/{file}]\n")
    users.replace(SPEC, "run: {", f"run: {{user: '{user}', ")
    users.replace(SPEC, "  - exec: {command: [users], stdout: [both]}\n", "")
    line = f'/etc/{file}: taken away by drop: ["/etc/{file}"] at {SPEC}:11:8'
    fails(users, users.run(), "verify:web", f"no matching entries in {file} file", line)


def test_what_the_workload_never_used(users: Repo) -> None:
    users.append(SPEC, "checks:\n  - exec: {command: [users]}\n  - exec: {command: [cat, /bin/wget], timeout: 5s}\n")
    users.replace(SPEC, "  - exec: {command: [users], stdout: [both]}\n", "")
    line = '/bin/users: would be kept by keep: ["/bin/users"]'
    fails(users, users.run(), "verify:web", "check 1 (exec) failed: the image has no users in its PATH", line)
    users.append(SPEC, "keep: [/bin/users]\n")
    line = '/etc/passwd: would be kept by keep: ["/etc/passwd"]'
    fails(users, users.run(), "verify:web", 'getpwnam("nobody") failed', line)


def test_only_the_cause_is_named(site: Repo) -> None:
    """With the program its interpreter was not kept either, and comes back with it."""
    site.append(SPEC, "drop: [/bin/server]\n")
    result = site.run()
    fails(site, result, "verify:web", f'/bin/server: taken away by drop: ["/bin/server"] at {SPEC}:11:8')
    assert "kept by" not in result.output


PARTS = "COPY one two /www/parts/\n"
READS = "exec: {command: [sh, -c, 'for part in /www/parts/*; do read -r x < $part; echo $x; done'], stdout: [two]}"


@pytest.fixture
def parts(site: Repo) -> Repo:
    """The repo with files in `web` that a glob finds: who lists a directory asks for none of them by name."""
    site.write("images/web/one", "one\n")
    site.write("images/web/two", "two\n")
    site.append(DOCKERFILE, PARTS)
    return site


def test_a_drop_rule_that_nobody_asks_for(parts: Repo) -> None:
    parts.append(SPEC, f"  - {READS}\ndrop: [/www/parts/two]\n")
    line = f'/www/parts/two: taken away by drop: ["/www/parts/two"] at {SPEC}:12:8'
    result = parts.run()
    fails(parts, result, "verify:web", "stdout: not met: two", "used on the fat image, and not in this one:", line)
    assert result.output.count("/www/parts/one") == 0


def test_a_check_of_what_nobody_asks_for(parts: Repo) -> None:
    parts.append(SPEC, "  - exec: {command: [sh, -c, 'echo /www/parts/*']}\n")
    parts.append(SPEC, f"checks:\n  - http: {{}}\n  - {READS}\n")
    lines = [f'/www/parts/{name}: would be kept by keep: ["/www/parts/{name}"]' for name in ("one", "two")]
    result = parts.run()
    fails(parts, result, "verify:web", "check 2 (exec) failed", "it passes on the fat image, which has:", *lines)


def test_a_check_that_fails_on_the_fat_image_too(parts: Repo) -> None:
    parts.append(SPEC, "checks:\n  - http: {body: [goodbye]}\n")
    fails(parts, parts.run(), "verify:web", "check 1 (http) failed", "it fails on the fat image, too")
