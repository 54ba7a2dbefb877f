"""Several images, several runs, several checkouts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from pipeline_repo import STAGES, Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

STEPS = """\
ARG AFRESH
RUN ["sh", "-c", "echo $AFRESH > /made; mkdir -p /srv/a; echo b > /srv/a/b; ln /srv/a/b /srv/c; ln -s a /srv/d"]
"""
MakeRepo = Callable[..., Repo]


def chain(image: str) -> tuple[str, ...]:
    return tuple(f"{stage}:{image}" for stage in STAGES if stage != "base")


def test_a_name_that_is_no_tag_of_the_repo_means_the_same_as_before(repo: Repo) -> None:
    name = repo.tags  # of an image, which nobody else has
    repo.write(f"images/{name}/image.yaml", f"kind: build\ntags: [{name}/it]\nfrom: {{dockerfile: Dockerfile}}\n")
    repo.write(f"images/{name}/Dockerfile", f'FROM {name}/ground\nRUN ["touch", "/it"]\n')
    repo.write("images/on/image.yaml", f"kind: build\ntags: [{name}/on]\nfrom: {{dockerfile: Dockerfile}}\n")
    repo.write("images/on/Dockerfile", f'FROM {name}\nRUN ["cat", "/it"]\n')
    repo.append("images/web/image.yaml", f"services: {{beside: {{image: {name}, command: [sleep, '99']}}}}\n")
    made = repo.run("on", "web")
    assert made.status == 0, made.output
    assert repo.engine.inspect_image(name) is None

    theirs = repo.result("ground")["id"]
    repo.engine.tag(theirs, f"{name}:latest")
    for image in ("on", "web"):
        repo.append(f"images/{image}/Dockerfile", 'RUN ["cat", "/etc/passwd"]\n')
    made = repo.run("on", "web")
    assert made.status == 0 and {"fat:on", "fat:web"} <= set(made.ran), made.output
    assert (repo.engine.inspect_image(name) or {})["Id"] == theirs
    assert repo.run("on", "web").ran == () and repo.left_over() == []


def test_one_of_three_images_fails(repo: Repo) -> None:
    for name in ("api", "site"):
        repo.add_web(name)
    assert repo.run().status == 0
    before = {name: repo.tagged(name) for name in ("api", "site", "web")}
    for name in before:
        repo.write(f"images/{name}/index.html", f"<p>{'hello' if name != 'site' else 'bye'} {name}</p>\n")
    result = repo.run()
    assert (result.status, result.failed) == (1, ("verify:site",))
    where, what = "images/site/image.yaml:9:5: step 1 (http)", "failed: body: not met: hello"
    assert f"site               verify    FAILED\n    {where} {what}\n" in result.output
    assert result.output.rstrip().endswith("failed: verify:site")
    assert repo.tagged("site") == before["site"]
    assert all(repo.tagged(name) == repo.result(name)["id"] != before[name] for name in ("api", "web"))
    assert {name: row["verified"] for name, row in repo.report().items()} == {
        "api": True,
        "ground": True,
        "site": False,
        "web": True,
    }
    assert repo.left_over() == []


def test_one_image_in_an_empty_checkout(repo: Repo) -> None:
    repo.add_web("other")
    result = repo.run("web")
    assert (result.status, result.ran) == (0, ("base:ground", "verify:ground", *chain("web")))
    folders = {path.name for path in repo.path("build").iterdir() if path.is_dir()}
    assert folders == {"fat", "ground", "layers", "traces", "web"}
    assert (repo.tagged("ground"), repo.tagged("other")) == (repo.result("ground")["id"], "")


def test_the_same_is_traced_once(repo: Repo) -> None:
    repo.add_web("twin")
    result = repo.run()
    traces = [line for line in result.output.splitlines() if " trace " in line]
    assert [("(traced before)" in line) for line in traces] == [False, True]
    assert len(list(repo.path("build/traces").iterdir())) == 1
    assert repo.result("twin")["config_digest"] == repo.result("web")["config_digest"]


def test_a_second_run_in_one_checkout_waits_and_then_has_nothing_to_do(repo: Repo) -> None:
    first, second = repo.start(), repo.start()
    outputs = [process.communicate(timeout=600)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    waited = "another run is at work in this checkout: waiting for it to end"
    idle, busy = sorted(outputs, key=lambda output: "web                verify" in output)
    assert waited in idle and waited not in busy
    assert [line.split()[0] for line in idle.replace(waited, "").splitlines() if line] == ["image", "ground", "web"]
    assert repo.left_over() == []


def test_two_checkouts_with_the_same_tags_at_once(make_repo: MakeRepo) -> None:
    one = make_repo("one")
    two = make_repo("two", one.tags)
    two.write("images/web/index.html", "<p>hello two</p>\n")
    two.write("images/ground/root/etc/motd", "two\n")
    runs = [repo.start() for repo in (one, two)]
    outputs = [process.communicate(timeout=600)[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], outputs
    for repo in (one, two):
        assert repo.engine.inspect_image(repo.result("web")["id"]) and repo.engine.inspect_image(repo.fat("web"))
        assert repo.left_over() == []
    assert one.result("web")["id"] != two.result("web")["id"]
    assert one.tagged("web") in (one.result("web")["id"], two.result("web")["id"])
    # each has what it would have had alone
    for repo in (one, two):
        before = repo.result("web")["config_digest"]
        repo.run("clean")
        assert repo.run().status == 0
        assert repo.result("web")["config_digest"] == before


def test_two_checkouts_give_the_same_image(make_repo: MakeRepo) -> None:
    """In other folders, of users with other umasks, and with no step taken from the build cache."""
    tags = make_repo("unused").tags
    found = []
    for folder, umask in (("one", 0o022), ("two/deeper", 0o077)):
        before = os.umask(umask)
        try:
            repo = make_repo(folder, tags)
            repo.append("images/web/Dockerfile", STEPS)
            repo.replace("images/web/image.yaml", "Dockerfile}", f"Dockerfile, args: {{AFRESH: '{time.time_ns()}'}}}}")
            repo.append("images/web/image.yaml", "keep: [/srv/**]\n")
            result = repo.run()
        finally:
            os.umask(before)
        assert result.status == 0, result.output
        image = repo.result("web")
        found.append((image["config_digest"], [layer["diff_id"] for layer in image["layers"]], image["files"]))
        repo.run("clean")
    assert found[0] == found[1]
