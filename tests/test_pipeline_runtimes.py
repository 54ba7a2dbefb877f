"""Languages as Debian has them, in /usr/local, in a virtual environment: what was used of each stays whole."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_repo import Repo, fresh_tags

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

BASE = """\
kind: base
tags: [{tags}/runtimes]
from: {{bootstrap: {{suite: bookworm, variant: minbase, include: [python3-venv, python3-flask, nodejs, ruby, perl]}}}}
"""
APP = """\
import http.server, sys, foo, mine

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/late":
            import foo.late, mine.late, sqlite3, xml.etree.ElementTree
        self.send_response(200)
        self.end_headers()
        self.wfile.write(repr([name for name in sys.modules if "late" in name]).encode())

http.server.HTTPServer(("", 80), Handler).serve_forever()
"""
VENV = """\
FROM {tags}/runtimes AS build
COPY wheels /wheels
RUN python3 -m venv /venv && /venv/bin/pip install -q --no-index --find-links /wheels foo bar \\
 && /venv/bin/pip install -q --no-index /wheels/mine*
FROM {tags}/runtimes
COPY --from=build /venv /venv
COPY app.py /app/app.py
EXPOSE 80
STOPSIGNAL SIGKILL
CMD ["/venv/bin/python", "/app/app.py"]
"""
LOCAL = """\
FROM {tags}/runtimes
COPY wheels /wheels
RUN cp -a /usr/lib/python3.11 /usr/local/lib/ && cp /usr/bin/python3.11 /usr/local/bin/ && python3 -m venv /venv \\
 && /venv/bin/pip install -q --no-index --find-links /wheels foo bar mine \\
    --target /usr/local/lib/python3.11/dist-packages
COPY app.py /app/app.py
EXPOSE 80
STOPSIGNAL SIGKILL
CMD ["/usr/local/bin/python3.11", "/app/app.py"]
"""
NODE = """\
FROM {tags}/runtimes
COPY modules /modules
RUN mkdir /app && cp -r /modules /app/node_modules
WORKDIR /app
"""
RUBY = """\
FROM {tags}/runtimes
COPY gems /gems
RUN cd /gems && gem build -q foo.gemspec && gem build -q bar.gemspec && gem install -q --local ./foo-1.gem ./bar-1.gem
"""
GEM = """\
Gem::Specification.new do |s|
  s.name, s.version, s.summary, s.authors = '{name}', '1', 's', ['a']
  s.files = ['lib/{name}.rb', 'lib/{name}/late.rb']
end
"""
DIST_PACKAGES = "/usr/lib/python3/dist-packages"


@pytest.fixture(scope="module")
def runtimes(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    """A repo with a base of Debian's Python, Node.js and Ruby, and nothing else."""
    repo = Repo(tmp_path_factory.mktemp("runtimes"), busybox, fresh_tags())
    repo.remove("images")
    repo.write("images/runtimes/image.yaml", BASE.format(tags=repo.tags))
    yield repo
    repo.remove_images()


def test_python_in_a_virtual_environment_and_in_usr_local(runtimes: Repo) -> None:
    repo = runtimes
    pythons = {"venv": (VENV, "/venv/bin/python"), "local": (LOCAL, "/usr/local/bin/python3.11")}
    for name, (dockerfile, python) in pythons.items():
        workload = "workload: [http: {path: /, body: ['[]']}]\n"
        late = "http: {path: /late, body: [foo.late, mine.late]}"
        add(repo, name, dockerfile, f"{workload}checks: [{late}, {not_compiled(python)}]\n")
        repo.write(f"images/{name}/app.py", APP)
        for wheel in ("foo", "bar", "mine"):
            write_wheel(repo, name, wheel)
    repo_runs(repo, "venv", "local")

    kept, site = paths(repo, "venv"), "/venv/lib/python3.11/site-packages"
    assert {f"{site}/foo/late.py", f"{site}/foo/__pycache__/late.cpython-311.pyc", f"{site}/mine/late.py"} <= kept
    assert "/usr/lib/python3.11/xml/etree/ElementTree.py" in kept
    assert not [path for path in kept if path.startswith((f"{site}/bar", f"{site}/pip/", f"{site}/setuptools/"))]

    kept = paths(repo, "local")
    assert {f"/usr/local/lib/python3.11/{name}" for name in ("xml/etree/ElementTree.py", "sqlite3/dbapi2.py")} <= kept
    assert not [path for path in kept if "-packages/bar" in path or path.startswith("/usr/lib/python3.11/xml")]


