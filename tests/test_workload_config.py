from __future__ import annotations

import io
import tarfile
from dataclasses import fields
from pathlib import Path

import pytest

from slimtasks.engine.config import ContainerConfig, Mount
from slimtasks.errors import SlimError
from slimtasks.spec.run import Port, Run, Ulimit, Volume
from slimtasks.spec.steps import Exec, Expectation, Http, Step, Tcp, Wait
from slimtasks.workload.container_config import container_config, environment, exposed_ports, used_ports
from slimtasks.workload.readiness import health_command
from slimtasks.workload.volumes import NO_VOLUMES, Volumes

SPEC = Path("images/a/image.yaml")


def dump(config: ContainerConfig) -> list[str]:
    """The fields that are not the default, one a line."""
    return [f"{f.name}: {getattr(config, f.name)}" for f in fields(config) if getattr(config, f.name) != f.default]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run(), []),
        (Run(command=("a", "b"), entrypoint=()), ["entrypoint: ()", "command: ('a', 'b')"]),
        (Run(environment=(("B", "2"), ("A", None))), ["env: (('A', 'caller'), ('B', '2'))"]),
        (Run(tmpfs=("/run:size=1m", "/tmp")), ["tmpfs: (('/run', 'size=1m'), ('/tmp', ''))"]),
        (Run(volumes=(Volume("/t", type="tmpfs"),)), ["tmpfs: (('/t', ''),)"]),
        (
            Run(ports=(Port(80), Port(53, protocol="udp")), expose=("9/tcp",)),
            ["exposed: ('53/udp', '80/tcp', '9/tcp')"],
        ),
        (Run(init=True, tty=True, read_only=True), ["read_only: True", "init: True", "tty: True"]),
        (Run(mem_limit=5, shm_size=6, stop_signal="HUP"), ["shm_size: 6", "mem_limit: 5", "stop_signal: HUP"]),
        (Run(ulimits=(Ulimit("nofile", 1, 2),)), ["ulimits: (Ulimit(name='nofile', soft=1, hard=2),)"]),
        (Run(user="1:1", working_dir="/w", hostname="h"), ["user: 1:1", "working_dir: /w", "hostname: h"]),
    ],
)
def test_run_becomes_a_container(run: Run, expected: list[str]) -> None:
    config = container_config(run, SPEC, "sha256:1", NO_VOLUMES, {"A": "caller"})
    assert dump(config) == ["image: sha256:1", *expected, "healthcheck: False"] or expected == dump(config)[1:-1]


def test_a_steps_command_and_volumes_come_on_top() -> None:
    run = Run(command=("serve",), volumes=(Volume("/a", "/host/a", "bind"),))
    config = container_config(
        run, SPEC, "i", NO_VOLUMES, {}, command=("once",), more_volumes=(Volume("/b", "/host/b", "bind", True),)
    )
    assert config.command == ("once",)
    assert config.binds == (Mount("/host/a", "/a"), Mount("/host/b", "/b", read_only=True))


def test_volumes_that_were_made_and_files_that_are_put() -> None:
    volumes = (
        Volume("/data", "data"),
        Volume("/anonymous"),
        Volume("/www", "/checkout/www", "bind", True),
        Volume("/etc/a.conf", "/checkout/a.conf", "bind"),
        Volume("/socket", "/run/socket", "bind"),
    )
    made = Volumes({"data": "v1", "/checkout/www": "v2"}, frozenset({"/checkout/a.conf"}))
    config = container_config(Run(volumes=volumes), SPEC, "i", made, {})
    assert config.binds == (Mount("/run/socket", "/socket"),)
    assert config.volumes == (
        Mount("v1", "/data"),
        Mount("", "/anonymous"),
        Mount("v2", "/www", read_only=True, no_copy=True),
    )


