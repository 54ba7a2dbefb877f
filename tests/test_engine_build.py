from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slimtasks.engine import build as building
from slimtasks.engine.build import Build
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.context import tar_chunks
from slimtasks.errors import BuildError
from slimtasks.oci.config import KIND_LABEL

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images"]


@pytest.fixture
def plan(engine: Engine) -> Iterator[Callable[..., Build]]:
    """Makes builds of a Dockerfile; what they tag is removed."""
    tag = engine.temporary_tag("test", "built")

    def make(dockerfile: str, *files: tuple[str, bytes]) -> Build:
        context = (("Dockerfile", dockerfile.encode(), 0o600), *((name, data, 0o600) for name, data in files))
        return Build(context, tag, labels=((KIND_LABEL, "test"),), name="sample")

    yield make
    engine.untag(tag)


def content(engine: Engine, image: str, path: str) -> bytes:
    with engine.container(ContainerConfig(image)) as container:
        return container.read_file(path)


def failure(engine: Engine, build: Build) -> BuildError:
    with pytest.raises(BuildError) as caught:
        engine.build(build)
    assert engine.inspect_image(build.tag) is None
    return caught.value


def test_a_build_with_a_cache_mount_shows_lines_and_is_tagged(
    engine: Engine, tiny_image: str, plan: Callable[..., Build]
) -> None:
    mount = "--mount=type=cache,target=/cache"
    lines: list[str] = []
    build = plan(
        f"FROM {tiny_image} AS first\nARG WHO\nRUN {mount} echo hello $WHO > /cache/x; cat /cache/x; cp /cache/x /x\n"
        "COPY a /a\nFROM first\nRUN exit 9\n",
        ("a", b"content"),
    )
    build = replace(build, args=(("WHO", "you"),), target="first", no_cache=True)
    identifier = engine.build(build, lines.append)
    found = engine.inspect_image(build.tag)
    assert found is not None and found["Id"] == identifier
    assert found["Config"]["Labels"] == {KIND_LABEL: "test"}
    assert content(engine, build.tag, "/x") == b"hello you\n"
    assert content(engine, build.tag, "/a") == b"content"
    assert "hello you" in lines
    assert any(line.endswith("COPY a /a") for line in lines)
    again: list[str] = []
    assert engine.build(replace(build, no_cache=False), again.append) == identifier
    assert any(line.endswith("COPY a /a (cached)") for line in again)


def test_times_and_modes_of_the_context_do_not_matter(
    engine: Engine, tiny_image: str, plan: Callable[..., Build], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    build = plan(f"FROM {tiny_image}\nCOPY file /file\n")
    build = replace(build, context=(*build.context, ("file", path, 0o644)))  # type: ignore[misc]
    identifier = engine.build(build)
    path.write_bytes(b"x")
    path.chmod(0o600)
    assert engine.build(build) == identifier


def test_a_context_from_a_tar(engine: Engine, tiny_image: str, plan: Callable[..., Build], tmp_path: Path) -> None:
    build = plan(f"FROM {tiny_image}\nCOPY sub/a /a\n", ("sub/a", b"content"))
    (tmp_path / "context.tar").write_bytes(b"".join(tar_chunks(build.context)))
    engine.build(replace(build, context=tmp_path / "context.tar"))
    assert content(engine, build.tag, "/a") == b"content"


def test_a_step_that_fails(engine: Engine, tiny_image: str, plan: Callable[..., Build]) -> None:
    build = plan(f"FROM {tiny_image}\n\nRUN for i in 1 2 3; do echo line $i; done; \\\n  exit 5\n")
    assert failure(engine, build).what == (
        "sample: Dockerfile line 3: RUN for i in 1 2 3; do echo line $i; done;   exit 5: exit code 5\n"
        "  line 1\n  line 2\n  line 3"
    )


def test_mistakes_of_a_dockerfile(engine: Engine, tiny_image: str, plan: Callable[..., Build]) -> None:
    assert "parse error" in failure(engine, plan("FROM scratch\nFOO bar\n")).what
    error = failure(engine, plan(f"FROM {tiny_image}\nCOPY nothing /\n")).what
    assert error.startswith("sample: Dockerfile line 2: COPY nothing /: ") and "not found" in error
    build = plan(f"FROM {tiny_image}\n")
    assert failure(engine, replace(build, dockerfile="none")).what == "sample: the build context has no none"


def test_an_unreadable_file_of_the_context(engine: Engine, plan: Callable[..., Build], tmp_path: Path) -> None:
    build = plan("FROM scratch\nCOPY a /\n")
    build = replace(build, context=(*build.context, ("a", tmp_path / "none", 0o644)))  # type: ignore[misc]
    assert failure(engine, build).what == f"cannot read {tmp_path}/none for the build: no such file or directory"


@pytest.mark.parametrize("buildkit", [True, False])
def test_a_base_image_that_cannot_be_pulled(
    engine: Engine, plan: Callable[..., Build], buildkit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not buildkit:
        without_buildkit(monkeypatch)
    error = failure(engine, plan("FROM 127.0.0.1:1/none:1\nRUN true\n"))
    base = "sample: the base image 127.0.0.1:1/none:1 is not in the engine and cannot be pulled"
    assert error.what.startswith(f"{base}: no registry can be reached")
    assert "declare it in images/" in error.hint


def without_buildkit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the engine refuse BuildKit: it does so for a version that it does not know."""
    original = building._parameters

    def changed(build: Build, buildkit: bool) -> dict[str, str]:
        return {**original(build, buildkit), "version": "2buildkit" if buildkit else "1"}

    monkeypatch.setattr(building, "_parameters", changed)


def test_the_classic_builder_where_there_is_no_buildkit(
    engine: Engine, tiny_image: str, plan: Callable[..., Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_buildkit(monkeypatch)
    lines: list[str] = []
    build = plan(f"FROM {tiny_image}\nRUN echo built > /x\n")
    identifier = engine.build(build, lines.append)
    assert lines[0] == "this engine has no BuildKit: building with the classic builder"
    assert (engine.inspect_image(build.tag) or {})["Id"] == identifier
    assert content(engine, build.tag, "/x") == b"built\n"
    engine.untag(build.tag)
    error = failure(engine, plan(f"FROM {tiny_image}\nRUN echo before; exit 5\n"))
    assert error.what == "sample: Dockerfile line 2: RUN echo before; exit 5: exit code 5\n  before"
