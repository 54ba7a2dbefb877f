"""`doit update` of what came from a registry: Debian's on loopback, and the engine's own pull."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from debian_registry import Registries
from engine_images import APPLETS
from oci_archives import config, docker_archive
from pipeline_repo import Repo
from tars import d, f, link, tar

from slimtasks.ages import DAY, note_fetched, read_fetched
from slimtasks.engine.client import Engine
from slimtasks.job import Fetched
from slimtasks.workspace import Workspace

pytest_plugins = ("debian_registry", "engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

APP = """\
tags: [{tags}/app]
from: {{image: '{base}'}}
workload:
  - oneshot: {{command: [cat, /usr/share/tiny], stdout: [".0"]}}
"""
STATUS = """\
Package: tiny
Status: install ok installed
Architecture: all
Version: {version}
Maintainer: none <none@example.org>
Description: for tests
"""
TRIED = """\
services:
  store: {{image: '{service}', command: [httpd, -f, -h, /usr/share], expose: [80]}}
checks:
  - client: {{image: '{client}', command: [wget, -q, -O, '-', 'http://store/tiny'], stdout: [".0"]}}
"""
CREATED = "2026-01-02T00:00:00Z"
HTPASSWD = "auth: {{htpasswd: {{realm: here, path: {path}}}}}\n"


class Published:
    """An image of one Debian package in a registry; the engine has of it what was pulled."""

    def __init__(self, engine: Engine, host: str, busybox: Path, name: str = "base:1") -> None:
        self.engine = engine
        self.host = host
        self.name = f"{host}/{name}"
        self._busybox = busybox

    def publish(self, version: str, created: str = CREATED) -> None:
        layer = tar(
            *(d(name) for name in ("bin", "usr", "usr/share", "var", "var/lib", "var/lib/dpkg", "var/lib/dpkg/info")),
            f("bin/busybox", self._busybox.read_bytes(), 0o755),
            *(link(f"bin/{name}", "busybox") for name in APPLETS),
            f("var/cache", "x" * 9999),  # what goes
            f("usr/share/tiny", f"{version}\n"),
            f("var/lib/dpkg/status", STATUS.format(version=version)),
            f("var/lib/dpkg/info/tiny.list", "/.\n/usr\n/usr/share\n/usr/share/tiny\n"),
        )
        raw = config([layer], created=created, config={"Env": ["PATH=/bin"], "Cmd": ["cat", "/usr/share/tiny"]})
        before = self.engine.inspect_image(self.name)
        self.engine.load_stream(iter([docker_archive(layer, raw_config=raw, tags=(self.name,))]))
        told = self.engine.connection.session().push(self.name)
        assert "digest: sha256:" in told, told
        if before:
            self.engine.tag(before["Id"], self.name)
        else:
            self.engine.untag(self.name)

    @property
    def digest(self) -> str:
        """Of the engine's."""
        (found,) = (self.engine.inspect_image(self.name) or {})["RepoDigests"]
        return str(found.partition("@")[2])[:19]


@pytest.fixture
def base(registry: str, repo: Repo, busybox: Path) -> Iterator[Published]:
    published = Published(repo.engine, registry, busybox)
    published.publish("1.0")
    yield published
    for image in repo.engine.images():
        names = (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ()))
        for name in names:
            if name.startswith(f"{registry}/"):
                repo.engine.untag(name)


@pytest.fixture
def app(repo: Repo, base: Published) -> Repo:
    repo.write("images/app/image.yaml", APP.format(tags=repo.tags, base=base.name))
    return repo


def test_a_newer_digest_is_pulled_and_told(app: Repo, base: Published) -> None:
    assert base.engine.inspect_image(base.name) is None
    assert app.run("app").status == 0  # pulls what the engine lacks
    made, first = app.result("app"), base.digest

    same = app.run("update", "app")
    assert (same.status, same.ran) == (0, ("update:app", "changes:app")), same.output
    assert f"{base.name} is {first}: nothing newer" in same.output and app.result("app") == made

    base.publish("2.0")
    assert app.run("app").ran == ()  # nothing is fetched by itself
    newer = app.run("update", "app")
    assert (newer.status, newer.ran[:2]) == (0, ("update:app", "fat:app")), newer.output
    assert f"{base.name}: {first} -> {base.digest}; 1 package changed\n" in newer.output
    assert newer.output.count("\n    tiny 1.0 -> 2.0\n") == 2  # of the fat image, and of the slim one
    assert base.digest != first and app.result("app") != made
    assert app.run("app").ran == () and app.left_over() == []
    told = app.report()["app"]["base"]
    assert (told["name"], told["counts"], told["date"]) == (base.name, "created", CREATED)
    assert told["days"] > 300 and f" {told['days']} d " in newer.output


