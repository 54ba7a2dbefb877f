"""`trace.also`: traces from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

FILE = "images/web/traces/prod.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(repo: Repo, header: dict[str, Any], *records: dict[str, Any]) -> None:
    whole = [{"complete": True, "steps": ["start"], "version": 2, "lines": len(records), **header}, *records]
    repo.write(FILE, "".join(json.dumps(record) + "\n" for record in whole))


def of_prod(path: str, how: str = "read") -> dict[str, Any]:
    return {"path": path, "how": how, "sources": ["fanotify"], "steps": [0], "by": ["/bin/cat"]}


def test_a_trace_from_elsewhere(repo: Repo) -> None:
    assert repo.run("web").status == 0
    before = repo.path("build/web/trace.jsonl").read_bytes()
    fat = json.loads(repo.path("build/web/fat.json").read_text())["tree_digest"]
    also = "trace: {{also: [{{file: traces/prod.jsonl, any-image: {}}}]}}\n".format
    repo.append("images/web/image.yaml", also("false"))

    # adds to the image's own, which is not traced again; more than it has is kept
    write(repo, {"fat": fat, "kernel": "6.1"}, of_prod("/bin/yes"), of_prod("/opt/none"), of_prod("/opt/new", "miss"))
    with repo.created() as created:
        result = repo.run("trace:web")
    assert (result.status, result.ran, created) == (0, ("trace:web",), [])
    said = "(traced before); traces/prod.jsonl adds 3 paths, 1 of its paths not in this image\n"
    assert said in result.output, result.output
    header, *records = lines(repo.path("build/web/trace.jsonl"))
    assert header["also"] == [{"file": "traces/prod.jsonl", "complete": True, "fat": fat, "kernel": "6.1"}]
    assert header["steps"][3:] == ["traces/prod.jsonl: start"]
    (added,) = (record for record in records if record.get("path") == "/bin/yes")
    assert (added["sources"], added["steps"], added["reached"]) == (["traces/prod.jsonl:fanotify"], [3], "/bin/busybox")
    assert "fat:web" not in repo.run("web").ran
    reasons = {record["path"]: record["reasons"] for record in lines(repo.path("build/web/selection.jsonl"))[1:]}
    assert reasons["/bin/yes"] == [{"kind": "traced", "detail": "opened (traces/prod.jsonl:fanotify)"}]

    # a changed one is noticed; the lock is of the own trace alone, and both go together
    write(repo, {"fat": fat}, of_prod("/bin/id"))
    assert repo.run("trace:web").ran == ("trace:web",)
    assert repo.run("lock", "web").status == 0
    assert "/bin/id" not in repo.path("images/web/trace.lock.jsonl").read_text()
    result = repo.run("trace:web")
    assert ", from trace.lock.jsonl; traces/prod.jsonl adds 1 path\n" in result.output
    assert '"path":"/bin/id"' in repo.path("build/web/trace.jsonl").read_text()

    # of another image
    write(repo, {"fat": "sha256:other"}, of_prod("/bin/id"))
    result = repo.run("trace:web")
    assert (result.status, result.failed) == (1, ("trace:web",))
    assert f"{FILE}:1: traced on another image than this one\n" in result.output
    assert f"its fat digest sha256:other\n      this image's   {fat}\n" in result.output
    assert "or say `any-image: true` beside the file: images/web/image.yaml:" in result.output
    repo.replace("images/web/image.yaml", also("false"), also("true"))
    assert repo.run("trace:web").status == 0

    # without it, all is as before
    repo.replace("images/web/image.yaml", also("true"), "")
    repo.path("images/web/trace.lock.jsonl").unlink()
    repo.remove("images/web/traces")
    assert repo.run("trace:web").ran == ("trace:web",)
    assert repo.path("build/web/trace.jsonl").read_bytes() == before


MISTAKES: dict[str, tuple[Callable[[str], str | bytes], str]] = {
    "a path that climbs out": (
        lambda text: text.replace("/bin/id", "/../../id"),
        ":2: path: found '/../../id'; allowed",
    ),
    "invalid UTF-8": (lambda text: text.encode() + b"\xff\n", ":3: found the byte 0xff, which is not UTF-8"),
    "cut off": (lambda text: text[:-20], ":2: found '{"),
    "not complete": (lambda text: text.replace("true", "false"), ":1: the trace is not complete (it does not say why)"),
}


def test_what_is_refused(repo: Repo) -> None:
    assert repo.run("fat:web").status == 0
    fat = json.loads(repo.path("build/web/fat.json").read_text())["tree_digest"]
    repo.append("images/web/image.yaml", "trace: {also: [{file: traces/prod.jsonl}]}\n")
    missing = repo.run("trace:web")
    assert missing.status == 3 and f"trace.also[1].file: {FILE} does not exist" in missing.output
    for mistake, (change, message) in MISTAKES.items():
        write(repo, {"fat": fat}, of_prod("/bin/id"))
        content = change(repo.path(FILE).read_text())
        repo.path(FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
        result = repo.run("trace:web")
        assert result.status == 1 and FILE + message in result.output, f"{mistake}: {result.output}"
        assert "Traceback" not in result.output
    write(repo, {"fat": fat, "complete": False, "incomplete": ["an overflow"]}, of_prod("/bin/id"))
    repo.replace("images/web/image.yaml", "{also: ", "{allow-incomplete: true, also: ")
    result = repo.run("trace:web")
    assert result.status == 0 and "traces/prod.jsonl adds 1 path, NOT COMPLETE" in result.output, result.output
    assert "web: THE TRACE IS NOT COMPLETE: traces/prod.jsonl: an overflow" in repo.run("report").output
