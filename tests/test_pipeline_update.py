"""`doit update`: what is newer at the mirror, and what is made anew of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from debian_repository import SUITE, Repository
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

LOCK = "images/small/packages.lock"
SMALL = """\
kind: base
tags: [{tags}/small]
from: {{bootstrap: {{suite: {suite}, variant: essential, include: [tiny, other], mirror: '{mirror}'}}}}
"""
APP = """\
tags: [{tags}/app]
from: {{dockerfile: Dockerfile}}
workload:
  - oneshot: {{command: [cat, /usr/share/tiny, /etc/built], stdout: [".0"]}}
"""
IN_ORDER = ("update:small", "verify:small", "trace:web", "verify:web", "changes:small", "changes:web")
DOCKERFILE = """\
FROM {tags}/small
RUN cat /usr/share/tiny >/etc/built
CMD ["cat", "/etc/built"]
"""


@pytest.fixture
def mirror(tmp_path: Path, busybox: Path) -> Repository:
    tmp_path.chmod(0o755)
    repository = Repository(tmp_path / "repository", busybox)
    repository.publish("tiny", "1.0")
    repository.publish("other", "1.0")
    return repository


@pytest.fixture
def on_mirror(repo: Repo, mirror: Repository) -> Repo:
    """A repo with a bootstrapped base, and an app that is built on it."""
    repo.write("images/small/image.yaml", SMALL.format(tags=repo.tags, suite=SUITE, mirror=mirror.mirror))
    repo.write("images/app/image.yaml", APP.format(tags=repo.tags))
    repo.write("images/app/Dockerfile", DOCKERFILE.format(tags=repo.tags))
    return repo


def test_what_is_newer_is_fetched_and_told(on_mirror: Repo, mirror: Repository) -> None:
    repo = on_mirror
    assert repo.run("app", "small").status == 0
    made = repo.result("app")

    same = repo.run("update", "app")
    assert (same.status, repo.result("app")) == (0, made), same.output
    assert same.ran == ("update:small", "update:app", "changes:small", "changes:app")
    assert "bootstrapped small: nothing newer" in same.output and "built without cache: nothing newer" in same.output
    assert same.output.count("no package changed") == 2

    mirror.publish("tiny", "2.0")
    assert repo.run("app").ran == ()  # nothing is fetched by itself

    # a mirror that is away leaves all as it was
    mirror.folder.rename(mirror.folder.with_name("away"))
    failed = repo.run("update", "app")
    assert (failed.status, failed.failed) == (1, ("update:small",)), failed.output
    assert "the bootstrap of small failed: " in failed.output and "Traceback" not in failed.output
    assert "failed: update:small\nnot run, since they need what failed: update:app\n" in failed.output
    assert repo.run("app").ran == () and repo.left_over() == []
    mirror.folder.with_name("away").rename(mirror.folder)

    newer = repo.run("update", "small")  # what was built on it follows
    assert newer.status == 0, newer.output
    assert newer.ran[:4] == ("update:small", "base:small", "sbom:small", "verify:small")
    assert newer.ran[-4:] == ("image:app", "verify:app", "changes:small", "changes:app")
    assert newer.output.count("1 package changed\n    tiny 1.0 -> 2.0\n") == 2
    assert repo.run("app").ran == () and repo.left_over() == []


def test_a_lock_is_written_anew(on_mirror: Repo, mirror: Repository) -> None:
    repo = on_mirror
    assert repo.run("small").status == 0
    repo.write(LOCK, repo.path("build/small/packages.lock").read_text())
    mirror.publish("tiny", "2.0")
    result = repo.run("update", "small")
    assert result.status == 0 and f"bootstrapped {SUITE}; packages.lock is written anew" in result.output
    assert "\ntiny 2.0 all " in repo.path(LOCK).read_text()
    assert repo.path(LOCK).read_text() == repo.path("build/small/packages.lock").read_text()
    assert repo.run("small").ran == ()

    # where an image's age is limited, its date is that of the last look for something newer
    old = repo.path(LOCK).read_text()
    dated = re.sub(r"fetched \S+", "fetched 2026-01-02T03:04:05Z", old)
    repo.write(LOCK, dated)
    repo.append("images/small/image.yaml", "limits: {age: 30d}\n")
    failed = repo.run("small")
    assert (failed.status, failed.failed) == (1, ("sbom:small",)), failed.output
    assert f" d ({SUITE}, fetched 2026-01-02); allowed: at most 30 d" in failed.output
    result = repo.run("update", "small")
    assert result.status == 0 and "nothing newer; packages.lock is written anew" in result.output, result.output
    assert repo.path(LOCK).read_text() != dated and "\ntiny 2.0 all " in repo.path(LOCK).read_text()
    assert repo.run("small").ran == ()

    result = repo.run("update", "smal")
    assert result.status == 3 and "update: no image is called smal; did you mean small? allowed: " in result.output


def test_what_an_image_is_tried_with_is_updated_with_it(on_mirror: Repo, mirror: Repository) -> None:
    repo = on_mirror
    repo.append("images/web/image.yaml", "services: {store: {image: small, command: [busybox, sleep, '99']}}\n")
    assert repo.run("web").status == 0
    made = repo.result("web")
    for version, name in (("2.0", "web"), ("3.0", "small")):
        mirror.publish("tiny", version)
        newer = repo.run("update", name)
        assert newer.status == 0, newer.output
        assert [task for task in newer.ran if task in IN_ORDER] == list(IN_ORDER), newer.output
        assert newer.output.count("1 package changed\n    tiny ") == 1, newer.output
        assert newer.output.count(" no package changed\n") == (2 if name == "web" else 1), newer.output
        assert repo.result("web") == made and repo.run("web").ran == ()
    assert repo.left_over() == []
