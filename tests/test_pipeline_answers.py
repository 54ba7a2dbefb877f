"""doit why, removed and diff on an image that was really made."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

NO_ENGINE = "unix:///nowhere.sock"
SPEC = "images/web/image.yaml"


def asked(repo: Repo, *words: str) -> str:
    """The answer, without an engine."""
    result = repo.run(*words, DOCKER_HOST=NO_ENGINE)
    assert result.status == 0, result.output
    return result.output


def of_json(repo: Repo, *words: str) -> dict[str, Any]:
    """The same, for scripts."""
    found: dict[str, Any] = json.loads(asked(repo, *words, "--json"))
    return found


def test_what_is_there_what_is_gone_and_what_changes(repo: Repo) -> None:
    assert repo.run("web").status == 0
    busybox = asked(repo, "why", "web", "/bin/sh")
    assert busybox.startswith("/bin/sh leads to /bin/busybox, which stays in web\n")
    assert "  by the symlink /bin/sh -> busybox (stays)\n" in busybox
    assert "  traced   executed" in busybox and " at the start" in busybox
    assert "\n  needed   #! of /bin/server\n           <- /bin/server: traced, executed at the start\n" in busybox
    assert "  layer    application, 1 of 2 (" in busybox
    assert of_json(repo, "why", "web", "/bin/server")["reasons"][0]["kind"] == "traced"
    missed = asked(repo, "why", "web", "/www/absent")
    assert missed.startswith("/www/absent is not in the fat image of web\n  missed   asked for in vain by /bin/busybox")
    assert " in step 2 (http GET http :80/absent)\n" in " ".join(missed.split()) + "\n"
    gone = asked(repo, "why", "web", "/bin/wget")
    assert gone.startswith("/bin/wget leads to /bin/busybox, which stays in web, but not the way to it\n")
    assert '  /bin/wget: would be kept by keep: ["/bin/wget"]\n' in gone
    assert "  add      from index.html by add: at images/web/image.yaml:6:5\n" in asked(
        repo, "why", "web", "/www/index.html"
    )

    removed = of_json(repo, "removed", "web")
    kept = {json.loads(line)["path"] for line in repo.path("build/web/selection.jsonl").read_text().splitlines()[1:]}
    fat = [json.loads(line) for line in repo.path("build/web/inventory.jsonl").read_text().splitlines()[1:]]
    away = {entry["path"] for entry in fat if entry["type"] != "dir"} - kept
    assert {file["path"] for file in removed["files"]} == away and "/bin/wget" in away

    shutil.copy(repo.path("build/web/image.tar"), repo.path("before.tar"))
    repo.engine.tag(repo.result("web")["id"], f"{repo.tags}/before:1")
    repo.append(SPEC, "keep: [/bin/wget]\n")
    older = "build/web is older than what it is made of: select:web would run again; `doit web` makes it anew\n"
    assert older in asked(repo, "why", "web", "/bin/wget")
    assert repo.run("web").status == 0
    assert f'  kept     by keep: ["/bin/wget"] at {SPEC}:11:8\n' in asked(repo, "why", "web", "/bin/wget")
    difference = asked(repo, "diff", "before.tar", "web")
    assert difference.startswith("before.tar -> web: 1 added, 0 removed, 0 changed\n")
    assert "\nadded\n      link  /bin/wget -> busybox\n" in difference
    of_engine = repo.run("diff", f"{repo.tags}/before:1", "web")
    assert of_engine.output == difference.replace("before.tar", f"{repo.tags}/before:1")
    none = repo.run("diff", f"{repo.tags}/none:1", "web")
    assert none.status == 3 and f"ERROR: diff: {repo.tags}/none:1 is not there\n  -> allowed: NAME" in none.output


def test_a_lock_a_trace_and_an_image_of_another_kind(repo: Repo) -> None:
    assert all(repo.run(*words).status == 0 for words in (("web",), ("lock", "web"), ("web",)))
    assert asked(repo, "diff", "web@lock", "web@trace").endswith(" uses\n")
    difference = of_json(repo, "diff", "ground", "web@fat")
    assert [path["path"] for path in difference["added"]] == ["/bin/server"] and not difference["removed"]
