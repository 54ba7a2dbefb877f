"""A plugin for pytest: the fixture `slim_container`, a container of the image under test.

In a `pytest` step that is the container which the workload runs against, traced or not; else one of the image that
`--slim-image` names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

_CONTAINER, _IMAGE, _HOST, _PORT = "SLIMTASKS_CONTAINER", "SLIMTASKS_IMAGE", "SLIMTASKS_HOST", "SLIMTASKS_PORT_"


@dataclass(frozen=True)
class SlimContainer:
    """A running container, and how it is reached from here."""

    id: str
    image: str  # the engine's id
    host: str
    ports: Mapping[int, int]  # of the container -> of `host`; those that the image or its spec names, TCP

    def address(self, port: int | None = None) -> tuple[str, int]:
        """Host and port that lead to the container's `port`, or to its only one; LookupError if there is none."""
        if port is None and len(self.ports) != 1:
            raise LookupError(f"which port? the container has {_listed(self.ports)}")
        inside = next(iter(self.ports)) if port is None else port
        if inside not in self.ports:
            raise LookupError(f"the container has no port {inside}, but {_listed(self.ports)}: name it in run.expose")
        return self.host, self.ports[inside]

    def url(self, path: str = "/", port: int | None = None, scheme: str = "http") -> str:
        """Where the path is served."""
        host, number = self.address(port)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{number}{path}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that names the image under test."""
    help = "image that the fixture slim_container starts: one of this repo (web, or web@fat) or of the engine"
    parser.getgroup("slimtasks").addoption("--slim-image", metavar="NAME", default="", help=help)


@pytest.fixture(scope="session")
def slim_container(pytestconfig: pytest.Config) -> Iterator[SlimContainer]:
    """The container of the image under test, running and ready, with its services; removed after the last test."""
    name = str(pytestconfig.getoption("slim_image"))
    if not name and _CONTAINER not in os.environ:
        pytest.fail(
            "slim_container: which image? say --slim-image=NAME, or run it as a step of a workload", pytrace=False
        )
    if not name:
        yield _told(os.environ)
        return
    from slimtasks.errors import SlimError
    from slimtasks.under_test import started

    try:
        with started(_checkout(), os.environ, name, print) as told:
            yield _told(told)
    except SlimError as error:
        raise pytest.fail.Exception(f"slim_container: {error}", pytrace=False) from None


def _told(environ: Mapping[str, str]) -> SlimContainer:
    ports = {int(name.removeprefix(_PORT)): int(value) for name, value in environ.items() if name.startswith(_PORT)}
    return SlimContainer(environ[_CONTAINER], environ[_IMAGE], environ[_HOST], ports)


def _checkout() -> Path:
    """The nearest folder, from the working one upwards, that has a dodo.py; else the working one."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dodo.py").is_file()), here)


def _listed(ports: Mapping[int, int]) -> str:
    return ", ".join(map(str, ports)) or "none"
