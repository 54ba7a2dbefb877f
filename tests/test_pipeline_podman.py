"""Another engine than Docker has the same image by the same digests: Podman's service. pytest -m slow."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faithful_image import saved
from pipeline_repo import Repo

from slimtasks.engine.client import Engine
from slimtasks.errors import EngineError

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def podman() -> Iterator[Engine]:
    """Podman, with a folder of its own for all that it has, whose name is short: it refuses a long one."""
    if not shutil.which("podman"):
        pytest.fail("install podman first: apt install --no-install-recommends podman", pytrace=False)
    with tempfile.TemporaryDirectory(prefix="slimtest-") as name:
        folder = Path(name)
        socket = f"unix://{folder}/socket"
        places = [f"--{place}={folder / place}" for place in ("root", "runroot", "tmpdir")]
        command = ["podman", *places, "--cgroup-manager=cgroupfs", "--storage-driver=vfs"]
        with subprocess.Popen([*command, "system", "service", "--time=0", socket]) as service:
            engine = Engine(folder, {"DOCKER_HOST": socket})
            try:
                _wait_for(engine, service)
                yield engine
            finally:
                service.terminate()


def _wait_for(engine: Engine, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            engine.ping()
        except EngineError:
            if time.monotonic() > deadline or service.poll() is not None:
                raise
            time.sleep(0.1)
        else:
            return


def test_podman_has_the_image_by_the_digests_that_docker_has(repo: Repo, podman: Engine) -> None:
    made = repo.run("web")
    assert made.status == 0, made.output
    web = repo.result("web")
    identity = podman.load(repo.path("build/web/image.tar"))
    found = podman.inspect_image(identity)
    assert found
    assert found["Id"] == web["config_digest"] == web["id"]
    assert found["RootFS"]["Layers"] == [layer["diff_id"] for layer in web["layers"]]
    with podman.save(identity) as there, repo.engine.save(web["id"]) as here:
        assert saved(there.read()) == saved(here.read())
