"""`doit init`: from an image's name to a verified slim image in two commands, in a folder where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from engine_images import image_of, tree
from pipeline_repo import doit_in, fresh_tags, held_by
from tars import Item, f

from slimtasks.engine.client import Engine
from slimtasks.errors import SlimError
from slimtasks.oci.config import KIND_LABEL
from slimtasks.proposing import Wish, propose
from slimtasks.spec import Image, load
from slimtasks.workload.report import step_title

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

HTTPD = ["httpd", "-f", "-p", "8080", "-h", "/www"]
PAGE = f("www/index.html", "<p>hello</p>\n")


@dataclass
class Folder:
    """An empty folder of a new user, and images that are in the engine for it."""

    root: Path
    engine: Engine
    busybox: Path
    name: str = field(default_factory=fresh_tags)
    notes: list[str] = field(default_factory=list)

    def image(self, config: dict[str, object], *more: Item) -> str:
        """The tag of a busybox with that config, and with those members beside it; it is stopped at once."""
        config = {"StopSignal": "SIGKILL", **config}
        tag = f"{self.name}/{self.name}:1"
        self.engine.load_stream(iter([image_of(tag, tree(self.busybox, *more), config)]))
        return tag

    def init(self, written: str, **wish: object) -> Image:
        """What was written for it, as the loader reads it."""
        propose(Wish(written, **wish), {}, lambda line: None, self.notes.append)  # type: ignore[arg-type]
        return load(self.root, {}).image(str(wish.get("name", self.name)))

    def text(self) -> str:
        return (self.root / f"images/{self.name}/image.yaml").read_text()

    def left(self) -> list[str]:
        """All that is there, less build/'s own."""
        found = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        return sorted(path for path in found if path not in ("build/lock", "build/specs.pickle"))


@pytest.fixture
def folder(
    tmp_path: Path, engine: Engine, busybox: Path, shipped_tracer: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Folder]:
    root = tmp_path / "new"
    root.mkdir()
    monkeypatch.chdir(root)
    made = Folder(root, engine, busybox)
    yield made
    mine = [tag for one in engine.images() for tag in one["RepoTags"] or () if tag.startswith(made.name)]
    for tag in (*mine, *held_by(engine, root)):
        engine.untag(tag)


def test_two_commands(folder: Folder) -> None:
    tag = folder.image({"Cmd": HTTPD, "ExposedPorts": {"8080/tcp": {}}}, PAGE)
    first = doit_in(folder.root, "init", tag)
    spec = f"images/{folder.name}/image.yaml"
    assert (first.status, first.output.splitlines()[-2:]) == (
        0,
        [f"{spec} is written, with 1 step (http), and 0 questions", "next: `doit`"],
    )
    assert [path for path in folder.left() if not path.startswith("build/")] == ["dodo.py", spec]
    second = doit_in(folder.root)
    assert second.status == 0 and f"tagged {folder.name}-slim:1" in second.output, second.output
    slim = folder.engine.inspect_image(f"{folder.name}-slim:1")
    assert slim and slim["Config"]["Labels"][KIND_LABEL] == "slim"
    third = doit_in(folder.root, "init", tag)
    assert (third.status, third.output) == (
        3,
        f"ERROR: init: {spec} is there already, and nothing is overwritten\n"
        "  -> remove it, or choose another name: `--name NAME`\n",
    )
    again = doit_in(folder.root, "init", f"{folder.name}-slim:1")
    assert again.status == 3 and f"from.image: {folder.name}-slim:1 is slim already" in again.output
    assert not (folder.root / f"images/{folder.name}-slim").exists()


SERVICES: dict[str, tuple[dict[str, object], list[str]]] = {
    "a port that it does not expose": ({"Cmd": HTTPD}, ["GET http :8080/"]),
    "one that it exposes and does not open": (
        {"Cmd": HTTPD, "ExposedPorts": {"8080/tcp": {}, "9/tcp": {}}},
        ["port 8080", "GET http :8080/"],
    ),
    "a server that says nothing": (
        {"Cmd": ["nc", "-lk", "-p", "7", "-e", "sleep", "9"], "ExposedPorts": {"7/tcp": {}}},
        ["port 7"],
    ),
    "a worker": ({"Cmd": ["sh", "-c", "echo '[1] ready to work'; exec sleep 99"]}, ["log ready to work"]),
    "a command": ({"Entrypoint": ["busybox"], "Cmd": ["false"]}, ["--help"]),
    "a job": ({"Cmd": ["echo", "done"]}, ["echo done"]),
}


