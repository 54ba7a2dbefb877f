"""Limits: what of an image is counted, and what is told of those that are not kept."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import pytest
from pipeline_repo import Repo

from slimtasks.errors import SlimError
from slimtasks.limits import Measured, check_limits, exceeded, largest
from slimtasks.records import Entry, FileType, ImagePath
from slimtasks.sizes import size_text
from slimtasks.spec.fields import decimal_size
from slimtasks.spec.model import From, Image, Limits

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
MEASURED = Measured(ENTRIES, size=197, files=6, fat_size=985, packages=2, compressed_size=90)


def test_what_is_counted() -> None:
    assert MEASURED.reduction == 5.0
    assert MEASURED.setuid == 2  # su, and wall by its group
    assert MEASURED.shells == 1  # dash; sh is a link to it
    assert MEASURED.writable_paths == 3  # /srv, /srv/spool and /tmp; the mode of a link means nothing


def test_a_limit_is_kept_up_to_its_number() -> None:
    kept = Limits(
        size=197, compressed_size=90, reduction=5.0, files=6, packages=2, setuid=2, shells=1, writable_paths=3
    )
    assert exceeded(kept, MEASURED) == ()
    assert exceeded(Limits(), MEASURED) == ()


def test_all_that_are_not_kept_are_told_with_their_places() -> None:
    places = (("size", "i.yaml:3:9"), ("setuid", "i.yaml:5:3"))
    limits = Limits(size=196, compressed_size=89, reduction=5.1, packages=1, setuid=0, files=6, places=places)
    assert exceeded(limits, MEASURED) == (
        "i.yaml:3:9: limits.size: found 197 B; allowed: at most 196 B",
        "limits.compressed-size: found 90 B; allowed: at most 89 B",
        "limits.reduction: found 5.0; allowed: at least 5.1",
        "limits.packages: found 2; allowed: at most 1",
        "i.yaml:5:3: limits.setuid: found 2; allowed: at most 0",
    )


def test_without_a_limit_it_has_to_be_smaller_than_the_fat_image() -> None:
    image = Image(From(), name="app")
    check_limits(image, replace(MEASURED, fat_size=198))
    check_limits(image, replace(MEASURED, fat_size=0))  # nothing to compare it with
    check_limits(replace(image, limits=Limits(reduction=0)), replace(MEASURED, fat_size=100))
    for fat_size, told in ((197, "197 B"), (100, "100 B")):
        with pytest.raises(SlimError) as error:
            check_limits(image, replace(MEASURED, fat_size=fat_size))
        assert error.value.what.startswith(f"app: 197 B, not smaller than the fat image, which has {told}\n  most ")


def test_what_would_look_the_same_is_not_rounded() -> None:
    measured = Measured((), size=1_230_001, files=1)
    assert exceeded(Limits(size=1_230_000), measured) == ("limits.size: found 1230001 B; allowed: at most 1230000 B",)
    measured = Measured((), size=800, files=1, fat_size=1001)
    assert exceeded(Limits(reduction=1.26), measured) == ("limits.reduction: found 1.25125; allowed: at least 1.26",)


def test_what_is_too_old_is_named_with_the_way_out() -> None:
    image = Image(From(image="x"), name="app", limits=Limits(age=30 * 86400.0, places=(("age", "i.yaml:3:9"),)))
    old = replace(MEASURED, age=45.33 * 86400, oldest="bookworm, fetched 2026-10-10")
    line = "i.yaml:3:9: limits.age: found 45.33 d (bookworm, fetched 2026-10-10); allowed: at most 30 d"
    check_limits(image, replace(old, age=30 * 86400))
    with pytest.raises(SlimError) as caught:
        check_limits(image, old)
    assert str(caught.value) == f"{line}\n  -> `doit update app` fetches what is newer; or change the limit"
    with pytest.raises(SlimError) as caught:
        check_limits(replace(image, limits=replace(image.limits, files=1)), old)
    assert caught.value.what.splitlines()[:3] == [
        "limits.files: found 6; allowed: at most 1",
        line,
        "  most bytes come from",
    ]
    assert caught.value.hint.startswith("`doit update app` fetches what is newer; `doit removed app` and ")
    unknown = replace(MEASURED, age=float("inf"))
    found = "limits.age: found no date of what it is made of; allowed: at most 30 d"
    assert exceeded(image.limits, unknown) == (f"i.yaml:3:9: {found}",)


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
    assert "or change the limit" in failed.output
    assert "limits.shells" not in failed.output and "MB no package" in failed.output
    assert not repo.tagged("web")
    repo.replace("images/web/image.yaml", "limits: {files: 2, reduction: 3", "limits: {files: 99")
    assert repo.run("web").ran == ("image:web", "verify:web")
    assert repo.tagged("web")
    assert not repo.left_over()


@pytest.mark.engine
def test_one_that_is_not_smaller_fails_unless_that_is_asked_for(repo: Repo) -> None:
    repo.path("pyproject.toml").unlink()
    failed = repo.run("web")
    assert failed.failed == ("image:web",) and not repo.tagged("web")
    told = r"web: [\d.]+ M?B, not smaller than the fat image, which has [\d.]+ M?B\n"
    assert re.search(told, failed.output), failed.output
    assert "MB no package" in failed.output
    assert "or `limits: {reduction: 0}` takes it as it is" in failed.output
    repo.append("images/web/image.yaml", "limits: {reduction: 0}\n")
    assert repo.run("web").ran == ("image:web", "verify:web")


@pytest.mark.engine
def test_what_an_image_prints_is_compared_with_that_image(repo: Repo) -> None:
    repo.path("pyproject.toml").unlink()
    repo.append("images/ground/Dockerfile", "COPY context /context\n")
    repo.write("images/ground/context/Dockerfile", "FROM scratch\nCOPY page /\n")
    repo.write("images/ground/context/page", "page\n")
    repo.write(
        "images/page/image.yaml",
        f"tags: [{repo.tags}/page]\nfrom: {{image: ground, stdout: [busybox, tar, -c, -C, /context, .]}}\n",
    )
    made = repo.run("page", "report")
    assert made.status == 0, made.output
    assert f"5 B instead of {size_text(repo.result('ground')['size'])}" in made.output
    assert repo.report()["page"]["source_size"] == repo.result("ground")["size"]


def with_packages(repo: Repo, image: str, *names: str) -> None:
    """Gives the image a dpkg database in which each package has one file, and uses these files."""
    stanzas = (f"Package: {name}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n" for name in names)
    repo.write(f"images/{image}/dpkg/status", "\n".join(stanzas))
    for name in names:
        repo.write(f"images/{image}/dpkg/info/{name}.list", f"/srv/{name}\n")
        repo.write(f"images/{image}/tree/srv/{name}", f"{name}\n")
    repo.append(f"images/{image}/Dockerfile", "COPY dpkg /var/lib/dpkg\nCOPY tree /\n")


def sent(repo: Repo, image: str) -> int:
    """The bytes of all blobs that a push would send, less the manifest."""
    assert repo.run("push", image, "--to", f"oci:{image}-layout").status == 0
    layout = repo.path(f"{image}-layout")
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"].removeprefix("sha256:")
    return sum(path.stat().st_size for path in (layout / "blobs/sha256").iterdir() if path.name != manifest)


@pytest.mark.engine
def test_packages_are_those_of_the_bill_and_compressed_is_what_push_sends(repo: Repo) -> None:
    with_packages(repo, "web", "first", "second", "third")
    repo.append("images/web/image.yaml", "keep: [/srv/first, /srv/second]\nlimits: {packages: 2}\n")
    made = repo.run("web")
    assert made.status == 0 and "2 packages: 2 deb" in made.output, made.output
    compressed = sent(repo, "web")
    assert compressed < repo.result("web")["size"]
    limits = "limits: {packages: 1, compressed-size: "
    repo.replace("images/web/image.yaml", "limits: {packages: 2}", f"{limits}{compressed - 1}B}}")
    shutil.rmtree(repo.path("build/compressed"))
    failed = repo.run("web")
    assert failed.failed == ("image:web",) and "sbom:web" not in failed.ran
    assert "images/web/image.yaml:12:20: limits.packages: found 2; allowed: at most 1" in failed.output
    assert "limits.compressed-size: found " in failed.output and "B deb/second" in failed.output
    repo.replace("images/web/image.yaml", f"{limits}{compressed - 1}B}}", f"limits: {{compressed-size: {compressed}B}}")
    assert repo.run("web").status == 0
    assert sent(repo, "web") == compressed and repo.run("web").ran == ()


@pytest.mark.engine
def test_a_base_past_its_limits_gets_no_tag(repo: Repo) -> None:
    with_packages(repo, "ground", "first", "second")
    repo.append("images/ground/image.yaml", "limits: {packages: 1, shells: 0, size: 1kB, compressed-size: 1kB}\n")
    failed = repo.run("web")
    assert failed.status == 1 and failed.ran == ("base:ground", "sbom:ground") and failed.failed == ("sbom:ground",)
    for wrong in ("packages: found 2;", "shells: found 1;", "size: found ", "compressed-size: found "):
        assert f": limits.{wrong}" in failed.output
    assert "B no package" in failed.output and "`squash:` takes packages and files away" in failed.output
    assert not repo.tagged("ground")
    old, new = "packages: 1, shells: 0, size: 1kB, compressed-size: 1kB", "packages: 2, shells: 1"
    repo.replace("images/ground/image.yaml", old, new)
    assert repo.run("ground").ran == ("sbom:ground", "verify:ground")
    assert repo.tagged("ground") and not repo.left_over()


@pytest.mark.engine
def test_what_is_slim_already_is_refused(repo: Repo) -> None:
    repo.write("images/again/image.yaml", f"tags: [{repo.tags}/again]\nfrom: {{image: web}}\n")
    failed = repo.run("again")
    assert failed.failed == ("fat:again",)
    assert "images/again/image.yaml:2:7: from.image: web is slim already" in failed.output
