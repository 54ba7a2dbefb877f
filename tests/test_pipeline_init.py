"""`doit init`: from an image's name to a verified slim image in two commands, in a folder where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from engine_images import image_of, tree
from pipeline_repo import doit_in, fresh_tags, held_by
from tars import Item, d, f

from slimtasks.engine.client import Engine
from slimtasks.errors import SlimError
from slimtasks.oci.config import KIND_LABEL
from slimtasks.operations.proposing import propose
from slimtasks.proposal.wish import Wish
from slimtasks.spec import Image, load
from slimtasks.workload.report import step_title

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

HTTPD = ["httpd", "-f", "-p", "8080", "-h", "/www"]
NOT_STARTED = "start failed: the container does not start: "
PAGE = f("www/index.html", "<p>hello</p>\n")
OTHER = f("bin/other", b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xfe\xff" + bytes(44), 0o755)  # of no machine
CACHE = f("var/cache/apt/pkgcache.bin", bytes(100_000))  # which goes: a slim image has to be smaller


@dataclass
class Folder:
    """An empty folder of a new user, and images that are in the engine for it."""

    root: Path
    engine: Engine
    busybox: Path
    name: str = field(default_factory=fresh_tags)
    notes: list[str] = field(default_factory=list)

    def image(self, config: dict[str, Any], *more: Item, architecture: str = "") -> str:
        """The tag of a busybox with that config, and with those members beside it; it is stopped at once."""
        config = {"StopSignal": "SIGKILL", **config}
        tag = f"{self.name}/{self.name}:1"
        self.engine.load_stream(iter([image_of(tag, tree(self.busybox, CACHE, *more), config, architecture)]))
        return tag

    def init(self, written: str, **wish: Any) -> Image:
        """What was written for it, as the loader reads it."""
        propose(Wish(written, **wish), {}, lambda line: None, self.notes.append)
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
        [f"{spec} is written, with 1 step (http)", "next: `doit`"],
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
    assert again.status == 3 and f"init: {folder.name}-slim:1 is slim already" in again.output
    assert not (folder.root / f"images/{folder.name}-slim").exists()


SERVICES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a port that it does not expose": ({"Cmd": HTTPD}, ["GET http :8080/"]),
    "one that it exposes and does not open": (
        {"Cmd": HTTPD, "ExposedPorts": {"8080/tcp": {}, "9/tcp": {}}},
        ["port 8080", "GET http :8080/"],
    ),
    "a range of ports, and words that are none": (
        {"Cmd": HTTPD, "ExposedPorts": {"8080-8082/tcp": {}, "http/tcp": {}, "/udp": {}}},
        ["port 8080", "GET http :8080/"],
    ),
    "a server of a protocol that is not known": (
        {"Cmd": ["nc", "-ll", "-p", "7", "-e", "cat"], "ExposedPorts": {"7/tcp": {}}},
        ["port 7"],
    ),
    "a worker": ({"Cmd": ["sh", "-c", "echo '[1] ready to work'; exec sleep 99"]}, ["log ready to work"]),
    "a command": ({"Entrypoint": ["busybox"], "Cmd": ["false"]}, ["--help"]),
    "a job": ({"Cmd": ["echo", "done"]}, ["echo done"]),
}


@pytest.mark.slow
def test_a_service_of_a_compose_file(folder: Folder) -> None:
    """It is started as the file says, with what it depends on: without that it would answer with 404."""
    script = "wget -q -O /www/index.html http://store:8080/; exec httpd -f -p 8080 -h /www"
    tag = folder.image({"Cmd": HTTPD}, d("www"), f("www/store/index.html", "stored\n"))
    (folder.root / "compose.yaml").write_text(
        f"services:\n"
        f"  {folder.name}: {{image: '{tag}', command: [sh, -c, '{script}'], depends_on: [store]}}\n"
        f"  store: {{image: '{tag}', command: [httpd, -f, -p, '8080', -h, /www/store], expose: [8080]}}\n"
    )
    propose(Wish("compose.yaml", command=(folder.name,)), {}, lambda line: None, folder.notes.append)
    image = load(folder.root, {}).image(folder.name)
    assert (image.source.service, [service.name for service in image.services]) == (folder.name, ["store"])
    assert [step_title(step) for step in image.workload] == ["GET http :8080/"]
    assert folder.notes == [f"images/{folder.name}/image.yaml is written, with 1 step (http)", "next: `doit`"]
    ran = doit_in(folder.root)
    assert ran.status == 0 and f"tagged {folder.name}-slim:latest" in ran.output, ran.output


@pytest.mark.slow
def test_a_healthcheck_that_fails(folder: Folder) -> None:
    config = {"Cmd": HTTPD, "Healthcheck": {"Test": ["CMD-SHELL", "echo not; echo yet; exit 1"]}}
    assert [step_title(step) for step in folder.init(folder.image(config, PAGE)).workload] == ["GET http :8080/"]
    question = "  Why is it not healthy? Its HEALTHCHECK failed: not healthy after 30 s: not yet"
    assert question in folder.notes and f"#{question[1:]}\n" in folder.text()


@pytest.mark.slow
@pytest.mark.parametrize(("config", "steps"), SERVICES.values(), ids=SERVICES)
def test_what_it_is(folder: Folder, config: dict[str, Any], steps: list[str]) -> None:
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
        "  -> say in it, below `run:`, what is missing; or have it written anew:",
        f"     rm {spec} && doit init {tag} APP_TOKEN=VALUE",
    ]
    assert "# run:\n#   environment:\n#     APP_TOKEN: value\n" in folder.text()
    spec.unlink()
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
    assert [path.name for path in folder.root.iterdir()] == ["my app"]
    image = folder.init(str(file), name=folder.name, context="my app")
    assert (image.source.dockerfile, image.source.context) == (file, context)
    assert [step_title(step) for step in image.workload] == ["GET http :8080/"]


@pytest.mark.parametrize(
    ("config", "problem", "hint"),
    [
        ({"Cmd": None}, "the image has neither CMD nor ENTRYPOINT", "say it: `doit init IMAGE COMMAND...`"),
        ({"Cmd": ["absent"]}, f"{NOT_STARTED}the image has no absent in its PATH", "start it otherwise: `doit init"),
        (
            {"Cmd": ["other"]},
            f"{NOT_STARTED}/bin/other is no program for this machine",
            "start it otherwise: `doit init",
        ),
        ({"Labels": {KIND_LABEL: "slim"}}, "is slim already", "name the image that it was cut out of"),
        ({"architecture": "riscv64"}, "the image is for linux/riscv64, this engine runs linux/", "get the one for it"),
    ],
)
def test_what_cannot_be_started(folder: Folder, config: dict[str, Any], problem: str, hint: str) -> None:
    architecture = config.pop("architecture", "")
    with pytest.raises(SlimError) as raised:
        folder.init(folder.image(config, OTHER, architecture=architecture))
    assert problem in raised.value.what and raised.value.hint.startswith(hint)
    assert "image.yaml" not in raised.value.what
    assert list(folder.root.iterdir()) == [] and held_by(folder.engine, folder.root) == []


def test_beside_its_dockerfile_in_a_repo_that_names_its_images(folder: Folder) -> None:
    """The folder below images/ is there already, with nothing but what is built; so is a dodo.py of something else."""
    base = folder.image({})
    place = folder.root / f"images/{folder.name}"
    place.mkdir(parents=True)
    health = "HEALTHCHECK --interval=1s --timeout=1s CMD echo healthy"
    (place / "Dockerfile").write_text(f"FROM {base}\n{health}\nENV PATH=/bin\nCMD httpd -f -p 8080 -h /tmp\n")
    (folder.root / "dodo.py").write_text("def task_other():\n    return {'actions': None}\n")
    (folder.root / "pyproject.toml").write_text("[tool.slimtasks]\ndefault = []\n")
    image = folder.init(f"images/{folder.name}")
    assert (image.source.dockerfile, image.source.context) == (place / "Dockerfile", place)
    assert "\n  dockerfile: Dockerfile\n# " in folder.text()
    assert [step_title(step) for step in image.workload] == ["GET http :8080/"]
    assert folder.notes == [
        f"images/{folder.name}/image.yaml is written, with 1 step (http)",
        "  What is there on port 8080? / is not found.",
        f"next: `doit {folder.name}`",
        "dodo.py knows of no images yet: it lacks `from slimtasks.dodo import DOIT_CONFIG, task_images`",
    ]


def test_what_another_image_of_the_repo_has_to_be_built_for(folder: Folder) -> None:
    ground = folder.root / "images/ground"
    ground.mkdir(parents=True)
    (ground / "image.yaml").write_text("kind: base\ntags: [nobody/ground]\nfrom: {dockerfile: Dockerfile}\n")
    (ground / "Dockerfile").write_text("FROM scratch\n")
    (folder.root / "Dockerfile").write_text("FROM nobody/ground\n")
    before = folder.left()
    with pytest.raises(SlimError) as raised:
        folder.init(".", name="web")
    assert raised.value.what == "web is made of ground, another image of this repo, which is not built yet"
    assert raised.value.hint == "`doit ground`, then the same command again"
    assert folder.left() == before


def test_a_command_for_an_image_that_has_none(folder: Folder) -> None:
    tag = folder.image({"Cmd": None}, PAGE)
    folder.engine.tag(tag, f"{folder.name}-slim:1")
    image = folder.init(tag, command=tuple(HTTPD))
    assert folder.notes[-1].startswith(f"the engine has another image {folder.name}-slim:1, from which `doit` takes")
    assert image.run.command == tuple(HTTPD)
    assert [step_title(step) for step in image.workload] == ["GET http :8080/"]


@pytest.mark.parametrize(
    ("written", "wish", "problem"),
    [
        ("localhost:1/none:1", {}, "the image localhost:1/none:1 is not in the engine and cannot be pulled: "),
        ("no/where:", {}, "no/where: is neither an image's name, nor a Dockerfile, nor a folder with one"),
        ("0123456789ab", {}, "0123456789ab is an id, and no name"),
        ("team/base", {}, "team/base has no name that an image can have here: 'base' is the name of a stage"),
        ("nginx", {"name": "No"}, "--name No: found the folder name 'No'; allowed: a-z"),
        ("nginx", {"context": "."}, "--context .: nginx is no Dockerfile"),
        ("compose.yaml", {}, "compose.yaml: which service?"),
        ("compose.yaml", {"context": ".", "command": ("web",)}, "--context .: the Compose file says it"),
        ("compose.yaml", {"command": ("base",)}, "base has no name that an image can have here: 'base' is the name"),
        ("compose.yaml:web", {}, "from.service: found 'web'"),
        ("composed.yaml", {"command": ("web",)}, "composed.yaml is no file here"),
        ("composed.yml:web", {}, "composed.yml is no file here"),
        ("compose.yaml:asks", {}, "compose.yaml:3:17: services.asks.image: the variable TAG is required: say which"),
    ],
)
def test_no_image(folder: Folder, written: str, wish: dict[str, Any], problem: str) -> None:
    if written.startswith("compose"):
        (folder.root / "compose.yaml").write_text(
            "services:\n  api: {image: x}\n  asks: {image: 'x:${TAG:?say which}'}\n"
        )
    before = sorted(folder.root.iterdir())
    with pytest.raises(SlimError) as raised:
        folder.init(written, **wish)
    assert raised.value.what.startswith(problem) and raised.value.hint
    assert sorted(folder.root.iterdir()) == before
