"""doit's own commands, as a user of a repo types them, and sources of other kinds."""

from __future__ import annotations

import pytest
from pipeline_repo import Repo, doit_in

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

FOREIGN = """\
tags: [{tags}/copy.1]
from: {{image: '{foreign}'}}
add:
  - {{source: ../web/httpd.conf, target: /etc/httpd.conf}}
  - {{source: ../web/index.html, target: /www/index.html}}
run: {{command: [server], stop_signal: SIGKILL}}
workload:
  - http: {{path: /, body: [hello]}}
"""


@pytest.fixture
def foreign(repo: Repo) -> str:
    """A tag that somebody else gave to what `web` is cut out of, and out of which the repo makes another one."""
    assert repo.run("web").status == 0
    tag = f"{repo.tags}-foreign:1"
    repo.engine.tag(repo.fat("web"), tag)
    repo.write("images/copy.1/image.yaml", FOREIGN.format(tags=repo.tags, foreign=tag))
    return tag


def test_somebody_elses_image_is_slimmed_watched_and_left_alone(repo: Repo, foreign: str) -> None:
    assert "verify:copy.1" in repo.run("copy.1").ran
    assert repo.run("copy.1").ran == ()
    repo.engine.tag(repo.result("ground")["id"], foreign)
    assert "fat:copy.1" in repo.run("copy.1").ran
    cleaned = repo.run("clean", "copy.1")
    assert cleaned.status == 0 and foreign not in cleaned.output
    assert repo.engine.inspect_image(foreign) is not None
    assert not repo.tagged("copy.1") and list(repo.path("build/copy.1").iterdir()) == []
    assert repo.run("web").ran == ()


def test_a_dry_clean_says_what_a_clean_removes(repo: Repo) -> None:
    assert repo.run("web").status == 0
    before = sorted(repo.path("build").rglob("*"))
    said = repo.run("clean", "-n", "web")
    assert sorted(repo.path("build").rglob("*")) == before and repo.tagged("web")
    done = repo.run("clean", "web")
    shown = [line for line in said.output.splitlines() if "    " in line]
    assert set(shown) <= set(done.output.splitlines()) and f"    tag {repo.tag('web')}" in shown


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("wbe",), 3, 'Invalid parameter: "wbe"'),
        (("verify:wbe",), 3, 'Invalid parameter: "verify:wbe"'),
        (("-n", "2"), 3, "-n: the tasks of images run one at a time"),
        (("-n", "2", "-P", "thread"), 3, "-n: the tasks of images run one at a time"),
        (("list", "web"), 0, "web   slim: "),
        (("info", "image:web"), 1, " - the engine has the image of build/web/image.json"),
        (("help", "web"), 0, "web  slim: "),
        (("forget",), 0, "forgetting"),
    ],
)
def test_commands_that_need_no_engine(repo: Repo, arguments: tuple[str, ...], status: int, said: str) -> None:
    result = repo.run(*arguments, DOCKER_HOST="unix:///nowhere.sock")
    assert (result.status, said in result.output) == (status, True), result.output
    assert "Traceback" not in result.output


def test_from_a_folder_below(repo: Repo) -> None:
    result = doit_in(repo.path("images/web"), "list", "-k", "web")
    assert result.status == 0 and "web   slim: " in result.output


def test_a_repo_without_images(repo: Repo) -> None:
    for name in ("web", "ground"):
        repo.path(f"images/{name}").rename(repo.path(f".{name}"))
    result = repo.run()
    note = "images/: no image is declared here yet; `doit init IMAGE` declares one"
    assert (result.status, result.output.strip()) == (0, note)
    for words in (("lock",), ("push", "web"), ("removed", "web"), ("update", "web")):
        result = repo.run(*words)
        assert (result.status, "there is none here yet: `doit init IMAGE` writes" in result.output) == (3, True)


PRINTER = """\
tags: [{tags}/printed]
from: {{dockerfile: Dockerfile, stdout: [busybox, tar, -c, -C, /context, .]}}
workload:
  - oneshot: {{command: [/bin/busybox, echo, hi], stdout: [hi]}}
"""


def test_an_image_that_is_built_to_print_another_is_gone_afterwards(repo: Repo) -> None:
    repo.write("images/printed/image.yaml", PRINTER.format(tags=repo.tags))
    repo.write(
        "images/printed/Dockerfile",
        f"FROM {repo.tags}/ground\n"
        "RUN mkdir /context && cp /bin/busybox /context/ && "
        "printf 'FROM scratch\\nCOPY busybox /bin/\\n' > /context/Dockerfile\n",
    )
    result = repo.run("printed")
    assert result.status == 0, result.output
    assert repo.result("printed")["files"] == 1
    assert repo.left_over() == []
