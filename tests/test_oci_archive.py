"""image.tar and context.tar: what they hold, and what a real engine makes of them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from engine_images import busybox, engine
from oci_archives import config, dump, scanned, small_disk
from tars import tar

from slimtasks.engine.build import Build
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.errors import SlimError
from slimtasks.oci.archive import write_context, write_image
from slimtasks.oci.config import image_config
from slimtasks.oci.contents import members
from slimtasks.oci.dockerfile import dockerfile
from slimtasks.oci.layer import LayerWriter
from slimtasks.oci.saved import Scan, scan
from slimtasks.records import Entry, ImagePath, SlimLayer

__all__ = ["busybox", "engine", "small_disk"]  # pytest finds fixtures by name


def layer(store: Path, name: str, *files: tuple[Entry, bytes | None]) -> SlimLayer:
    with LayerWriter(store, name) as writer:
        for entry, content in sorted(files, key=lambda file: file[0].path):
            writer.add(entry, content)
        done = writer.finish()
    assert done
    return done


def tars(store: Path, *layers: SlimLayer) -> list[Path]:
    return [store / f"{layer.diff_id[7:]}.tar" for layer in layers]


def file(path: str, content: bytes, mode: int = 0o644, **more: Any) -> tuple[Entry, bytes]:
    return Entry(ImagePath(path), "file", mode, size=len(content), mtime=86400, **more), content


def folder(path: str, mode: int = 0o755, uid: int = 0) -> tuple[Entry, None]:
    return Entry(ImagePath(path), "dir", mode, uid=uid, gid=uid, mtime=86400), None


def test_one_file_is_a_docker_archive_and_an_oci_layout(tmp_path: Path) -> None:
    first, second = layer(tmp_path, "a", file("/a", b"x")), layer(tmp_path, "b", file("/b", b"y" * 70000))
    raw = config([path.read_bytes() for path in tars(tmp_path, first, second)])
    digests = write_image(tmp_path / "image.tar", raw, tars(tmp_path, first, second), ["our/x:1"])
    with tarfile.open(tmp_path / "image.tar") as archive:
        got = {member.name: cast(Any, archive.extractfile(member)).read() for member in archive}
    docker, index = json.loads(got["manifest.json"])[0], json.loads(got["index.json"])
    assert (docker["RepoTags"], len(docker["Layers"])) == (["our/x:1"], 2)
    assert got[docker["Config"]] == raw
    assert digests == ("sha256:" + hashlib.sha256(raw).hexdigest(), index["manifests"][0]["digest"])
    manifest = json.loads(got["blobs/" + digests[1].replace(":", "/")])
    for described in (*index["manifests"], manifest["config"], *manifest["layers"]):
        blob = got["blobs/" + described["digest"].replace(":", "/")]
        assert described["digest"] == "sha256:" + hashlib.sha256(blob).hexdigest()
        assert described["size"] == len(blob)
    assert index["manifests"][0]["platform"] == {"architecture": "amd64", "os": "linux"}


def test_it_is_read_again_by_either_manifest(tmp_path: Path) -> None:
    made = layer(tmp_path, "a", file("/a", b"x"))
    raw = config([tars(tmp_path, made)[0].read_bytes()])
    write_image(tmp_path / "image.tar", raw, tars(tmp_path, made), [])
    both = (tmp_path / "image.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(both)) as archive:
        oci = tar(*((m, cast(Any, archive.extractfile(m)).read()) for m in archive if m.name != "manifest.json"))
    first, second = scanned(both, tmp_path), scanned(oci, tmp_path)
    assert [entry.path for entry in first.entries] == ["/", "/a"]
    assert (first.entries, first.config_digest) == (second.entries, second.config_digest)


def test_the_bytes_are_the_same_each_time_and_for_each_way_of_copying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = layer(tmp_path, "a", file("/a", b"x" * 3_000_000))
    for name in ("one", "two"):
        write_image(tmp_path / name, config([]), tars(tmp_path, made, made), ["a:1"])
        monkeypatch.setattr(os, "copy_file_range", _refuse)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").stat().st_size < 3_100_000


def _refuse(*_: object) -> int:
    raise OSError(18, "Invalid cross-device link")


def test_a_layer_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(SlimError, match=r"cannot read the layer .*/abc\.tar"):
        write_image(tmp_path / "image.tar", b"{}", [tmp_path / "abc.tar"], [])
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(tmp_path: Path, small_disk: Path) -> None:
    made = layer(tmp_path / "store", "a", file("/a", bytes(3_000_000)))
    with pytest.raises(SlimError, match=r"the disk is full: cannot write .*image\.tar \(3\.0 MB in all\)"):
        write_image(small_disk / "image.tar", b"{}", tars(tmp_path / "store", made), [])
    assert list(small_disk.iterdir()) == []


def test_a_context_has_the_dockerfile_first(tmp_path: Path) -> None:
    made = layer(tmp_path, "a", file("/a", b"x"))
    write_context(tmp_path / "context.tar", "FROM scratch\n", [("1-a.tar", tars(tmp_path, made)[0])])
    with tarfile.open(tmp_path / "context.tar") as archive:
        assert archive.getnames() == ["Dockerfile", "1-a.tar"]
        inner = cast(Any, archive.extractfile("1-a.tar")).read()
    assert inner == tars(tmp_path, made)[0].read_bytes()


# -- with an engine --------------------------------------------------------------------------------


@pytest.fixture
def root(busybox: Path, tmp_path: Path) -> tuple[Path, SlimLayer, SlimLayer]:
    """A store with a layer that has all that ADD can carry, and one above it."""
    store = tmp_path / "store"
    capability = ("security.capability", "0100000200200000000000000000000000000000")
    below = layer(
        store,
        "application",
        folder("/"),
        folder("/bin"),
        file("/bin/busybox", busybox.read_bytes(), 0o755),
        (Entry(ImagePath("/bin/ping"), "file", 0o755, size=1, mtime=5, xattrs=(capability,)), b"x"),
        (Entry(ImagePath("/bin/sh"), "file", 0o755, size=busybox.stat().st_size, hardlink="/bin/busybox"), None),
        folder("/empty", 0o700, 1000),
        (Entry(ImagePath("/fifo"), "fifo", 0o600, mtime=5), None),
        (Entry(ImagePath("/link"), "link", 0o777, target="bin/sh", mtime=5), None),
        file("/setuid", b"x", 0o4755, uid=7, gid=8),
        folder("/tmp", 0o1777),
        file("/caf\udce9 \u20ac" + "n" * 200, b"x"),
    )
    above = layer(store, "customisation", folder("/"), folder("/bin"), file("/bin/own", b"own"))
    return store, below, above


@pytest.fixture
def tags(engine: Engine) -> Iterator[list[str]]:
    made: list[str] = []
    yield made
    for tag in made:
        engine.untag(tag)


RUN: dict[str, Any] = {
    "Env": ["PATH=/bin", "MONEY=$PATH ${x} \\ \"q\" 'q'", "E=", "caf\u00e9=\u00e9"],
    "Cmd": ["sh", "-c", 'echo "$MONEY" \\n $$\n'],
    "Entrypoint": ["/bin/busybox", "env"],
    "User": "1000:1000",
    "WorkingDir": "/tmp",
    "Volumes": {"/data $x": {}, "/d\"q'": {}},
    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    "Healthcheck": {
        "Test": ["CMD", "sh", "-c", "exit $X"],
        "Interval": 1500000000,
        "Timeout": 2000000000,
        "Retries": 2,
    },
    "StopSignal": "SIGQUIT",
    "Shell": ["/bin/sh", "-ec"],
    "OnBuild": ["RUN echo $x \\ a", "COPY . /x"],
    "Labels": {"a b": "c\"$d'", "w": "\u20ac \\"},
}


def fat(**run: Any) -> dict[str, Any]:
    return {"architecture": "amd64", "os": "linux", "config": run}


@pytest.mark.engine
def test_an_engine_calls_the_image_by_our_digest_and_runs_it(
    engine: Engine, root: tuple[Path, SlimLayer, SlimLayer], tmp_path: Path, tags: list[str]
) -> None:
    store, below, above = root
    tag = engine.temporary_tag("test", "archive")
    raw = image_config(fat(**RUN), [(below.diff_id, "a"), (above.diff_id, "b")], kind="slim", created=86400)
    digests = write_image(tmp_path / "image.tar", raw, tars(store, below, above), [tag])
    tags.append(tag)
    identity = engine.load(tmp_path / "image.tar")
    assert identity in digests
    seen = engine.inspect_image(tag)
    assert seen and seen["Id"] == identity
    assert {key: seen["Config"][key] for key in RUN if key != "Labels"} == {
        k: v for k, v in RUN.items() if k != "Labels"
    }
    container = ContainerConfig(image=identity, entrypoint=("/bin/busybox",), command=("cat", "/bin/own"), user="0")
    with engine.container(container) as running:
        running.start()
        assert running.wait(20) == 0
        assert running.logs(10).strip() == b"own"
    assert dump(saved(engine, identity, tmp_path).entries) == dump(expected(store, [below, above], tmp_path))


def saved(engine: Engine, identity: str, scratch: Path) -> Scan:
    with engine.save(identity) as stream:
        return scan(stream, wanted=lambda p: False, read_elf=lambda x: None, scratch=scratch)


def expected(store: Path, layers: list[SlimLayer], scratch: Path) -> tuple[Entry, ...]:
    """The tree of the layers, read from our own archive."""
    raw = config([path.read_bytes() for path in tars(store, *layers)])
    write_image(scratch / "again.tar", raw, tars(store, *layers), [])
    return scanned((scratch / "again.tar").read_bytes(), scratch).entries


@pytest.mark.engine
@pytest.mark.parametrize("health", ["CMD", "CMD-SHELL", "NONE"])
def test_a_built_context_is_the_same_image_less_what_builders_add(
    health: str, engine: Engine, root: tuple[Path, SlimLayer, SlimLayer], tmp_path: Path, tags: list[str]
) -> None:
    store, below, above = root
    checks = {
        "CMD": RUN["Healthcheck"],
        "CMD-SHELL": {"Test": ["CMD-SHELL", '[ -f /x ] || exit "$X"'], "StartPeriod": 1000000000},
        "NONE": {"Test": ["NONE"]},
    }
    run = {**RUN, "Healthcheck": checks[health]}
    raw = image_config(fat(**run), [(below.diff_id, "a"), (above.diff_id, "b")], kind="slim", created=86400)
    ours = json.loads(raw)
    text = dockerfile(ours, ["1-a.tar", "2-b.tar"])
    first, second = tars(store, below, above)
    write_context(tmp_path / "context.tar", text, [("1-a.tar", first), ("2-b.tar", second)])
    tags.append(engine.temporary_tag("test", "context"))
    identity = engine.build(Build(tmp_path / "context.tar", tags[-1]))
    found = saved(engine, identity, tmp_path)
    built = {key: value for key, value in found.config["config"].items() if key in ours["config"]}
    assert built == ours["config"]
    tree = [replace(entry, layer=0) for entry in found.entries]
    assert dump(tree) == dump(replace(entry, layer=0) for entry in expected(store, [below, above], tmp_path))


@pytest.mark.engine
def test_a_saved_image_becomes_one_layer_with_the_same_tree(
    engine: Engine, root: tuple[Path, SlimLayer, SlimLayer], tmp_path: Path, tags: list[str]
) -> None:
    """Against `docker export`, which shows what a container sees."""
    store, below, above = root
    raw = image_config(fat(Cmd=["sh"]), [(below.diff_id, "a"), (above.diff_id, "b")], kind="build", created=0)
    write_image(tmp_path / "image.tar", raw, tars(store, below, above), [])
    tags.append(engine.temporary_tag("test", "flat"))
    engine.tag(engine.load(tmp_path / "image.tar"), tags[-1])
    text = f'FROM {tags[0]}\nRUN ["/bin/busybox", "rm", "/bin/own", "/setuid"]\n'
    text += 'RUN ["/bin/busybox", "ln", "/bin/busybox", "/tmp/a"]\n'
    write_context(tmp_path / "context.tar", text, [])
    tags.append(engine.temporary_tag("test", "flat-built"))
    engine.build(Build(tmp_path / "context.tar", tags[-1]))
    with engine.save(tags[-1]) as stream, (tmp_path / "saved.tar").open("wb") as copy:
        while piece := stream.read(1 << 20):
            copy.write(piece)
    found = scanned((tmp_path / "saved.tar").read_bytes(), tmp_path)
    flat = [*members(tmp_path / "saved.tar", found, [e.path for e in found.entries], tmp_path)]
    assert "/bin/own" not in found.places and "/tmp/a" in found.places
    paths = [entry.path for entry, _ in flat if not entry.path.startswith(ENGINES_OWN)]
    assert paths == seen_by_a_container(engine, tags[-1])


ENGINES_OWN = ("/proc", "/sys", "/dev", "/etc", "/.dockerenv")


def seen_by_a_container(engine: Engine, image: str) -> list[str]:
    """Every path, sorted, less the engine's own mounts."""
    command = ("/bin/busybox", "find", "/", "-xdev")
    with engine.container(
        ContainerConfig(image=image, entrypoint=command[:1], command=command[1:], user="0")
    ) as running:
        stream = running.attach()
        running.start()
        out, _ = stream.read_all()
    lines = out.decode("utf-8", "surrogateescape").splitlines()
    return sorted(line for line in lines if not line.startswith(ENGINES_OWN))
