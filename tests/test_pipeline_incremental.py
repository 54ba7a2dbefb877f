"""What runs again when something changed, and what does not; the tests change one repo in turn."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_repo import CHECKOUT_OF_SLIMTASKS, STAGES, Repo, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

GROUND = ("base:ground", "sbom:ground", "verify:ground")
WEB = tuple(f"{stage}:web" for stage in STAGES if stage != "base")
TOOL = ("fat:tool", "verify:tool")
FRESH = itertools.count(1)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    """A repo with a base, a slim image and a build on it."""
    repo = Repo(tmp_path_factory.mktemp("settled"), busybox, fresh_tags())
    repo.write("images/tool/image.yaml", f"kind: build\ntags: [{repo.tags}/tool]\nfrom: {{dockerfile: Dockerfile}}\n")
    repo.write("images/tool/Dockerfile", f"FROM {repo.tags}/ground\nENV TOOL=1\n")
    shutil.copytree(repo.path("images"), repo.path("pristine"), symlinks=True)
    yield repo
    repo.remove_images()


@pytest.fixture
def repo(settled: Repo) -> Repo:
    """The same, with all of it built; as it was in the beginning, if the test before has left it broken."""
    result = settled.run()
    if result.status:
        shutil.rmtree(settled.path("images"))
        shutil.copytree(settled.path("pristine"), settled.path("images"), symlinks=True)
        result = settled.run()
    assert (result.status, result.failed) == (0, ()), result.output
    return settled


def test_nothing_changed(repo: Repo) -> None:
    with repo.created() as created:
        result = repo.run()
    assert (result.status, result.ran, created) == (0, (), [])
    assert [line.split()[0] for line in result.output.splitlines() if line] == ["image", "ground", "tool", "web"]
    assert repo.left_over() == []


def test_an_added_file_that_needs_no_trace(repo: Repo) -> None:
    before = repo.result("web")
    repo.write("images/web/index.html", f"<p>hello {next(FRESH)}</p>\n")
    assert repo.run().ran == ("layers:web", "sbom:web", "context:web", "image:web", "verify:web")
    after = repo.result("web")
    assert after["layers"][0] == before["layers"][0]
    assert after["layers"][1]["diff_id"] != before["layers"][1]["diff_id"]
    assert repo.tagged("web") == after["id"]


def test_the_image_that_was_replaced_is_gone(repo: Repo) -> None:
    before = repo.result("web")["id"]
    repo.write("images/web/index.html", f"<p>hello {next(FRESH)}</p>\n")
    repo.run()
    assert repo.engine.inspect_image(before) is None


def test_an_added_file_that_may_change_what_is_used(repo: Repo) -> None:
    repo.write("images/web/httpd.conf", f"*.txt:text/plain\n*.{next(FRESH)}:text/plain\n")
    result = repo.run()
    assert result.ran[0] == "trace:web"
    assert set(result.ran) <= set(WEB[1:]) and {"layers:web", "image:web", "verify:web"} <= set(result.ran)


def test_another_dockerfile(repo: Repo) -> None:
    repo.append("images/web/Dockerfile", f"ENV NUMBER={next(FRESH)}\n")
    assert repo.run().ran == WEB


def test_another_dockerfile_for_the_same_image(repo: Repo) -> None:
    repo.append("images/web/Dockerfile", "# a remark\n")
    assert repo.run().ran == ("fat:web",)


def test_another_base_rebuilds_all_on_it(repo: Repo) -> None:
    repo.write("images/ground/root/etc/motd", f"{next(FRESH)}\n")
    ran = repo.run().ran
    assert set(ran) == {*GROUND, *WEB, *TOOL} and ran[:3] == GROUND
    assert [task for task in ran if task in WEB] == list(WEB)


def test_nothing_is_built_on_a_base_that_fails(repo: Repo) -> None:
    tagged = {image: repo.tagged(image) for image in ("ground", "web", "tool")}
    repo.write("images/ground/root/etc/motd", f"{next(FRESH)}\n")
    repo.replace("images/ground/image.yaml", "/^42$/", "/^43$/")
    result = repo.run()
    assert (result.status, result.ran, result.failed) == (1, GROUND, GROUND[-1:])
    assert "not run, since they need what failed: " in result.output
    assert {image: repo.tagged(image) for image in tagged} == tagged
    repo.replace("images/ground/image.yaml", "/^43$/", "/^42$/")
    assert set(repo.run().ran) == {*GROUND[-1:], *WEB, *TOOL}


@pytest.mark.parametrize(
    ("image", "ran"),
    [("ground", (GROUND[0], GROUND[-1])), ("web", ("image:web", "verify:web")), ("tool", TOOL)],
    ids=str,
)
def test_an_image_that_the_engine_lost(repo: Repo, image: str, ran: tuple[str, ...]) -> None:
    identity = repo.result(image)["id"]
    repo.remove_image(identity)
    with repo.created() as created:
        assert repo.run().ran == ran
    assert repo.tagged(image) == repo.result(image)["id"] == identity
    assert len(created) <= 1  # the one that is verified


def test_a_fat_image_that_the_engine_lost(repo: Repo) -> None:
    repo.remove_image(repo.fat("web"))
    with repo.created() as created:
        assert repo.run().ran == ("fat:web",)
    assert repo.engine.inspect_image(repo.fat("web")) and created == []


@pytest.mark.parametrize("image", ["ground", "web", "tool"])
def test_a_tag_that_was_taken_away(repo: Repo, image: str) -> None:
    repo.engine.untag(repo.tag(image))
    assert repo.run().ran == (f"verify:{image}",)
    assert repo.tagged(image) == repo.result(image)["id"]


def test_a_layer_store_that_was_emptied(repo: Repo) -> None:
    before = repo.result("web")["layers"]
    for path in repo.path("build/layers").iterdir():
        path.unlink()
    assert repo.run().ran == ("layers:web",)
    assert repo.result("web")["layers"] == before
    assert {path.stem for path in repo.path("build/layers").iterdir()} == {x["diff_id"][7:] for x in before}


def test_a_trace_that_was_lost_is_in_the_store(repo: Repo) -> None:
    repo.path("build/web/trace.jsonl").unlink()
    with repo.created() as created:
        result = repo.run()
    assert (result.ran, created) == (("trace:web",), [])
    assert "(traced before)" in result.output


def test_a_trace_store_that_was_emptied(repo: Repo) -> None:
    for path in repo.path("build/traces").iterdir():
        path.unlink()
    assert repo.run().ran == ()
    repo.path("build/web/trace.jsonl").unlink()
    assert repo.run().ran[0] == "trace:web"


def test_a_remark_in_a_spec(repo: Repo) -> None:
    path = repo.path("images/web/image.yaml")
    path.write_text(f"# remark {next(FRESH)}\n\n{path.read_text()}")
    assert repo.run().ran == ()


def test_traced_twice_is_the_same_to_the_byte(repo: Repo) -> None:
    before = repo.path("build/web/trace.jsonl").read_bytes()
    for path in repo.path("build/traces").iterdir():
        path.unlink()
    repo.path("build/web/trace.jsonl").unlink()
    assert repo.run("trace:web").ran[-1] == "trace:web"
    assert repo.path("build/web/trace.jsonl").read_bytes() == before
    assert json.loads(before.splitlines()[0])["steps"] == [
        "start",
        "1 http GET http :80/",
        "2 http GET http :80/absent",
    ]


def test_another_rule_traces_nothing(repo: Repo) -> None:
    repo.append("images/web/image.yaml", "keep: [/bin/cat]\n")
    assert repo.run().ran == ("select:web", "layers:web", "sbom:web", "context:web", "image:web", "verify:web")
    repo.replace("images/web/image.yaml", "keep: [/bin/cat]\n", "")


def test_another_config_packs_nothing(repo: Repo) -> None:
    repo.append("images/web/image.yaml", f"final: {{environment: {{A: '{next(FRESH)}'}}}}\n")
    assert repo.run().ran == ("sbom:web", "context:web", "image:web", "verify:web")
    path = repo.path("images/web/image.yaml")
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("final:")))


def test_another_workload_traces_again(repo: Repo) -> None:
    repo.replace("images/web/image.yaml", "/absent", f"/absent{next(FRESH)}")
    ran = repo.run().ran
    assert ran[0] == "trace:web" and ran[-1] == "verify:web" and "fat:web" not in ran


def test_another_date(repo: Repo) -> None:
    before = repo.result("web")["config_digest"]
    ran = repo.run(SOURCE_DATE_EPOCH="1000000000").ran
    assert {"base:ground", "layers:web", "image:web", "verify:web"} <= set(ran)
    assert repo.result("web")["config_digest"] != before
    assert repo.run(SOURCE_DATE_EPOCH="1000000000").ran == ()
    repo.run()
    assert repo.result("web")["config_digest"] == before


def test_another_version_builds_and_traces_nothing(repo: Repo, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT_OF_SLIMTASKS / "slimtasks", tmp_path / "slimtasks")
    package = tmp_path / "slimtasks/__init__.py"
    package.write_text(package.read_text().replace('__version__ = "', '__version__ = "9'))
    before = repo.result("web")
    cheap = ("sbom:ground", "select:web", "layers:web", "sbom:web", "context:web", "image:web")
    assert repo.run(PYTHONPATH=str(tmp_path)).ran == cheap
    assert repo.run(PYTHONPATH=str(tmp_path)).ran == ()
    assert repo.result("web") == before
    assert repo.run().ran == cheap


def test_a_new_name_for_an_image_moves_the_tag(repo: Repo) -> None:
    repo.append("images/tool/image.yaml", "workload: [{oneshot: {command: ['true']}}]\n")
    assert repo.run().ran == ("verify:tool",)
    repo.replace("images/tool/image.yaml", f"tags: [{repo.tags}/tool]", f"tags: [{repo.tags}/tool, {repo.tags}/tool:2]")
    assert repo.run().ran == ("verify:tool",)
    assert repo.engine.inspect_image(f"{repo.tags}/tool:2")


def test_cleaned_and_built_again(repo: Repo) -> None:
    before = {image: repo.result(image)["id"] for image in ("ground", "web", "tool")}
    assert repo.run("clean").status == 0
    left = {str(path.relative_to(repo.root)) for path in repo.path("build").rglob("*") if path.is_file()}
    assert left <= {"build/lock", "build/specs.pickle", "build/report.json"}
    assert [image for image, identity in before.items() if repo.engine.inspect_image(identity)] == []
    assert set(repo.run().ran) == {*GROUND, *WEB, *TOOL}
    assert {image: repo.result(image)["id"] for image in before} == before


def test_one_image_is_cleaned(repo: Repo) -> None:
    before = {image: repo.result(image)["id"] for image in ("ground", "web", "tool")}
    assert repo.run("clean", "web").status == 0
    assert {image: repo.tagged(image) for image in before} == {**before, "web": ""}
    assert repo.run().ran == WEB
    assert {image: repo.result(image)["id"] for image in before} == before
