from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from slimtasks.engine.build import Build
from slimtasks.engine.buildx import build_with_buildx, command
from slimtasks.errors import BuildError, EngineError

BUILD = Build(
    (("Dockerfile", b"FROM scratch\n", 0o644),),
    "our/x:1",
    args=(("A", "1"),),
    secrets=("id=npm,src=/s",),
    ssh=("default",),
    name="x",
)


def fake_docker(folder: Path, build: str, version: int = 0) -> dict[str, str]:
    """A PATH with a `docker` whose buildx does what the shell script `build` says."""
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\n[ "$2" = version ] && exit {version}\n{build}\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_the_command_line() -> None:
    assert " ".join(command(BUILD, "remote")) == (
        "docker buildx build --builder remote --load --progress plain --tag our/x:1 --file Dockerfile "
        "--build-arg A=1 --secret id=npm,src=/s --ssh default -"
    )


def test_the_context_is_its_stdin_and_its_stderr_is_the_progress(tmp_path: Path) -> None:
    environ = fake_docker(tmp_path, f"cat > {tmp_path}/context; echo '#1 one' >&2; echo '#2 two' >&2")
    lines: list[str] = []
    build_with_buildx(BUILD, "default", environ, lines.append)
    assert lines == ["#1 one", "#2 two"]
    with tarfile.open(tmp_path / "context") as tar:
        assert tar.getnames() == ["Dockerfile"]


def test_a_failure_has_the_end_of_its_output(tmp_path: Path) -> None:
    environ = fake_docker(tmp_path, "cat >/dev/null; echo 'ERROR: no such secret' >&2; exit 3")
    with pytest.raises(BuildError) as caught:
        build_with_buildx(BUILD, "default", environ, lambda line: None)
    assert caught.value.what == "x: docker buildx build ended with exit status 3\n  ERROR: no such secret"


@pytest.mark.parametrize("docker", [True, False])
def test_without_the_plugin_one_error_names_the_keys(tmp_path: Path, docker: bool) -> None:
    environ = fake_docker(tmp_path, "", version=1) if docker else {"PATH": str(tmp_path)}
    with pytest.raises(EngineError) as caught:
        build_with_buildx(BUILD, "default", environ, lambda line: None)
    assert caught.value.what.startswith("x: `secrets` and `ssh` of a Dockerfile build need the docker command")
    assert "docker-buildx" in caught.value.hint
