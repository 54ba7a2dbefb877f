"""doit why, removed and diff as users type them, where no engine is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from built_repo import BuiltRepo
from pipeline_repo import command_of, environment_of

from slimtasks.records import Entry, ImagePath

ODD = "/srv/caf\udce9=1"
OLD = "build/web is older than what it is made of: fat:web would run again; `doit web` makes it anew\n"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """`web` is in build/, `api` is not, `ground` is a base."""
    made = BuiltRepo(tmp_path_factory.mktemp("answers"))
    tree = [
        Entry(ImagePath("/"), "dir", 0o755),
        Entry(ImagePath("/srv"), "dir", 0o755),
        Entry(ImagePath(ODD), "file", 0o644, size=3, package="deb/odd"),
        Entry(ImagePath("/srv/used"), "file", 0o644, size=3, package="deb/even"),
    ]
    made.build("web", "", tree, "read /srv/used")
    made.write("images/api/image.yaml", "from: {image: 'somewhere/api:1'}\ngranularity: file\n")
    made.write("images/ground/image.yaml", "kind: base\nfrom: {image: 'somewhere/ground:1'}\n")
    return made


def doit(repo: BuiltRepo, *words: str, folder: Path | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    variables = {"DOCKER_HOST": "unix:///nowhere.sock", "LC_ALL": "C"}
    done = subprocess.run(
        command_of(*words),
        cwd=folder or repo.root,
        env=environment_of(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    return done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr)


def test_why_of_a_name_that_is_no_utf8_and_has_what_doit_takes_for_a_variable(repo: BuiltRepo) -> None:
    status, out, errors = doit(repo, "why", "web", ODD)
    assert (status, errors) == (0, OLD)
    assert out == (
        f"{ODD} is removed from web\n"
        "  file 0644, owner 0:0, 3 B\n"
        "  package  odd 1.0 (nothing of it stays)\n"
        f'  {ODD}: would be kept by keep: ["/srv/caf?=1"]\n'
    )


def test_options_stand_before_or_behind(repo: BuiltRepo) -> None:
    before = doit(repo, "removed", "-n", "1", "--files", "web")
    assert before == doit(repo, "removed", "web", "--files", "-n1")
    assert before[:2] == (
        0,
        "web: 1 of 2 files removed, 3 B of 6 B\n"
        f"1 whole package (3 B), parts of 0 (0 B), and what no package owns (0 B)\n       3 B  {ODD}\n",
    )


def test_for_scripts(repo: BuiltRepo) -> None:
    status, out, errors = doit(repo, "why", "--json", "web", "/srv/used")
    found = json.loads(out)
    assert (status, errors) == (0, OLD)
    assert (found["state"], found["package"]["version"], found["layer"]["name"]) == ("stays", "1.0", "application")
    assert found["reasons"] == [{"kind": "traced", "text": "opened by /bin/app at the start", "chain": []}]
    removed = json.loads(doit(repo, "removed", "web", "--json")[1])
    assert removed["files"] == [{"path": ODD, "size": 3, "package": "deb/odd"}]
    images = json.loads(doit(repo, "diff", "web@fat", "web", "--json")[1])
    assert [path["path"] for path in images["removed"]] == [ODD] and images["size_before"] == 6
    traces = json.loads(doit(repo, "diff", "web@trace", "web@trace", "--json")[1])
    assert traces["uses_before"] == 1 and traces["added"] == []


def test_diff_of_files_from_a_folder_below(repo: BuiltRepo) -> None:
    status, out, _ = doit(repo, "diff", "-k", "web", "build/web/image.tar", folder=repo.root / "images/web")
    assert (status, out) == (0, "web -> build/web/image.tar: no difference but in dates\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("why", "web"), "why: say of which image and path, for example: doit why nginx /etc/passwd"),
        (("why",), "why: say of which image and path, for example: doit why nginx /etc/passwd"),
        (("why", "webb", "/etc"), "why: no image is called webb\n  -> did you mean web? allowed: api, web"),
        (("why", "ground", "/"), "why: ground is of kind base, nothing is selected in it\n  -> allowed: api, web"),
        (("why", "api", "/"), "api is not built yet: build/api/inventory.jsonl is not there\n  -> `doit api` makes it"),
        (("removed",), "removed: say of which image, for example: doit removed nginx -n 10"),
        (("removed", "api"), "api is not built yet: build/api/inventory.jsonl is not there\n  -> `doit api` makes it"),
        (("removed", "web", "--package", "od"), "the fat image of web has no package od; the nearest is odd"),
        (("removed", "web", "--filse"), "removed: option --filse not recognized"),
        (("diff", "web"), "diff: say which two, for example: doit diff before.tar nginx"),
        (("diff", "web", "web@trace"), "diff: found web, an image and web@trace, a trace\n  -> give two images, or"),
        (("diff", "web", "webb"), "diff: webb is not there\n  -> did you mean web? allowed: NAME"),
        (("diff", "web", "no/such:1"), "diff: no/such:1 is not there, and no engine tells of it: "),
    ],
)
def test_mistakes(repo: BuiltRepo, words: tuple[str, ...], said: str) -> None:
    status, out, errors = doit(repo, *words)
    assert (status, out) == (3, "")
    assert errors.startswith(f"ERROR: {said}") and "Traceback" not in errors


@pytest.mark.parametrize("name", ["inventory.jsonl", "selection.jsonl", "trace.jsonl", "layers.json", "image.tar"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    repo = BuiltRepo(tmp_path)
    repo.build("web", "", "/etc/x size=3", "read /etc/x")
    path = tmp_path / "build/web" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    words = ("diff", "web", "web") if name == "image.tar" else ("why", "web", "/etc/x")
    status, out, errors = doit(repo, *words)
    assert (status, out) == (3, "") and "Traceback" not in errors
    assert errors.startswith(f"ERROR: build/web/{name}") and "\n  -> " in errors


def test_a_reader_that_goes(repo: BuiltRepo) -> None:
    read, write = os.pipe()
    os.close(read)
    command = command_of("removed", "web")
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(command, cwd=repo.root, env=environment_of({}), stdout=nobody, stderr=subprocess.PIPE)
    assert (done.returncode, os.fsdecode(done.stderr)) == (0, OLD)
