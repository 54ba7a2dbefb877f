"""Limits: what of an image is counted, and what is told of those that are not kept."""

from __future__ import annotations

import pytest
from pipeline_repo import Repo

from slimtasks.limits import Measured, exceeded, largest
from slimtasks.records import Entry, FileType, ImagePath
from slimtasks.spec.fields import decimal_size
from slimtasks.spec.model import Limits

pytest_plugins = ("engine_images", "pipeline_repo")


def entry(path: str, mode: int = 0o644, uid: int = 0, size: int = 0, package: str = "", target: str = "") -> Entry:
    kind: FileType = "dir" if path.endswith("/") else "link" if target else "file"
    name = ImagePath(path.rstrip("/"))
    return Entry(name, kind, mode, uid, size=size, package=package, target=target)


ENTRIES = (
    entry("/bin/", 0o755),
    entry("/bin/dash", 0o755, size=100, package="deb/dash"),
    entry("/bin/sh", 0o777, target="dash"),
    entry("/bin/su", 0o4755, size=50, package="deb/login"),
    entry("/bin/wall", 0o2755, size=40, package="deb/login"),
    entry("/srv/", 0o755, uid=33),
    entry("/srv/page", 0o444, uid=33, size=7),
    entry("/srv/spool", 0o664),
    entry("/tmp/", 0o1777),
)
MEASURED = Measured(ENTRIES, size=197, files=6, fat_size=985)


def test_what_is_counted() -> None:
    assert MEASURED.reduction == 5.0
    assert MEASURED.setuid == 2  # su, and wall by its group
    assert MEASURED.shells == 1  # dash; sh is a link to it
    assert MEASURED.writable_paths == 3  # /srv, /srv/spool and /tmp; the mode of a link means nothing


def test_a_limit_is_kept_up_to_its_number() -> None:
    kept = Limits(size=197, reduction=5.0, files=6, setuid=2, shells=1, writable_paths=3)
    assert exceeded(kept, MEASURED) == ()
    assert exceeded(Limits(), MEASURED) == ()


def test_all_that_are_not_kept_are_told_with_their_places() -> None:
    limits = Limits(
        size=196, reduction=5.1, setuid=0, files=6, places=(("size", "i.yaml:3:9"), ("setuid", "i.yaml:5:3"))
    )
    assert exceeded(limits, MEASURED) == (
        "i.yaml:3:9: limits.size: found 197 B; allowed: at most 196 B",
        "limits.reduction: found 5.0; allowed: at least 5.1",
        "i.yaml:5:3: limits.setuid: found 2; allowed: at most 0",
    )


def test_packages_by_what_they_bring() -> None:
    assert largest(ENTRIES) == ("100 B deb/dash", "90 B deb/login", "7 B no package")


def test_sizes_are_those_of_the_table() -> None:
    assert [decimal_size(text) for text in ("12MB", "1.5 kB", "8MiB", "7B")] == [12_000_000, 1500, 8 << 20, 7]


@pytest.mark.engine
def test_an_image_past_its_limits_gets_no_tag(repo: Repo) -> None:
    repo.append("images/web/image.yaml", "limits: {files: 2, reduction: 3, shells: 1}\n")
    failed = repo.run("web")
    assert failed.status == 1 and failed.failed == ("image:web",)
    assert "images/web/image.yaml:11:17: limits.files: found" in failed.output
    assert "images/web/image.yaml:11:31: limits.reduction: found 1.0; allowed: at least 3.0" in failed.output
    assert "limits.shells" not in failed.output and "MB no package" in failed.output
    assert not repo.tagged("web")
    repo.replace("images/web/image.yaml", "limits: {files: 2, reduction: 3", "limits: {files: 99")
    assert repo.run("web").ran == ("image:web", "verify:web")
    assert repo.tagged("web")
    assert not repo.left_over()


@pytest.mark.engine
def test_what_is_slim_already_is_refused(repo: Repo) -> None:
    repo.write("images/again/image.yaml", f"tags: [{repo.tags}/again]\nfrom: {{image: web}}\n")
    failed = repo.run("again")
    assert failed.failed == ("fat:again",)
    assert "images/again/image.yaml:2:7: from.image: web is slim already" in failed.output
