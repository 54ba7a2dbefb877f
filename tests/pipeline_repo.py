"""A small repo of images in a temporary folder, and `doit` run in it as its user runs it.

`ground` is a base of busybox; `web`, built on it, serves a page by HTTP and is slimmed.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import filecmp
import itertools
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine_images import APPLETS

from slimtasks.engine.client import Engine
from slimtasks.engine.labels import CHECKOUT, TEMPORARY, checkout_key

CHECKOUT_OF_SLIMTASKS = Path(__file__).parents[1]
STAGES = ("base", "fat", "trace", "select", "layers", "sbom", "context", "image", "verify")

DODO = "from slimtasks.dodo import DOIT_CONFIG, task_images\n"
GROUND = """\
kind: base
tags: [{tags}/ground]
from: {{dockerfile: Dockerfile}}
workload:
  - oneshot: {{command: [sh, -c, 'echo $((6 * 7))'], stdout: ["/^42$/"]}}
"""
WEB = """\
tags: [{tags}/web]
from: {{dockerfile: Dockerfile}}
unowned: traced
add:
  - {{source: httpd.conf, target: /etc/httpd.conf}}
  - {{source: index.html, target: /www/index.html, retrace: false}}
run: {{stop_grace_period: 5s}}
workload:
  - http: {{path: /, body: [hello]}}
  - http: {{path: /absent, status: 404}}
