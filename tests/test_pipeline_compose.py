"""An image that a Compose file describes: made, tried with the services of the file, and given back to Compose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_repo import Repo, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

COMPOSE = """\
services:
  shop:
    build: {context: images/web, args: {NAME: shop}}
    environment: {FROM: "http://${STORE}/it"}
    volumes: ["./page:/www/page:ro"]
    healthcheck: {test: [CMD, wget, -q, -O, "-", "http://127.0.0.1/"]}
    depends_on: [store]
    restart: always
  store:
    image: TAGS/ground
    container_name: the-store
    command: sh -c 'mkdir /www && echo "$$WORD" >/www/it && httpd -f -h /www'
    env_file: store.env
    expose: [80]
"""
SPEC = """\
tags: [{tags}/web]
from: {{compose: ../../compose.yaml, service: shop}}
unowned: traced
add:
  - {{source: httpd.conf, target: /etc/httpd.conf}}
  - {{source: index.html, target: /www/index.html}}
run: {{stop_grace_period: 5s}}
workload:
  - http: {{path: /page/, body: [of the page]}}
  - exec: {{command: [sh, -c, 'wget -q -O - "$FROM"'], stdout: [stored]}}
  - client: {{command: [wget, -q, -O, "-", "http://shop/page/"], stdout: [of the page]}}
  - client: {{command: [wget, -q, -O, "-", "http://web/page/"], stdout: [of the page]}}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    repo = Repo(tmp_path_factory.mktemp("compose"), busybox, fresh_tags())
    repo.write("compose.yaml", COMPOSE.replace("TAGS", repo.tags))
    repo.write(".env", "STORE=the-store\n")
    repo.write("store.env", "WORD=stored\n")
    repo.write("page/index.html", "of the page\n")
    repo.write("images/web/image.yaml", SPEC.format(tags=repo.tags))
    yield repo
    repo.remove_images()


def test_it_is_made_and_given_back(shop: Repo) -> None:
    result = shop.run("web")
    assert result.status == 0, result.output
    kept = {json.loads(line).get("path") for line in shop.path("build/web/selection.jsonl").read_text().splitlines()}
    assert {"/bin/server", "/bin/wget"} <= kept and "/www/page/index.html" not in kept
    assert shop.path("build/web/compose.override.yaml").read_text() == (
        "# docker compose -f compose.yaml -f build/web/compose.override.yaml up\n"
        "services:\n"
        '  "shop":\n'
        f'    image: "{shop.tag("web")}"\n'
        "    pull_policy: if_not_present\n"
        "    build: !reset null\n"
    )
    assert shop.run("web").ran == ()
    assert not shop.left_over()


def test_a_change_reruns_what_it_must(shop: Repo) -> None:
    shop.append("compose.yaml", "    # a comment\n")
    assert shop.run("web").ran == ()
    shop.write("store.env", "WORD=stored again\n")
    assert "trace:web" in shop.run("web").ran
    shop.replace("compose.yaml", "mkdir /www", "echo no room; false")
    failed = shop.run("web")
    assert failed.failed == ("trace:web",)
    assert "compose.yaml:9:3: service store failed: the container ended by itself with exit status 1" in failed.output
    assert "no room\n" in failed.output
    assert not shop.left_over()
