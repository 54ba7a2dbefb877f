from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slimtasks.engine.build import Build
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.labels import OWNER, Owner
from slimtasks.oci.config import KIND_LABEL

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images"]

HOLDER = """
import sys, time
from pathlib import Path
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig, Mount
engine = Engine(Path(sys.argv[1]))
tag = engine.temporary_tag("test", "held")
with engine.network() as network, engine.volume() as volume:
    config = ContainerConfig(sys.argv[2], command=("sleep", "1000"), network=network, volumes=(Mount(volume, "/data"),))
    with engine.container(config) as container:
        container.start()
        engine.tag(sys.argv[2], tag)
        print("container", container.id[:12], "network", network, "volume", volume, "tag", tag, flush=True)
        time.sleep(1000)
"""

SWEEP = """
import sys
from pathlib import Path
from slimtasks.engine.client import Engine
Engine(Path(sys.argv[1])).sweep()
"""

KILLED_BUILD = """
import sys
from pathlib import Path
from slimtasks.engine.build import Build
from slimtasks.engine.client import Engine
from slimtasks.oci.config import KIND_LABEL
engine = Engine(Path(sys.argv[1]))
tag = engine.temporary_tag("test", "building")
dockerfile = f"FROM {sys.argv[2]}\\nRUN echo started; sleep 2; echo ended\\n".encode()
print(tag, flush=True)
build = Build((("Dockerfile", dockerfile, 0o644),), tag, labels=((KIND_LABEL, "killed"),), no_cache=True)
engine.build(build, lambda line: print(line, flush=True))
"""


@contextmanager
def holder(checkout: Path, image: str) -> Iterator[tuple[subprocess.Popen[bytes], set[str]]]:
    """Another run that holds one of everything, and what that is."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(checkout), image], stdout=subprocess.PIPE) as process:
        assert process.stdout
        words = process.stdout.readline().decode().split()
        try:
            yield process, {f"{kind} {name}" for kind, name in zip(words[::2], words[1::2], strict=True)}
        finally:
            process.kill()


def there(engine: Engine, thing: str) -> bool:
    """Whether one of a holder's things is still in the engine."""
    kind, name = thing.split(" ", 1)
    if kind == "tag":
        return engine.inspect_image(name) is not None
    filters = json.dumps({"id" if kind == "container" else "name": [name]})
    asked = {"params": {"filters": filters, "all": "1"}, "doing": "listing"}
    path = {"container": "/containers/json", "network": "/networks", "volume": "/volumes"}[kind]
    found = engine.connection.json("GET", path, **asked)
    return bool(found["Volumes"] if kind == "volume" else found)


def test_what_a_killed_run_held_goes_and_what_a_live_one_holds_stays(
    engine: Engine, tiny_image: str, tmp_path: Path
) -> None:
    with holder(tmp_path, tiny_image) as (_, held), holder(tmp_path / "other", tiny_image) as (doomed, left):
        doomed.kill()
        doomed.wait()
        assert all(there(engine, thing) for thing in held | left)
        removed = set(engine.sweep())
        assert left <= removed and not held & removed
        assert [thing for thing in held if not there(engine, thing)] == []
        assert [thing for thing in left if there(engine, thing)] == []
        assert not held & set(engine.sweep())
    engine.sweep()
    assert [thing for thing in held if there(engine, thing)] == []
    assert engine.inspect_image(tiny_image) is not None


def test_two_sweeps_at_once_do_not_harm_each_other(engine: Engine, tiny_image: str, tmp_path: Path) -> None:
    left: set[str] = set()
    for number in range(3):
        with holder(tmp_path / str(number), tiny_image) as (_, held):
            left |= held
    sweeps = [subprocess.Popen([sys.executable, "-c", SWEEP, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in sweeps] == [0, 0, 0]
    assert [thing for thing in left if there(engine, thing)] == []


def test_what_others_made_stays(engine: Engine, tiny_image: str) -> None:
    """A container without our labels, one whose owner makes no sense, and one of another machine."""
    foreign = Owner("another-boot", "1", "1", "1")
    made = []
    try:
        for labels in ({}, {OWNER: "nonsense"}, {OWNER: str(foreign), "io.github.slimtasks.checkout": "another"}):
            body = {"Image": tiny_image, "Labels": labels}
            made.append(engine.connection.json("POST", "/containers/create", body=body, doing="creating")["Id"])
        removed = engine.sweep()
        assert [identifier for identifier in made if f"container {identifier[:12]}" in removed] == []
    finally:
        for identifier in made:
            engine.connection.delete(f"/containers/{identifier}", doing="removing")


def test_a_temporary_tag_goes_with_its_image_unless_something_uses_it(
    engine: Engine, tiny_image: str, tmp_path: Path
) -> None:
    identifier = built_on(engine, tiny_image)
    with holder(tmp_path, identifier) as (_, held):
        tag = next(thing for thing in held if thing.startswith("tag "))
    with engine.container(ContainerConfig(identifier)):
        assert tag not in engine.sweep()
        assert there(engine, tag)
    assert tag in engine.sweep()
    assert engine.inspect_image(identifier) is None


def test_an_untagged_image_that_somebody_built_on_one_of_ours_stays(engine: Engine, tiny_image: str) -> None:
    identifier = built_on(engine, tiny_image)
    try:
        engine.sweep()
        found = engine.inspect_image(identifier)
        assert found and KIND_LABEL in found["Config"]["Labels"] and not found["RepoTags"]
    finally:
        engine.remove_image(identifier)


def built_on(engine: Engine, image: str) -> str:
    """The id of an image without a tag, which has inherited the label of ours."""
    tag = engine.temporary_tag("test", "untagged")
    dockerfile = f"FROM {image}\nRUN echo x > /x\n".encode()
    identifier = engine.build(Build((("Dockerfile", dockerfile, 0o644),), tag, no_cache=True))
    with engine.container(ContainerConfig(tag)):
        engine.tag(image, tag)
    engine.untag(tag)
    return identifier


def test_a_build_killed_half_way_leaves_nothing_untagged(engine: Engine, tiny_image: str, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", KILLED_BUILD, str(tmp_path), tiny_image]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout
        tag = process.stdout.readline().decode().strip()
        while process.stdout.readline().strip() != b"started":
            assert process.poll() is None
        process.kill()
    time.sleep(4)  # the step would end in the meantime
    engine.sweep()
    assert engine.inspect_image(tag) is None
    filters = {"filters": json.dumps({"dangling": ["true"], "label": [f"{KIND_LABEL}=killed"]})}
    assert engine.connection.json("GET", "/images/json", params=filters, doing="listing") == []
