"""What stays is as the fat image has it, path by path, and nothing that the traced run wrote is in the slim image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faithful_image import ENGINES, digest, faithful, saved, seen
from pipeline_repo import Repo

from slimtasks.records import WRITES

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

SPEC = """\
tags: [{tags}/{name}]
from: {{image: '{tags}/fat-{name}:1'}}
{more}
workload: [http: {{path: /plain, body: [plain]}}]
"""
ALL = "keep: ['/**']\ndrop: [/ballast]"


def declare(repo: Repo, busybox: Path, name: str, more: str, *, attributed: bool = True) -> str:
    """Declares an image cut out of the faithful one; the id of that."""
    archive = faithful(busybox, f"{repo.tags}/fat-{name}:1", attributed=attributed)
    repo.write(f"images/{name}/image.yaml", SPEC.format(tags=repo.tags, name=name, more=more))
    return repo.engine.load_stream(iter([archive]))


def tree(repo: Repo, image: str) -> dict[str, str]:
    with repo.engine.save(image) as stream:
        return saved(stream.read())


def build(repo: Repo, *images: str) -> None:
    made = repo.run(*images)
    assert made.status == 0, made.output


def test_every_path_is_as_the_fat_image_has_it(repo: Repo, busybox: Path) -> None:
    fat = declare(repo, busybox, "all", ALL)
    build(repo, "all")
    lines = repo.path("build/all/trace.jsonl").read_text().splitlines()
    wrote = {line["path"] for line in map(json.loads, lines[1:]) if line.get("how") in WRITES}
    assert {"/run-here/written", "/run-here/created", "/data/shipped", "/tmp/created", "/etc/hosts"} <= wrote
    slim = repo.result("all")["id"]
    before, after = tree(repo, fat), tree(repo, slim)
    label = " security.selinux="
    assert label in before["/t/labelled"]
    before["/t/labelled"] = before["/t/labelled"].partition(label)[0]
    assert set(before) - set(after) == ENGINES | {"/ballast"}
    assert after == {path: before[path] for path in after}
    assert seen(repo.engine, slim) == [line for line in seen(repo.engine, fat) if b"/ballast" not in line]


def test_some_names_of_a_file_and_what_links_lead_to(repo: Repo, busybox: Path) -> None:
    wanted = "/t/c, /t/directory/d, /t/chain1, /t/note-linked, /t/to-directory, /t/dangling"
    fat = declare(repo, busybox, "some", f"unowned: traced\nkeep: [{wanted}]")
    build(repo, "some")
    before, after = tree(repo, fat), tree(repo, repo.result("some")["id"])
    chain = {"/t/chain1", "/t/chain2", "/t/chain3", "/t/plain", "/t/directory", "/t/to-directory", "/t/dangling"}
    assert {path: after[path] for path in chain} == {path: before[path].partition(" = ")[0] for path in chain}
    for path in ("/t/c", "/t/directory/d"):
        assert after[path] == f"file 0751 9:9 4 {digest('hard')} = ['/t/c', '/t/directory/d']"
    assert after["/t/note-linked"] == before["/t/note"].partition(" = ")[0]
    assert {"/t/a", "/t/b", "/t/note", "/t/plain-linked", "/t/setuid"}.isdisjoint(after)


# final.builder: docker

BUILT = "final: {builder: docker, user: '7:8', labels: {a: b}}"


def test_a_builder_makes_the_same_tree_and_config(repo: Repo, busybox: Path) -> None:
    declare(repo, busybox, "built", f"{ALL}\n{BUILT}", attributed=False)
    build(repo, "built")
    built = repo.result("built")
    assert repo.tagged("built") == built["id"]
    assert built["layers"][1:] == [{**built["layers"][1], "name": "builder", "files": 0}]  # of WORKDIR
    by_builder, told = tree(repo, built["id"]), repo.engine.inspect_image(built["id"])
    by_engine = seen(repo.engine, built["id"])
    assert saved(repo.path("build/built/image.tar").read_bytes()) == by_builder
    assert repo.run("built").ran == () and repo.left_over() == []

    repo.replace("images/built/image.yaml", "builder: docker, ", "")
    build(repo, "built")
    archived = repo.result("built")
    assert tree(repo, archived["id"]) == by_builder and seen(repo.engine, archived["id"]) == by_engine
    assert (archived["size"], archived["files"]) == (built["size"], built["files"])
    reference = repo.engine.inspect_image(archived["id"])
    assert reference and told
    assert told["Config"] == {**reference["Config"], "ArgsEscaped": True}
    assert told["Created"] != reference["Created"] and told["Id"] != reference["Id"]
    assert repo.engine.inspect_image(built["id"]) is None, "an image that nothing needs any longer stays"


def test_what_add_cannot_carry_is_told_and_refused_with_builder_docker(repo: Repo, busybox: Path) -> None:
    declare(repo, busybox, "noted", "unowned: traced\nkeep: [/t/note, /t/acl, /t/ping]\ndrop: [/t/*-directory]")
    lost = "mode 0751, owner 3:3 of /, system.posix_acl_access of /t/acl, user.empty, user.note of /t/note"
    made = repo.run("noted")
    assert made.status == 0 and f"; ADD loses {lost}\n" in made.output, made.output
    repo.append("images/noted/image.yaml", "final: {builder: docker}\n")
    made = repo.run("noted")
    assert (made.status, made.failed) == (1, ("image:noted",)), made.output
    assert f"noted: final.builder: docker: ADD cannot carry {lost}\n" in made.output
    assert "leave `builder: docker` out" in made.output and "Traceback" not in made.output
    assert repo.left_over() == []


@pytest.mark.parametrize("base", ["ground", "{tags}/ground"])  # its name in the repo, and its tag
def test_a_builder_lays_files_over_a_base(repo: Repo, base: str) -> None:
    repo.append("images/web/image.yaml", f"final: {{base: {base.format(tags=repo.tags)}, builder: docker}}\n")
    build(repo, "web")
    ground, web = repo.result("ground"), repo.result("web")
    with repo.engine.save(web["id"]) as stream:
        assert "/www/index.html" in saved(stream.read())
    found = repo.engine.inspect_image(web["id"])
    assert found and found["RootFS"]["Layers"][0] == ground["layers"][0]["diff_id"]
    refused = repo.run("verify-reproducible", "web")
    assert refused.status == 1 and "made by `final.builder: docker`, which promises no digests" in refused.output
    assert repo.run("clean", "web").status == 0 and repo.tagged("web") == ""