@pytest.mark.slow
@pytest.mark.parametrize(("config", "steps"), SERVICES.values(), ids=SERVICES)
def test_what_it_is(folder: Folder, config: dict[str, object], steps: list[str]) -> None:
    image = folder.init(folder.image(config, PAGE))
    assert [step_title(step) for step in image.workload] == steps
    ran = doit_in(folder.root)
    assert ran.status == 0 and f"tagged {folder.name}-slim:1" in ran.output, ran.output


def test_what_lacks_a_variable(folder: Folder) -> None:
    script = '[ "$APP_TOKEN" ] || { echo "set APP_TOKEN"; exit 3; }; exec httpd -f -p 8080 -h /www'
    tag = folder.image({"Cmd": ["sh", "-c", script], "ExposedPorts": {"8080/tcp": {}}}, PAGE)
    spec = Path(f"images/{folder.name}/image.yaml")
    assert folder.init(tag).workload == ()
    assert folder.notes == [
        f"{spec} is written, but the image does not run as it is:",
        "  The container ended by itself with exit status 3.",
        "  Its last log lines:",
        "    set APP_TOKEN",
        "  -> say in it what that needs; or remove it, and `doit init IMAGE NAME=VALUE`",
    ]
    assert "# run:\n#   environment:\n#     APP_TOKEN: value\n" in folder.text()
    spec.unlink()
    spec.parent.rmdir()
    image = folder.init(tag, environment={"APP_TOKEN": "1"})
    assert image.run.environment == (("APP_TOKEN", "1"),)
    assert [step_title(step) for step in image.workload] == ["GET http :8080/"]


def test_a_dockerfile(folder: Folder) -> None:
    base = folder.image({})
    context = folder.root / "my app"
    (context / "docker").mkdir(parents=True)
    (context / "index.html").write_text("<p>hello</p>\n")
    file = context / "docker" / "web.Dockerfile"
    file.write_text(f"FROM {base}\nCOPY index.html /www/\nEXPOSE 8080\nCMD {str(HTTPD).replace(chr(39), chr(34))}\n")
    with pytest.raises(SlimError, match=r"index\.html"):
        folder.init(str(file), name=folder.name)
    assert sorted(path.name for path in folder.root.iterdir()) == ["build", "my app"]
    image = folder.init(str(file), name=folder.name, context="my app")
    assert (image.source.dockerfile, image.source.context) == (file, context)
    assert [step_title(step) for step in image.workload] == ["GET http :8080/"]


@pytest.mark.parametrize(
    ("config", "problem", "hint"),
    [
        ({"Cmd": None}, "the image has neither CMD nor ENTRYPOINT", "say it: `doit init IMAGE COMMAND...`"),
        ({"Cmd": ["absent"]}, "start failed: the container does not start: the image has no absent in its PATH", ""),
        ({"Labels": {KIND_LABEL: "slim"}}, "is slim already", "name the image that it was cut out of"),
    ],
)
def test_what_cannot_be_started(folder: Folder, config: dict[str, object], problem: str, hint: str) -> None:
    with pytest.raises(SlimError) as raised:
        folder.init(folder.image(config))
    assert problem in raised.value.what and raised.value.hint.startswith(hint)
    assert "image.yaml" not in raised.value.what
    assert folder.left() == [] and held_by(folder.engine, folder.root) == []


def test_a_command_for_an_image_that_has_none(folder: Folder) -> None:
    image = folder.init(folder.image({"Cmd": None}, PAGE), command=tuple(HTTPD))
    assert image.run.command == tuple(HTTPD)
    assert [step_title(step) for step in image.workload] == ["GET http :8080/"]


@pytest.mark.parametrize("written", ["localhost:1/none:1", "no/where:", "push"])
def test_no_image(folder: Folder, written: str) -> None:
    with pytest.raises(SlimError):
        folder.init(written)
    assert folder.left() == []