def names(tar: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return [f"{member.name} {member.size}" for member in opened]


def test_put_files_follow_those_of_the_image(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("12345")
    volume = Volume("/etc/a.conf", str(tmp_path / "a.conf"), "bind")
    volumes = Volumes({}, frozenset({volume.source}))
    alone = volumes.files([volume], b"")
    assert names(alone) == ["etc/a.conf 5"]
    assert names(volumes.files([volume], alone)) == ["etc/a.conf 5", "etc/a.conf 5"]
    assert volumes.files([], alone) == alone


def test_a_variable_that_the_caller_must_set(tmp_path: Path) -> None:
    spec = tmp_path / "image.yaml"
    spec.write_text("run:\n  environment:\n    MY_TOKEN: x\n    TOKEN:\n")
    with pytest.raises(SlimError) as error:
        environment(Run(environment=(("MY_TOKEN", "x"), ("TOKEN", None))), spec, {})
    assert error.value.what == f"{spec}:4: environment: TOKEN has no value, and is not set in the environment"
    assert "export TOKEN=" in error.value.hint


def test_environment_beats_env_file_and_the_last_file_wins(tmp_path: Path) -> None:
    (tmp_path / "1.env").write_text("A=1\nB=1\nC=1\n")
    (tmp_path / "2.env").write_text("B=2\nC=2\n")
    run = Run(env_file=(tmp_path / "1.env", tmp_path / "2.env"), environment=(("C", "3"),))
    assert environment(run, SPEC, {}) == (("A", "1"), ("B", "2"), ("C", "3"))


def test_an_env_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SlimError, match="env_file: cannot read"):
        environment(Run(env_file=(tmp_path / "no.env",)), SPEC, {})


def test_exposed_ports() -> None:
    run = Run(ports=(Port(1), Port(2, protocol="udp")), expose=("3/tcp", "4/udp"))
    assert exposed_ports(run, {"ExposedPorts": {"5/tcp": {}, "6/udp": {}}}) == {1, 3, 5}
    assert exposed_ports(Run(), {"ExposedPorts": None}) == set()


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ("80", {80}),
        ("80/TCP", {80}),
        ("8000-8002/tcp", {8000, 8001, 8002}),
        ("8000-8002", {8000, 8001, 8002}),
        ("8000-8000/tcp", {8000}),
        ("8000-8002/udp", set()),
        ("65534-65536/tcp", {65534, 65535}),
        *((entry, set()) for entry in ("1-65535/tcp", "8002-8000/tcp", "http/tcp", "/tcp", "", "0/tcp", "-1/tcp")),
        *((entry, set()) for entry in ("80-/tcp", "70000/tcp", "1-2-3/tcp", "80/tcp/tcp", "8000:80/tcp")),
    ],
)
def test_ports_as_a_config_that_nobody_checked_has_them(entry: str, ports: set[int]) -> None:
    assert exposed_ports(Run(), {"ExposedPorts": {entry: {}}}) == ports


def test_used_ports() -> None:
    actions = (Http(port=1), Tcp(port=2), Wait(port=3), Wait(log="x"), Exec(command=("a",)))
    assert used_ports(Step(1, "", "", action) for action in actions) == {1, 2, 3}


@pytest.mark.parametrize(
    ("config", "command"),
    [
        ({}, ()),
        ({"Healthcheck": None}, ()),
        ({"Healthcheck": {"Test": ["NONE"]}}, ()),
        ({"Healthcheck": {"Test": ["CMD", "a", "b"]}}, ("a", "b")),
        ({"Healthcheck": {"Test": ["CMD-SHELL", "a || b"]}}, ("/bin/sh", "-c", "a || b")),
        ({"Shell": ["/bin/bash", "-ec"], "Healthcheck": {"Test": ["CMD-SHELL", "a"]}}, ("/bin/bash", "-ec", "a")),
    ],
)
def test_health_command(config: dict[str, object], command: tuple[str, ...]) -> None:
    assert health_command(config) == command


def test_expectations_are_the_specs() -> None:
    assert Expectation.parse("!/a/") == Expectation("a", regex=True, negated=True)
