"""`doit push`, as its user types it; and the engine, which pulls what was pushed."""

from __future__ import annotations

import hashlib
import json

import pytest
from debian_registry import free_port, get
from pipeline_repo import Repo

pytest_plugins = ("debian_registry", "engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_what_is_not_up_to_date_is_made_pushed_and_pulled_back(repo: Repo, registry: str) -> None:
    name = f"{registry}/{repo.tags}/web:1"
    pushed = repo.run("push", "web", "--to", name)
    assert pushed.status == 0 and "verify:web" in pushed.ran, pushed.output
    told = json.loads(repo.path("build/web/pushed.json").read_text())["pushed"][0]
    assert f"{told['digest']} at {name}: " in pushed.output
    manifest = get(f"http://{registry}/v2/{repo.tags}/web/manifests/1")
    assert manifest["config"]["digest"] == repo.result("web")["config_digest"]
    beside = f"http://{registry}/v2/{repo.tags}/web"
    (document,) = get(f"{beside}/manifests/{told['referrers'][-1]}")["layers"]
    built = get(f"{beside}/blobs/{document['digest']}", "*/*")["predicate"]["buildDefinition"]
    spec = hashlib.sha256(repo.path("images/web/image.yaml").read_bytes()).hexdigest()
    tree = json.loads(repo.path("build/web/fat.json").read_text())["tree_digest"]
    assert built["resolvedDependencies"] == [
        {"name": "images/web/image.yaml", "digest": {"sha256": spec}},
        {"name": "fat image", "digest": {"slimtasks-tree-sha256": tree.removeprefix("sha256:")}},
    ]
    try:
        assert repo.engine.pull(name) == repo.result("web")["id"]
        pulled = repo.engine.inspect_image(name) or {}
        assert f"{name.rpartition(':')[0]}@{told['digest']}" in pulled["RepoDigests"]
    finally:
        repo.engine.untag(name)

    again = repo.run("push", "web", "--to", name)
    assert (again.status, again.ran) == (0, ()) and ": 0 B sent" in again.output
    layout = repo.run("push", "web", "--to", "oci:out/layout")
    assert (layout.status, layout.ran) == (0, ()) and f"{told['digest']} in out/layout: " in layout.output
    assert repo.run("web").ran == () and repo.left_over() == []

    base = repo.run("push", "ground", "web", "--to", name)
    assert base.status == 3 and "one NAME goes there; found ground web" in base.output
    assert repo.run("push", "ground", "--to", f"{registry}/ground").status == 0
    nobody = f"127.0.0.1:{free_port()}"
    refused = repo.run("push", "web", "--to", f"{nobody}/web:1")
    assert (refused.status, refused.ran) == (1, ()) and "Traceback" not in refused.output
    assert f"{nobody}: asking: connection refused" in refused.output

    compressed = set(repo.path("build/compressed").iterdir())
    assert repo.run("clean", "web").status == 0
    left = set(repo.path("build/compressed").iterdir())
    assert left < compressed and len(left) == 1  # that of ground
    assert not repo.path("build/web/pushed.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push",), "push: which image? allowed: ground, web"),
        (("push", "wbe"), "push: wbe: not a slim or base image; allowed: ground, web"),
    ],
)
def test_a_name_that_is_none(repo: Repo, words: tuple[str, ...], said: str) -> None:
    result = repo.run(*words, DOCKER_HOST="unix:///nowhere.sock")
    assert (result.status, result.ran) == (3, ()) and said in result.output, result.output
