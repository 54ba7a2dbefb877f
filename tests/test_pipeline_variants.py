"""`final.variants`: an image with more in it, over the layers of the slim one, through doit as its user runs it."""

from __future__ import annotations

import json

import pytest
from debian_registry import get
from faithful_image import saved
from pipeline_repo import Repo

pytest_plugins = ("debian_registry", "engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

SPEC = "images/web/image.yaml"
STATUS = """\
Package: busybox
Status: install ok installed
Architecture: amd64
Version: 1
"""
CHAIN = tuple(f"{stage}:web-debug" for stage in ("select", "layers", "sbom", "context", "image", "verify"))


def layers(repo: Repo, image: str) -> list[str]:
    return [layer["diff_id"] for layer in repo.result(image)["layers"]]


def rootfs(repo: Repo, image: str) -> list[str]:
    """The diff IDs of all layers that the engine has of the image."""
    found = repo.engine.inspect_image(repo.result(image)["id"])
    return list((found or {})["RootFS"]["Layers"])


def tree(repo: Repo, image: str) -> dict[str, str]:
    """The files of the image as the engine has them."""
    with repo.engine.save(repo.result(image)["id"]) as stream:
        return saved(stream.read())


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


# With what else makes an image


def lay_over_a_floor(repo: Repo) -> None:
    """`web` over a base with a path of the variant, which is as the fat image has it, and a file of its own."""
    repo.write("images/floor/image.yaml", f"kind: base\ntags: [{repo.tags}/floor]\nfrom: {{dockerfile: Dockerfile}}\n")
    repo.write("images/floor/Dockerfile", "FROM scratch\nCOPY root /\n")
    repo.write("images/floor/root/etc/floor", "wood\n")
    program = repo.path("images/floor/root/bin/ps")
    program.parent.mkdir()
    program.symlink_to("busybox")
    repo.append(SPEC, "final: {base: floor, variants: [debug]}\n")


def test_over_a_final_base(repo: Repo) -> None:
    lay_over_a_floor(repo)
    first = repo.run("web")
    assert first.status == 0 and first.ran[-len(CHAIN) :] == CHAIN, first.output
    floor, slim, variant = (rootfs(repo, image) for image in ("floor", "web", "web-debug"))
    assert slim[: len(floor)] == floor and variant[:-1] == slim and len(slim) > len(floor)
    before, after = tree(repo, "web"), tree(repo, "web-debug")
    assert before.items() <= after.items() and "/etc/floor" in before
    assert "/bin/ls" in after.keys() - before.keys() and "/bin/ps" in before
    made = repo.result("web-debug")
    assert made["files"] == sum(not line.startswith("5 ") for line in after.values())
    again = repo.run("verify-reproducible", "web-debug")
    assert again.status == 0 and f"the same {made['config_digest']}" in again.output, again.output

    repo.write("images/floor/root/etc/floor", "stone\n")
    newer = repo.run("web")
    assert newer.status == 0 and {"base:floor", "image:web", "image:web-debug"} <= set(newer.ran), newer.output
    assert rootfs(repo, "web-debug")[:-1] == rootfs(repo, "web") != slim
    assert rootfs(repo, "web-debug")[-1] == variant[-1]
    assert repo.run("web").ran == () and repo.left_over() == []


def test_made_by_a_builder(repo: Repo) -> None:
    repo.append(SPEC, "final: {builder: docker, variants: [debug]}\n")
    assert repo.run("web").status == 0
    built, slim = tree(repo, "web-debug"), tree(repo, "web")
    assert repo.tagged("web") == repo.result("web")["id"] and slim.items() <= built.items() and "/bin/ls" not in slim
    tag = f"{repo.tags}/web:latest-debug"
    assert (repo.engine.inspect_image(tag) or {})["Id"] == repo.result("web-debug")["id"]
    assert [layer["name"] for layer in repo.result("web-debug")["layers"]][-1] == "debug"
    assert repo.run("web").ran == () and repo.left_over() == []
    refused = repo.run("verify-reproducible", "web-debug")
    assert refused.status == 1 and "web-debug: made by `final.builder: docker`" in refused.output, refused.output

    repo.replace(SPEC, "builder: docker, ", "")
    assert repo.run("web").status == 0
    assert tree(repo, "web-debug") == built and tree(repo, "web") == slim


def test_with_shared_layers(repo: Repo) -> None:
    repo.write("images/ground/root/var/lib/dpkg/info/busybox.list", "/.\n/bin\n/bin/busybox\n")
    repo.write("images/ground/root/var/lib/dpkg/status", STATUS)
    repo.add_web("other")
    for image in ("web", "other"):
        repo.append(f"images/{image}/image.yaml", "final: {variants: [debug]}\n")
    assert repo.run("web", "other").status == 0
    before = tree(repo, "web-debug")
    assert "digests that change: other, other-debug, web, web-debug" in repo.run("relayer").output
    assert "images/layers.lock is written" in repo.run("relayer", "--yes").output
    made = repo.run("web", "other")
    assert made.status == 0 and "layers:web-debug" in made.ran, made.output
    for image in ("web", "other"):
        assert layers(repo, f"{image}-debug")[:-1] == layers(repo, image)
    assert layers(repo, "web-debug")[0] == layers(repo, "other-debug")[0]
    assert tree(repo, "web-debug") == before
    assert repo.run("web", "other").ran == () and repo.left_over() == []
    again = repo.run("verify-reproducible", "web-debug")
    assert again.status == 0 and "the same sha256:" in again.output, again.output