def not_compiled(python: str) -> str:
    """A step as root, who could write compiled files: those of the image fit their sources, Python makes none."""
    command = [python, "-v", "-c", "import foo.late, mine.late, sqlite3, xml.etree.ElementTree"]
    fitting = ["/foo.*late.*[.]pyc matches /", "/sqlite3.*[.]pyc matches /", "!code object from /", "!# wrote"]
    return json.dumps({"oneshot": {"command": command, "stderr": fitting}})


def test_node_ruby_and_debian_s_flask(runtimes: Repo) -> None:
    repo = runtimes
    add(repo, "node", NODE, steps(["node", "-p", "require('a')"], "a", ["node", "-p", "require('a/late')"]))
    late = ["ruby", "-e", "require 'foo/late'; require 'csv'"]
    add(repo, "ruby", RUBY, steps(["ruby", "-e", "require 'foo'"], "", late))
    late = ["python3", "-c", "import flask.cli, jinja2.sandbox, ssl, sqlite3"]
    add(repo, "flask", "FROM {tags}/runtimes\n", steps(["python3", "-c", "import flask"], "", late))
    for name in ("a", "b"):
        repo.write(f"images/node/modules/{name}/package.json", f'{{"name": "{name}"}}')
        for module in ("index", "late"):
            repo.write(f"images/node/modules/{name}/{module}.js", f"module.exports = '{name}'")
    for name in ("foo", "bar"):
        repo.write(f"images/ruby/gems/{name}.gemspec", GEM.format(name=name))
        for module in (name, f"{name}/late"):
            repo.write(f"images/ruby/gems/lib/{module}.rb", "")
    repo_runs(repo, "node", "ruby", "flask")

    kept = paths(repo, "node")
    assert "/app/node_modules/a/late.js" in kept and not [path for path in kept if "node_modules/b" in path]
    kept = paths(repo, "ruby")
    assert {"/var/lib/gems/3.1.0/gems/foo-1/lib/foo/late.rb", "/usr/lib/ruby/3.1.0/csv.rb"} <= kept
    assert "/var/lib/gems/3.1.0/gems/bar-1/lib/bar.rb" not in kept
    kept = paths(repo, "flask")
    assert {f"{DIST_PACKAGES}/flask/cli.py", f"{DIST_PACKAGES}/jinja2/sandbox.py", "/usr/lib/python3.11/ssl.py"} <= kept
    documents = [path for path in kept if path.startswith("/usr/share/doc/python3-flask/")]
    assert documents == ["/usr/share/doc/python3-flask/copyright"]


def add(repo: Repo, name: str, dockerfile: str, more: str) -> None:
    repo.write(f"images/{name}/Dockerfile", dockerfile.format(tags=repo.tags))
    repo.write(f"images/{name}/image.yaml", f"tags: [{repo.tags}/{name}]\nfrom: {{dockerfile: Dockerfile}}\n{more}")


def steps(command: list[str], printed: str, late: list[str]) -> str:
    """A spec's workload of one command, and a check of one that the trace has not seen."""
    told = {
        "workload": [{"oneshot": {"command": command, "stdout": [printed] if printed else []}}],
        "checks": [{"oneshot": {"command": late}}],
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in told.items())


def write_wheel(repo: Repo, image: str, name: str) -> None:
    """A wheel (PEP 427) of a package with a module `late`."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": "",
        f"{name}/late.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    path = repo.path(f"images/{image}/wheels/{name}-1.0-py3-none-any.whl")
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member, text)


def repo_runs(repo: Repo, *images: str) -> None:
    result = repo.run(*images)
    assert result.status == 0, result.output


def paths(repo: Repo, image: str) -> set[str]:
    """What is selected."""
    lines = repo.path(f"build/{image}/selection.jsonl").read_text().splitlines()[1:]
    return {json.loads(line)["path"] for line in lines}
