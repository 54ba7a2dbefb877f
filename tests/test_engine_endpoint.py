from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from slimtasks.engine.endpoint import Tls, endpoint
from slimtasks.errors import EngineError


def context(folder: Path, name: str, host: str, current: bool = False) -> None:
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / key
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    if current:
        (folder / "config.json").write_text(json.dumps({"currentContext": name}))


@pytest.mark.parametrize(
    ("host", "address", "local"),
    [
        ("unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock", True),
        ("/run/docker.sock", "unix:///run/docker.sock", True),
        ("tcp://build.example:2375/", "tcp://build.example:2375", False),
        ("build.example:2375", "tcp://build.example:2375", False),
        ("ssh://me@build.example", "ssh://me@build.example", False),
    ],
)
def test_docker_host_in_all_its_spellings(host: str, address: str, local: bool) -> None:
    found = endpoint({"DOCKER_HOST": host, "DOCKER_CONTEXT": "ignored"})
    assert (found.address, found.local, found.source) == (address, local, "DOCKER_HOST")


@pytest.mark.parametrize("host", ["gopher://x", "tcp://", "unix://"])
def test_an_address_without_sense_is_refused(host: str) -> None:
    with pytest.raises(EngineError, match="DOCKER_HOST says"):
        endpoint({"DOCKER_HOST": host})


def test_without_anything_it_is_the_default_socket(tmp_path: Path) -> None:
    assert endpoint({"HOME": str(tmp_path)}).address == "unix:///var/run/docker.sock"


def test_the_context_of_the_environment_beats_the_configured_one(tmp_path: Path) -> None:
    context(tmp_path, "configured", "tcp://one:1", current=True)
    context(tmp_path, "named", "tcp://two:2")
    assert endpoint({"DOCKER_CONFIG": str(tmp_path)}).address == "tcp://one:1"
    assert endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "named"}).address == "tcp://two:2"
    assert endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "default"}).source == "the default"


def test_a_context_that_does_not_exist_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"the docker context 'gone' \(from DOCKER_CONTEXT\) cannot be read"):
        endpoint({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "gone"})


def test_a_broken_configuration_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    assert endpoint({"DOCKER_CONFIG": str(tmp_path)}).source == "the default"


def test_certificates_of_environment_and_context(tmp_path: Path) -> None:
    context(tmp_path, "safe", "tcp://two:2", current=True)
    folder = tmp_path / "contexts" / "tls" / hashlib.sha256(b"safe").hexdigest() / "docker"
    folder.mkdir(parents=True)
    (folder / "ca.pem").touch()
    assert endpoint({"DOCKER_CONFIG": str(tmp_path)}).tls == Tls(ca=str(folder / "ca.pem"))
    environ = {"DOCKER_HOST": "tcp://x:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
    assert endpoint(environ).tls == Tls(ca=str(folder / "ca.pem"))
    assert endpoint({**environ, "DOCKER_TLS_VERIFY": ""}).tls is None
