"""`final.variants`: an image with more in it, over the layers of the slim one, through doit as its user runs it."""

from __future__ import annotations

import json

import pytest
from debian_registry import get
from pipeline_repo import Repo

pytest_plugins = ("debian_registry", "engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

SPEC = "images/web/image.yaml"
CHAIN = tuple(f"{stage}:web-debug" for stage in ("select", "layers", "sbom", "context", "image", "verify"))


def layers(repo: Repo, image: str) -> list[str]:
    return [layer["diff_id"] for layer in repo.result(image)["layers"]]


def test_it_is_the_slim_image_and_one_more_layer_and_goes_where_that_goes(repo: Repo, registry: str) -> None:
    assert repo.run("web").status == 0
    slim, tag = repo.result("web"), f"{repo.tags}/web:latest-debug"
    repo.append(SPEC, "final: {variants: [debug]}\n")
    made = repo.run("web", "report")
    assert (made.status, made.ran) == (0, CHAIN), made.output
    assert repo.result("web") == slim
    variant = repo.result("web-debug")
    assert layers(repo, "web-debug")[:-1] == layers(repo, "web") and variant["tags"] == [tag]
    assert variant["config_digest"] != slim["config_digest"]
    configs = [repo.engine.inspect_image(identity) or {} for identity in (slim["id"], variant["id"])]
    assert configs[0]["Config"] == configs[1]["Config"]
    assert (repo.engine.inspect_image(tag) or {})["Id"] == variant["id"]
    assert repo.report()["web-debug"]["verified"] and repo.report()["web-debug"]["steps"] == 2
    assert repo.run("web", "web-debug").ran == () and repo.left_over() == []

    why = repo.run("why", "web-debug", "/bin/wget")
    assert "kept     preset debug" in why.output, why.output
    again = repo.run("verify-reproducible", "web-debug")
    assert (again.status, again.ran) == (0, ()) and f"the same {variant['config_digest']}" in again.output
    assert repo.run("push", "web", "--to", "oci:layout").status == 0
    index = json.loads(repo.path("layout/index.json").read_text())["manifests"]
    assert [next(iter(one["annotations"].values())) for one in index] == ["latest", "latest-debug"]
    assert repo.run("push", "web", "--to", f"{registry}/web:1").status == 0
    for tag_there, image in (("1", slim), ("1-debug", variant)):
        manifest = get(f"http://{registry}/v2/web/manifests/{tag_there}")
        assert manifest["config"]["digest"] == image["config_digest"]

    repo.replace(SPEC, "final: {variants: [debug]}\n", "")
    assert repo.run("web").ran == ()
    assert repo.run("clean", "web").status == 0
    assert repo.engine.inspect_image(tag) is None and repo.engine.inspect_image(variant["id"]) is None
    assert not list(repo.path("build/web-debug").iterdir())


def test_what_the_fat_image_has_nothing_of_and_what_is_all_there_is_refused(repo: Repo) -> None:
    repo.append(SPEC, "keep-presets: [shell]\nfinal: {variants: [timezones, shell]}\n")
    failed = repo.run("web")
    assert failed.failed == ("select:web-timezones", "layers:web-shell"), failed.output
    assert 'image.yaml:12:20: final.variants: "timezones": the fat image has no time zones' in failed.output
    assert "image.yaml:12:31: final.variants: shell: web has all of it already, or drops it" in failed.output
    assert repo.tagged("web") and not repo.engine.inspect_image(f"{repo.tags}/web:latest-shell")
    assert repo.left_over() == []