def test_several_images_of_one(app: Repo, base: Published) -> None:
    app.write("images/other/image.yaml", f"kind: base\ntags: [{app.tags}/other]\nfrom: {{image: '{base.name}'}}\n")
    app.write("images/built/image.yaml", f"kind: build\ntags: [{app.tags}/built]\nfrom: {{dockerfile: Dockerfile}}\n")
    app.write("images/built/Dockerfile", f"FROM {base.name}\nRUN cat /usr/share/tiny >/built\n")
    assert app.run("app", "other", "built").status == 0
    base.publish("2.0")
    first = base.digest
    newer = app.run("update", "app", "other", "built")
    assert newer.status == 0 and {"fat:app", "base:other", "fat:built"} <= set(newer.ran), newer.output
    assert newer.output.count(f"{base.name}: {first} -> {base.digest}") == 3, newer.output
    assert f"built without cache, {base.name}: {first} -> " in newer.output
    assert newer.output.count("    tiny 1.0 -> 2.0\n") == 4, newer.output
    assert app.run("app", "other", "built").ran == () and app.left_over() == []
    same = app.run("update", "other", "built")
    assert same.ran == ("update:other", "update:built", "changes:other", "changes:built"), same.output


def test_a_registry_that_gives_nothing(app: Repo, base: Published, start_registry: Registries, tmp_path: Path) -> None:
    assert app.run("app").status == 0
    base.publish("2.0")
    first = base.digest

    def refused(said: str) -> None:
        result = app.run("update", "app", DOCKER_CONFIG=str(tmp_path))
        assert (result.status, result.failed) == (1, ("update:app",)), result.output
        assert f"app: the image {base.name} cannot be pulled: " in result.output, result.output
        assert said in result.output and "-> nothing was changed; " in result.output, result.output
        assert "Traceback" not in result.output and base.digest == first
        assert app.run("app").ran == () and app.left_over() == []

    folder = start_registry.stop(base.host)
    refused("connection refused")
    (folder / "store").rename(folder / "away")
    start_registry.restart(base.host, folder)
    refused("manifest unknown")
    (tmp_path / "htpasswd").write_text("")
    start_registry.stop(base.host)
    start_registry.restart(base.host, folder, HTPASSWD.format(path=tmp_path / "htpasswd"))
    refused("no basic auth credentials")


def test_what_no_registry_gave(app: Repo, base: Published) -> None:
    only = f"{app.tags}/only:1"
    base.engine.pull(base.name)
    base.engine.tag(base.name, only)
    app.replace("images/app/image.yaml", base.name, only)
    assert app.run("app").status == 0
    same = app.run("update", "app")
    assert f"{only} is only in the engine, no registry gave it: nothing newer" in same.output, same.output
    assert (same.status, same.ran) == (0, ("update:app", "changes:app"))


def test_an_image_without_a_date_is_as_old_as_the_last_look_for_a_newer_one(app: Repo, base: Published) -> None:
    base.publish("2.0", created="1970-01-01T00:00:00Z")
    assert app.run("app").status == 0
    files = Workspace(app.root).image("app")
    (first,) = read_fetched(files) or ()
    assert first.counts == "fetched" and time.time() - first.date < 900
    note_fetched(files, [replace(first, date=first.date - 40 * DAY)])
    app.append("images/app/image.yaml", "limits: {age: 30d}\n")
    assert app.run("app").failed == ("image:app",)
    same = app.run("update", "app")
    assert same.status == 0 and ": nothing newer" in same.output, same.output
    assert app.run("app").ran == ()


def test_a_final_base_is_pulled_too(app: Repo, base: Published, busybox: Path) -> None:
    beside = Published(app.engine, base.host, busybox, "beside:1")
    beside.publish("1.0", created="2025-01-02T00:00:00Z")
    app.append("images/app/image.yaml", f"final: {{base: '{beside.name}'}}\nlimits: {{reduction: 0}}\n")
    first = app.run("app", "report")
    assert first.status == 0, first.output
    assert app.report()["app"]["base"]["date"] == "2025-01-02T00:00:00Z"
    beside.publish("1.0", created="2026-03-02T00:00:00Z")
    newer = app.run("update", "app")
    assert (newer.status, newer.ran[:2]) == (0, ("update:app", "select:app")), newer.output
    assert f"{beside.name}: sha256:" in newer.output and ": nothing else is newer" in newer.output, newer.output
    assert app.report()["app"]["base"] == {**app.report()["app"]["base"], "name": base.name, "date": CREATED}
    assert app.run("app").ran == ()


def test_what_is_never_pulled(app: Repo, base: Published) -> None:
    app.replace("images/app/image.yaml", f"'{base.name}'", f"'{base.name}', pull_policy: never")
    absent = app.run("app")
    assert (absent.status, absent.failed) == (1, ("fat:app",)), absent.output
    assert f"image.yaml:2:7: from.image: {base.name} is not in the engine, and pull_policy: never" in absent.output
    assert base.engine.inspect_image(base.name) is None
    base.engine.pull(base.name)
    assert app.run("app").status == 0
    base.publish("2.0")
    first = base.digest
    same = app.run("update", "app")
    assert f"{base.name} stays as the engine has it (pull_policy: never): nothing newer" in same.output
    assert (same.status, same.ran, base.digest) == (0, ("update:app", "changes:app"), first)


