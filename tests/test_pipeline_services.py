"""An image that needs another one: it is there, fresh, whenever the image is traced or verified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import fails
from pipeline_repo import Repo, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

SPEC = "images/web/image.yaml"
SERVICES = """\
services:
  store:
    image: ground
    command:
      - sh
      - -c
      - test ! -e /kept/once && touch /kept/once && mkdir /www && echo stored >/www/it && httpd -f -h /www
    volumes: ["kept:/kept"]
    expose: [80]
scenarios:
  asks:
    workload:
      - exec: {command: [wget, -q, -O, "-", "http://store/it"], stdout: [stored]}
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    repo = Repo(tmp_path_factory.mktemp("services"), busybox, fresh_tags())
    repo.append(SPEC, SERVICES)
    yield repo
    repo.remove_images()


def test_a_service_of_this_repo_is_built_first_and_started_empty_each_time(pair: Repo) -> None:
    result = pair.run("web")
    assert result.status == 0, result.output
    verified = json.loads(pair.path("build/web/verify.json").read_text())
    assert [one["scenario"] for one in verified["results"]] == ["", "asks"]  # each with a store of its own, see `test`
    kept = {json.loads(line).get("path") for line in pair.path("build/web/selection.jsonl").read_text().splitlines()}
    assert "/bin/wget" in kept and "/www/it" not in kept
    assert pair.run("web").ran == ()


def test_another_service_is_another_trace(pair: Repo) -> None:
    before = pair.path(SPEC).read_text()
    pair.write(SPEC, before.replace("echo stored", "echo stored again"))
    result = pair.run("trace:web")
    assert "trace:web" in result.ran, result.output
    assert "traced before" not in result.output
    pair.write(SPEC, before)


def test_a_service_that_fails_is_told_with_its_last_words(pair: Repo) -> None:
    before = pair.path(SPEC).read_text()
    pair.write(SPEC, before.replace("test ! -e /kept/once", "echo no room; false"))
    result = pair.run("web")
    pair.write(SPEC, before)
    line = "service store failed: the container ended by itself with exit status 1\n"
    first = "a service that the workload needs fails, so there is nothing to trace\n"
    fails(pair, result, "trace:web", first, line, "    no room\n")


def test_a_service_that_fails_when_the_image_is_verified(pair: Repo) -> None:
    """No file of the image is looked for, as none is the cause; nor does repair look for one."""
    before = pair.path(SPEC).read_text()
    spec = before.replace("test ! -e /kept/once", 'test -z "$LOST" && test ! -e /kept/once')
    pair.write(SPEC, spec.replace("    expose: [80]\n", "    expose: [80]\n    environment: {LOST: }\n"))
    assert pair.run("image:web", LOST="").status == 0
    line = "service store failed: the container ended by itself with exit status 1\n"
    for words, task in ((("web",), "verify:web"), (("repair", "web"), "repair:web")):
        result = pair.run(*words, LOST="x")
        fails(pair, result, task, line, "-> its last words may say why; services.store holds how it is started")
        assert "traced" not in result.output
    pair.write(SPEC, before)
