from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks.engine.client import Engine
from slimtasks.engine.failure import Gone, cleaned, explained, refused
from slimtasks.engine.listing import images
from slimtasks.errors import BuildError


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (
            "failed to create shim: OCI runtime create failed: container_linux.go:380: starting container process "
            'caused: exec: "nope": executable file not found in $PATH: unknown',
            'exec: "nope": executable file not found in $PATH',
        ),
        (
            "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create "
            "failed: unable to start container process: exec /x: exec format error: unknown",
            "exec /x: exec format error",
        ),
        (
            "driver failed programming external connectivity on endpoint web (0123abcd): Bind for 127.0.0.1:80 failed: "
            "port is already allocated",
            "Bind for 127.0.0.1:80 failed: port is already allocated",
        ),
        ("No such image: x", "No such image: x"),
    ],
)
def test_reasons_lose_the_layers_they_came_through(reason: str, text: str) -> None:
    assert cleaned(reason) == text


def test_hints_tell_what_to_do() -> None:
    assert "docker system df" in refused("loading x", "write /a: no space left on device", 500).hint
    other = "image with reference x was found but does not match the specified platform: wanted linux/arm64, actual: x"
    assert refused("creating x", other, 404).hint.startswith("`run: platform:` is for another machine")
    assert "publish another" in refused("starting x", "Bind for 0.0.0.0:80 failed: port is already allocated", 500).hint


def test_our_own_errors_and_mistakes_pass_through() -> None:
    with pytest.raises(BuildError), explained("x", "y"):
        raise BuildError("mine")
    with pytest.raises(KeyError), explained("x", "y"):
        raise KeyError("a mistake in this program")


@pytest.mark.loopback
def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    environ = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    for ask in (lambda: images(environ), lambda: Engine(tmp_path, environ).ping()):
        with pytest.raises(Gone) as caught:
            ask()
        assert caught.value.what == (
            f"no container engine answers at unix://{tmp_path}/none.sock (DOCKER_HOST): no such file or directory"
        )
        assert "./run" in caught.value.hint and "DOCKER_HOST" in caught.value.hint


@pytest.mark.loopback
def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
    for ask in (lambda: images(environ), lambda: Engine(tmp_path, environ).ping()):
        with pytest.raises(Gone, match=r"no container engine answers at tcp://127\.0\.0\.1:1 .*: connection refused"):
            ask()
