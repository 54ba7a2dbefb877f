"""Which files a build is sent, and which files trace and verify depend on."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from slimtasks.spec import Image, load
from slimtasks.spec.context import IgnoreRules, build_context
from slimtasks.spec.host_files import add_files, mounted_files, workload_files


def image(root: Path, files: str, spec: str = "from: {dockerfile: Dockerfile}\n", **texts: str) -> Image:
    """The image 'app' with those (empty) files in its folder; `texts` are contents by name."""
    folder = root / "images/app"
    for name in files.split():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "image.yaml").write_text(spec)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return load(root, {}).image("app")


def names(image: Image) -> str:
    return " ".join(name for name, _ in build_context(image).files)


def test_spec_and_lock_are_never_sent(tmp_path: Path) -> None:
    app = image(tmp_path, "Dockerfile b/image.yaml b/c a trace.lock.jsonl")
    assert names(app) == "Dockerfile a b/c b/image.yaml"
    assert dict(build_context(app).files)["b/c"] == tmp_path / "images/app/b/c"


def test_what_runs_write_is_never_sent(tmp_path: Path) -> None:
    """Or each run, which changes that, would build the image again, and send it what it had built."""
    app = image(tmp_path, "Dockerfile build/a", "from: {dockerfile: Dockerfile, context: ../..}\n")
    for name in ("build/app/image.tar", ".doit.db", ".doit.db-journal", "app.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(app) == "app.py images/app/Dockerfile images/app/build/a"
    assert [name for name, _ in build_context(app).folders] == ["images", "images/app", "images/app/build"]


def test_traces_from_elsewhere_are_never_sent(tmp_path: Path) -> None:
    also = ", ".join(f"{{file: {name}}}" for name in ("traces/of/prod.jsonl", "b/c.jsonl", "d.jsonl"))
    spec = f"from: {{dockerfile: Dockerfile}}\ntrace: {{also: [{also}]}}\n"
    app = image(tmp_path, "Dockerfile traces/of/prod.jsonl b/c.jsonl b/d d.jsonl", spec)
    assert names(app) == "Dockerfile b/d"
    assert [name for name, _ in build_context(app).folders] == ["b"]


def test_ignored_files(tmp_path: Path) -> None:
    app = image(
        tmp_path, "Dockerfile a.md README.md d/b.md d/c", **{".dockerignore": "*.md\n!README.md\nd\nDockerfile\n"}
    )
    assert names(app) == ".dockerignore Dockerfile README.md"


def test_the_ignore_file_of_a_dockerfile_wins(tmp_path: Path) -> None:
    texts = {".dockerignore": "a\n", "Dockerfile.dockerignore": "b\n.docker*\nDocker*\n"}
    assert names(image(tmp_path, "Dockerfile a b", **texts)) == "Dockerfile a"


def test_a_dockerfile_outside_of_its_context(tmp_path: Path) -> None:
    app = image(tmp_path, "Dockerfile src/a", "from: {dockerfile: Dockerfile, context: src}\n")
    assert names(app) == ".dockerfile.Dockerfile a"


def test_folders_links_and_sockets(tmp_path: Path) -> None:
    app = image(tmp_path, "Dockerfile d/e/f no/x", **{".dockerignore": "no\n.dockerignore\n"})
    folder = tmp_path / "images/app"
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("d")
    (folder / "broken").symlink_to("nowhere")
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as node:
        node.bind(os.path.relpath(folder / "socket"))
    assert names(app) == "Dockerfile broken d/e/f link"
    assert [name for name, _ in build_context(app).folders] == ["d", "d/e", "empty"]


def test_no_dockerfile_no_context(tmp_path: Path) -> None:
    assert build_context(image(tmp_path, "a", "from: {image: x}\n")).files == ()


# rules -> what they ignore, what they do not (docs.docker.com, moby/patternmatcher's tests)
RULES = {
    "a": ("a a/b", "b b/a"),
    "/a": ("a", "b/a"),
    "a/": ("a a/b", "b/a"),
    "*.go": ("x.go", "d/x.go"),
    "**/*.go": ("x.go d/x.go d/e/x.go", "x.gox"),
    "*/temp*": ("a/temp a/temporary/x", "temp a/b/temp"),
    "*/*/temp*": ("a/b/temp", "a/temp"),
    "temp?": ("tempa", "temp tempab"),
    "**": ("a a/b", ""),
    "dir/**": ("dir/a dir/a/b", "dir a"),
    "a/**/b": ("a/b a/x/b a/x/y/b", "b"),
    "**/foo/bar": ("foo/bar x/foo/bar", "foo/x/bar"),
    "[a-c]x": ("ax bx", "dx"),
    "[^a]x": ("bx", "ax"),
    "a.b(c)": ("a.b(c)", "axb(c)"),
    "\\*": ("*", "a"),
    "./a/../b": ("b", "a"),
    "  a  ": ("a", "b"),
    "# a\n #b": ("#b", "a"),
    "*\n!a\n!d/e": ("b d d/x", "a a/x d/e d/e/f"),
    "!a\n*": ("a", ""),
    "*.md\n!README*.md\nREADME-secret.md": ("a.md README-secret.md", "README.md README-x.md"),
    "!": ("", "a"),
    ".": ("", "a"),
    "[": ("[", "a"),
}


@pytest.mark.parametrize("text", RULES)
def test_rules(text: str) -> None:
    rules = IgnoreRules.parse(text)
    ignored, sent = RULES[text]
    assert [name for name in ignored.split() if not rules.ignores(name)] == []
    assert [name for name in sent.split() if rules.ignores(name)] == []


def test_inputs_of_the_workload(tmp_path: Path) -> None:
    spec = """
from: {image: x}
run: {env_file: e.env, volumes: ["./data:/d", "/etc:/e", "name:/n"]}
workload:
  - host: {command: [sh, ./smoke.sh, /etc/passwd, missing]}
  - oneshot: {command: [x], volumes: ["./one:/o"]}
checks:
  - host: {command: "python check.py"}
"""
    app = image(tmp_path, "e.env data/a data/b/c smoke.sh one check.py", spec)
    folder = tmp_path / "images/app"

    def files(*, checks: bool) -> list[str]:
        return [path.relative_to(folder).as_posix() for path in workload_files(app, checks=checks)]

    assert files(checks=False) == ["data/a", "data/b/c", "e.env", "one", "smoke.sh"]
    assert files(checks=True) == ["check.py", "data/a", "data/b/c", "e.env", "one", "smoke.sh"]
    assert [name for _, name in mounted_files(app, app.workload)] == ["/d/a", "/d/b/c", "/o"]


def test_added_files(tmp_path: Path) -> None:
    spec = """
from: {image: x}
add: [{source: html, target: /srv/}, {source: site.conf, target: /etc/x.conf, retrace: false}]
"""
    app = image(tmp_path, "html/a html/b/c site.conf", spec)
    assert [target for _, target in add_files(app)] == ["/srv/a", "/srv/b/c", "/etc/x.conf"]
    assert [target for _, target in add_files(app, retrace=False)] == ["/etc/x.conf"]