"""
SERVER = """\
#!/bin/sh
trap 'exit 0' TERM
httpd -f -p 80 -h /www -c /etc/httpd.conf &
wait
"""
_FREE = ("sbom", "context", "image")  # stages
_TASKS = (*STAGES, "lock", "repair", "update", "changes")
_DONE = re.compile(rf"^(\S+) +({'|'.join(_TASKS)}) +(?:[0-9.]+ s|(FAILED))", re.MULTILINE)


@pytest.fixture(scope="session")
def shipped_tracer() -> Path:
    """The tracer image as the wheel ships it, built in the checkout if it is not up to date."""
    made = doit_in(CHECKOUT_OF_SLIMTASKS, "tracer")
    if made.status:
        pytest.fail(f"`doit tracer` in the checkout ended with {made.status}:\n{made.output}", pytrace=False)
    build = CHECKOUT_OF_SLIMTASKS / "build" / "tracer"
    architecture = json.loads((build / "base.json").read_text())["platform"].split("/")[1]
    shipped = CHECKOUT_OF_SLIMTASKS / "slimtasks" / "trace" / f"tracer-{architecture}.tar"
    if not shipped.exists() or not filecmp.cmp(build / "image.tar", shipped, shallow=False):
        partial = shipped.with_name(f"{shipped.name}.{os.getpid()}")
        shutil.copyfile(build / "image.tar", partial)
        partial.replace(shipped)
    return shipped


@pytest.fixture
def make_repo(tmp_path: Path, busybox: Path, shipped_tracer: Path) -> Iterator[Callable[..., Repo]]:
    """Makes repos in folders of `tmp_path`, with tags of their own; their images go at the end."""
    made: list[Repo] = []

    def make(folder: str = "repo", tags: str = "") -> Repo:
        made.append(Repo(tmp_path / folder, busybox, tags or fresh_tags()))
        return made[-1]

    yield make
    for repo in made:
        repo.remove_images()


@pytest.fixture
def repo(make_repo: Callable[..., Repo]) -> Repo:
    """A repo with `ground` and `web`; nothing of it is built."""
    return make_repo()


def fresh_tags() -> str:
    """The start of tags that nobody else has, another run of these tests included."""
    return f"slimtest-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Result:
    """How a run of doit ended."""

    status: int
    output: str  # stdout and stderr

    @property
    def ran(self) -> tuple[str, ...]:
        """The tasks that did something, in order, less the report; those that failed too.

        Of sbom, context and image, which do not need each other, doit takes any first: here they are in this order.
        """
        ran: list[str] = []
        for (image, free), tasks in itertools.groupby(
            _DONE.findall(self.output), lambda one: (one[0], one[1] in _FREE)
        ):
            stages = [stage for _, stage, _ in tasks]
            ran += [f"{stage}:{image}" for stage in (sorted(stages, key=_FREE.index) if free else stages)]
        return tuple(ran)

    @property
    def failed(self) -> tuple[str, ...]:
        """Those that failed."""
        return tuple(f"{stage}:{image}" for image, stage, failed in _DONE.findall(self.output) if failed)


class Repo:
    """A folder with a dodo.py and images; `tags` starts the tags of its images, so that repos do not meet."""

    def __init__(self, root: Path, busybox: Path, tags: str) -> None:
        self.root = root
        self.tags = tags
        self.engine = Engine(root)
        self.write("dodo.py", DODO)
        self.write("pyproject.toml", "[tool.slimtasks]\nlimits.reduction = 0\n")  # all of `web` is used
        self.write("images/ground/image.yaml", GROUND.format(tags=tags))
        self.write("images/ground/Dockerfile", f"FROM scratch\nCOPY root /\nENV PATH=/bin\nLABEL slimtest={tags}\n")
        self.write("images/ground/root/etc/passwd", "root:x:0:0::/:/bin/sh\n")
        (root / "images/ground/root/bin").mkdir()
        shutil.copy(busybox, root / "images/ground/root/bin/busybox")
        for name in APPLETS:
            (root / "images/ground/root/bin" / name).symlink_to("busybox")
        self.add_web("web")

    def add_web(self, name: str, more: str = "") -> None:
        """Declares an image like `web`; `more` is added to its spec."""
        self.write(f"images/{name}/image.yaml", WEB.format(tags=self.tags).replace("/web]", f"/{name}]") + more)
        self.write(
            f"images/{name}/Dockerfile", f'FROM {self.tags}/ground\nCOPY server /bin/\nEXPOSE 80\nCMD ["server"]\n'
        )
        self.write(f"images/{name}/server", SERVER).chmod(0o755)
        self.write(f"images/{name}/httpd.conf", "*.txt:text/plain\n")
        self.write(f"images/{name}/index.html", "<p>hello</p>\n")
        self.write(f"images/{name}/.dockerignore", "httpd.conf\nindex.html\n")

    # Files

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, text: str) -> Path:
        """Writes a file of the repo."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def remove(self, name: str) -> None:
        """Removes a folder of the repo."""
        shutil.rmtree(self.root / name)

    def append(self, name: str, text: str) -> None:
        """Adds to the end of a file of the repo."""
        self.write(name, self.path(name).read_text() + text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replaces in a file of the repo what has to be there."""
        text = self.path(name).read_text()
        if old not in text:
            raise ValueError(f"{name} has no {old!r}")
        self.write(name, text.replace(old, new))

    def result(self, image: str) -> dict[str, Any]:
        """What build/ says of a finished image: base.json, image.json or, of a build, fat.json."""
        folder = self.root / "build" / image
        found = next(
            path for path in (folder / "image.json", folder / "base.json", folder / "fat.json") if path.exists()
        )
        read: dict[str, Any] = json.loads(found.read_text())
        return read

    def report(self) -> dict[str, dict[str, Any]]:
        """The rows of build/report.json by image."""
        return {row["image"]: row for row in json.loads(self.path("build/report.json").read_text())["images"]}

    # Runs

    def run(self, *args: str, **variables: str) -> Result:
        """`doit *args`, to its end."""
        return doit_in(self.root, *args, variables=variables)

    def run_as_nobody_special(self, *args: str, **variables: str) -> Result:
        """The same by one to whom permissions apply, as they do not to root."""
        powerless = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
        return doit_in(self.root, *args, before=powerless, variables=variables)

    def start(self, *args: str, **variables: str) -> subprocess.Popen[str]:
        """`doit *args` in a process group of its own, its output in one pipe."""
        return subprocess.Popen(
            command_of(*args),
            cwd=self.root,
            env=environment_of(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    # Engine

    def tag(self, image: str) -> str:
        """The tag of an image of the repo."""
        return f"{self.tags}/{image}:latest"

    def tagged(self, image: str) -> str:
        """The id of the image that has the tag now; empty for none."""
        return str((self.engine.inspect_image(self.tag(image)) or {}).get("Id", ""))

    @contextmanager
    def created(self) -> Iterator[list[str]]:
        """Gets the images that containers of this repo are made of while inside, one for each."""
        found: list[str] = []
        began = time.time()
        yield found
        filters = {"type": ["container"], "event": ["create"], "label": [f"{CHECKOUT}={checkout_key(self.root)}"]}
        params = {"since": f"{began:.9f}", "until": f"{time.time():.9f}", "filters": json.dumps(filters)}
        with self.engine.connection.streamed("GET", "/events", params=params, timeout=30, doing="events") as answer:
            found += [json.loads(line)["from"] for line in answer.iter_lines() if line]

    def fat(self, image: str) -> str:
        """The id of the image that it was cut out of."""
        return str(json.loads(self.path(f"build/{image}/fat.json").read_text())["id"])

    def remove_image(self, identity: str) -> None:
        """Takes an image out of the engine with all its tags, as `docker rmi -f` does."""
        for tag in (self.engine.inspect_image(identity) or {}).get("RepoTags") or ():
            self.engine.untag(tag)
        self.engine.remove_image(identity)

    def left_over(self) -> list[str]:
        """What a finished run must not leave in the engine, or half-written below build/."""
        ask, key = self.engine.connection.json, checkout_key(self.root)
        label = {"filters": json.dumps({"label": [f"{CHECKOUT}={key}"]})}
        left = [
            f"container {c['Id'][:12]}" for c in ask("GET", "/containers/json", params={"all": "1", **label}, doing="")
        ]
        left += [f"network {n['Name']}" for n in ask("GET", "/networks", params=label, doing="listing")]
        left += [f"volume {v['Name']}" for v in ask("GET", "/volumes", params=label, doing="listing")["Volumes"] or ()]
        left += [f"tag {tag}" for tag in held_by(self.engine, self.root) if not tag.startswith(f"{TEMPORARY}held/")]
        left += [f"image {identity}" for identity in self.untagged()]
        left += [f"file {path}" for path in self.path("build").rglob("*") if path.name.endswith(".part")]
        return left + [f"scratch {path}" for path in self.path("build/scratch").glob("*")]

    def untagged(self) -> list[str]:
        """The images of this repo, and of those with the same tags, that nothing names."""
        filters = json.dumps({"dangling": ["true"], "label": [f"slimtest={self.tags}"]})
        listed = self.engine.connection.json("GET", "/images/json", params={"filters": filters}, doing="listing")
        return [image["Id"] for image in listed]

    def remove_images(self) -> None:
        """Takes all tags of this repo's images, and with them the images, out of the engine."""
        mine = [tag for image in self.engine.images() for tag in image["RepoTags"] or () if tag.startswith(self.tags)]
        for tag in (*mine, *held_by(self.engine, self.root)):
            self.engine.untag(tag)


def held_by(engine: Engine, folder: Path) -> list[str]:
    """The tags of our own that hold images for the checkout in that folder."""
    key = checkout_key(folder)
    tags = [tag for image in engine.images() for tag in image["RepoTags"] or ()]
    return [tag for tag in tags if tag.startswith(TEMPORARY) and tag.rpartition(":")[2].startswith(key)]


@contextmanager
def cloned(folder: Path) -> Iterator[Path]:
    """A clone of this checkout in that folder; what it holds in the engine is let go at the end."""
    subprocess.run(["git", "clone", "-q", str(CHECKOUT_OF_SLIMTASKS), str(folder)], check=True)
    yield folder
    engine = Engine(folder)
    for tag in held_by(engine, folder):
        engine.untag(tag)


def doit_in(folder: Path, *args: str, before: tuple[str, ...] = (), variables: Mapping[str, str] = {}) -> Result:
    """`doit *args` in the folder, to its end; `before`: a command that takes it as its arguments."""
    done = subprocess.run(
        [*before, *command_of(*args)],
        cwd=folder,
        env=environment_of(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Result(done.returncode, done.stdout)


def command_of(*args: str) -> list[str]:
    return [sys.executable, "-m", "doit", *args]


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """The caller's, less what would change the images, and with this checkout's slimtasks."""
    inherited = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    return {**inherited, "PYTHONPATH": str(CHECKOUT_OF_SLIMTASKS), **variables}
