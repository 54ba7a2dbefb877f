"""doit repair: what a slim image lacks for its checks, found by trying, and written into its spec."""

from __future__ import annotations

import pytest
from faults import DOCKERFILE, SPEC, fails
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = pytest.mark.engine

# Asks for a file that it does without, then for one that it needs.
TOOL = """\
#!/bin/sh
[ -e /etc/tool.conf ] && . /etc/tool.conf
read -r one </srv/one && echo $one
"""
CHECK = "checks:  # of what nobody traced\n  - exec: {command: [tool], stdout: [first]}\n"
LINE = 'keep: ["/bin/tool", "/srv/one"]'


@pytest.fixture
def tool(site: Repo) -> Repo:
    """The repo with a check in `web` of a program that nobody traced."""
    site.write("images/web/tool", TOOL).chmod(0o755)
    site.write("images/web/one", "first\n")
    site.write("images/web/tool.conf", "\n")
    site.append(DOCKERFILE, "COPY tool /bin/\nCOPY tool.conf /etc/\nCOPY one /srv/\n")
    site.append(SPEC, CHECK)
    return site


def test_the_smallest_set_is_written_and_verified(tool: Repo) -> None:
    before = tool.path(SPEC).read_text()
    result = tool.run("repair", "web", "--write")
    assert result.status == 0, result.output
    assert tool.path(SPEC).read_text() == f"{before}{LINE}\n" and tool.left_over() == []
    done = (
        "2 rules added to images/web/image.yaml (" in result.output
        and "2 rounds, none can be left out)" in result.output
    )
    assert done and result.ran[-2:] == ("image:web", "verify:web"), result.output
    result = tool.run("repair", "web")
    assert (result.status, "verify passes: nothing to repair" in result.output) == (0, True), result.output


def test_what_a_drop_rule_took_is_the_users_to_take_back(site: Repo) -> None:
    site.append(SPEC, "checks:\n  - exec: {command: [cat, /etc/passwd]}\ndrop: [/etc/passwd]\n")
    before = site.path(SPEC).read_text()
    result = site.run("repair", "web", "--write")
    lines = ('images/web/image.yaml:13:8: drop: ["/etc/passwd"]', '        keep: ["/bin/cat", "/etc/passwd"]')
    fails(site, result, "repair:web", "check 1 (exec) failed", "it passes without", *lines)
    assert site.path(SPEC).read_text() == before


@pytest.mark.slow
def test_what_no_file_helps(site: Repo) -> None:
    site.append(SPEC, "checks:\n  - http: {body: [goodbye]}\n")
    fails(site, site.run("repair", "web"), "repair:web", "check 1 (http) failed", "it fails on the fat image, too")


SERVICE = """\
services:
  store:
    image: ground
    command: [sh, -c, mkdir /www && echo stored >/www/it && exec httpd -f -h /www]
    expose: [80]
checks:
  - exec: {command: [fetch], stdout: [stored]}
"""


def test_what_is_asked_of_a_service(site: Repo) -> None:
    """It is there in each trial, and what is lacking is what the image asks it with."""
    site.write("images/web/fetch", '#!/bin/sh\nread -r address </srv/store && wget -q -O - "$address"\n').chmod(0o755)
    site.write("images/web/store", "http://store/it\n")
    site.append(DOCKERFILE, "COPY fetch /bin/\nCOPY store /srv/\n")
    site.append(SPEC, SERVICE)
    before = site.path(SPEC).read_text()
    result = site.run("repair", "web", "--write")
    assert result.status == 0, result.output
    assert site.path(SPEC).read_text() == f'{before}keep: ["/bin/fetch", "/srv/store"]\n'  # the shell is its own wget
    assert result.ran[-1] == "verify:web" and site.left_over() == []


SCENARIOS = """\
scenarios:
  asks:
    workload:
      - http: {path: /absent, status: 404}
    checks:
      - exec: {command: [tool], stdout: [first]}
  reads:
    run: {command: [sh, -c, "echo up; exec sleep 60"], stop_signal: SIGKILL}
    workload:
      - wait: {log: up}
      - exec: {command: [ls, /www], stdout: [index.html]}
    checks:
      - exec: {command: [cat, /srv/two], stdout: [second]}
"""


@pytest.mark.slow
def test_what_two_scenarios_lack(tool: Repo) -> None:
    tool.write("images/web/two", "second\n")
    tool.append(DOCKERFILE, "COPY two /srv/\n")
    tool.replace(SPEC, CHECK, SCENARIOS)
    before = tool.path(SPEC).read_text()
    result = tool.run("repair", "web", "--write")
    assert result.status == 0, result.output
    assert "check 1 of scenario asks (exec) failed" in result.output
    assert tool.path(SPEC).read_text() == f'{before}keep: ["/bin/cat", "/bin/tool", "/srv/one", "/srv/two"]\n'
    assert result.ran[-1] == "verify:web" and tool.left_over() == []
    tool.replace(SPEC, ', "/srv/two"', "")
    result = tool.run("repair", "web")
    assert "check 1 of scenario reads (exec) failed" in result.output and 'keep: ["/srv/two"]' in result.output
    assert result.status == 1, result.output