def test_what_becomes_too_old_fails_though_nothing_changed(app: Repo, base: Published) -> None:
    hours = (time.time() - datetime.fromisoformat("2026-01-02T00:00:00+00:00").timestamp()) / 3600
    app.append("images/app/image.yaml", f"limits: {{age: {hours + 1:.0f}h}}\n")
    assert app.run("app").status == 0
    assert app.run("app").ran == ()
    app.replace("images/app/image.yaml", f"age: {hours + 1:.0f}h", "age: 30d")
    failed = app.run("app")
    assert (failed.status, failed.failed) == (1, ("image:app",)), failed.output
    assert f"images/app/image.yaml:5:15: limits.age: found {hours / 24:.4g} d ({base.name}, created 2026-01-02)" in (
        failed.output
    )
    assert "-> `doit update app` fetches what is newer; or change the limit\n" in failed.output
    assert app.run("update", "app").failed == ("image:app",)  # there is nothing newer

    base.publish("1.0", created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    newer = app.run("update", "app")
    assert newer.status == 0 and "no package changed" in newer.output, newer.output
    assert app.run("app").ran == () and app.left_over() == []

    note_fetched(Workspace(app.root).image("app"), [Fetched(base.name, 0, "created")])  # as if time had passed
    assert "is older than what it is made of" not in app.run("why", "app", "/usr/share/tiny").output
    later = app.run("app")
    assert (later.status, later.failed) == (1, ("image:app",)), later.output
    assert "(" + base.name + ", created 1970-01-01); allowed: at most 30 d" in later.output
    assert app.run("app").failed == ("image:app",)


# What an image is tried with


@pytest.fixture
def tried(repo: Repo, base: Published, busybox: Path) -> tuple[Repo, Published, Published]:
    """`web`, of this repo alone, with a service and the client of a check that a registry gave."""
    asking = Published(base.engine, base.host, busybox, "asking:1")
    asking.publish("1.5")
    repo.append("images/web/image.yaml", TRIED.format(service=base.name, client=asking.name))
    return repo, base, asking


def test_a_service_and_a_client_are_pulled_too(tried: tuple[Repo, Published, Published]) -> None:
    repo, serving, asking = tried
    repo.add_web("other", TRIED.format(service=serving.name, client="ground"))
    first = repo.run("web", "other")
    assert first.status == 0, first.output
    made, before = repo.result("web"), (serving.digest, asking.digest)
    same = repo.run("update", "web")
    assert same.status == 0 and {"trace:web", "verify:web"}.isdisjoint(same.ran), same.output
    assert f"{asking.name} is {before[1]}, {serving.name} is {before[0]}: nothing newer" in same.output

    serving.publish("2.0")
    assert repo.run("web", "other").ran == ()  # nothing is fetched by itself
    newer = repo.run("update", "web", "other")
    assert newer.status == 0, newer.output
    for image in ("web", "other"):
        assert {f"trace:{image}", f"verify:{image}"} <= set(newer.ran), newer.output
    assert newer.output.count(f"{serving.name}: {before[0]} -> {serving.digest}") == 2, newer.output
    assert serving.digest != before[0] and repo.result("web") == made

    asking.publish("2.5")
    newer = repo.run("update", "web")
    assert newer.status == 0 and "trace:web" not in newer.ran and "verify:web" in newer.ran, newer.output
    assert f"{asking.name}: {before[1]} -> {asking.digest}" in newer.output
    assert repo.run("web", "other").ran == () and repo.left_over() == []
    assert repo.report()["web"]["base"] == {}  # no age: nothing of them is in the image


def test_what_it_is_tried_with_that_cannot_be_pulled_or_may_not_be(
    tried: tuple[Repo, Published, Published], start_registry: Registries
) -> None:
    repo, serving, asking = tried
    spec = "images/web/image.yaml"
    repo.replace(spec, f"'{serving.name}',", f"'{serving.name}', pull_policy: never,")
    absent = repo.run("web")
    assert absent.failed == ("trace:web",), absent.output
    what = f"service store failed: {serving.name} is not in the engine, and pull_policy: never"
    assert what in absent.output and "take the pull_policy out" in absent.output, absent.output
    serving.engine.pull(serving.name)
    repo.replace(spec, f"'{asking.name}',", f"'{asking.name}', pull_policy: never,")
    absent = repo.run("web")
    assert absent.failed == ("verify:web",), absent.output
    assert f"{asking.name} is not in the engine, and pull_policy: never" in absent.output, absent.output
    asking.engine.pull(asking.name)
    assert repo.run("web").status == 0

    serving.publish("2.0")
    asking.publish("2.5")
    before = (serving.digest, asking.digest)
    same = repo.run("update", "web")
    assert same.status == 0 and (serving.digest, asking.digest) == before
    assert same.output.count(" stays as the engine has it (pull_policy: never)") == 2, same.output

    repo.replace(spec, ", pull_policy: never", "")
    assert repo.run("web").ran == ()  # what was taken stays the same
    start_registry.stop(serving.host)
    failed = repo.run("update", "web")
    assert (failed.status, failed.failed) == (1, ("update:web",)), failed.output
    assert f"web: the image {asking.name} cannot be pulled: " in failed.output and "Traceback" not in failed.output
    assert (serving.digest, asking.digest) == before and repo.run("web").ran == () and repo.left_over() == []
