"""What holds for every test: no socket without a marker, and nothing of ours left in the engine at the end."""

from __future__ import annotations

import functools
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from slimtasks.engine.client import Engine
from slimtasks.engine.labels import OWNER, Owner
from slimtasks.errors import EngineError

hypothesis.settings.register_profile("untimed", deadline=None)  # no test fails since the machine is busy
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """No fixture reaches out for a test that may not.

    A test that needs an engine fails without one: skipped, it would look like success.
    """
    if item.get_closest_marker("engine") and isinstance(error := engine_or_error(), EngineError):
        pytest.fail(f"{error}\n  -> or leave these tests out: pytest -m 'not engine'", pytrace=False)
    with guarded(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """The test itself; its teardown is free, as the last one takes down what engine tests had set up."""
    with guarded(item):
        return (yield)


def guarded(item: pytest.Item) -> AbstractContextManager[None]:
    """What its markers allow the test to connect to."""
    if item.get_closest_marker("engine"):
        return nullcontext()
    return only(local if item.get_closest_marker("loopback") else nothing)


def nothing(address: object) -> bool:
    return False


def local(address: object) -> bool:
    """Own servers: a loopback port, or a unix socket that is not the engine's."""
    if isinstance(address, tuple):
        return address[0] in ("127.0.0.1", "::1", "localhost")
    return isinstance(address, (str, bytes)) and not os.fsdecode(address).endswith("/docker.sock")


@contextmanager
def only(allowed: Any) -> Iterator[None]:
    """Fails the test at the first connection to an address that is not `allowed`."""

    def checked(name: str) -> Any:
        original = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if not allowed(address):
                pytest.fail(f"connects to {address!r} without pytest.mark.engine or pytest.mark.loopback")
            return original(self, address)

        return connect

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, checked(name))
        yield


@functools.cache
def engine_or_error() -> Engine | EngineError:
    engine = Engine(Path(__file__).parent)
    try:
        engine.ping()
    except EngineError as error:
        return error
    return engine


LEFT = pytest.StashKey[list[str]]()  # what the run, or one of its processes that ended, has left in the engine


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT] = []


@pytest.hookimpl(optionalhook=True)  # of xdist
def pytest_testnodedown(node: Any) -> None:
    """One of the processes that run the tests has ended."""
    node.config.stash[LEFT] += getattr(node, "workeroutput", {}).get("left", [])


@pytest.hookimpl(trylast=True)  # once all processes have ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run that leaves a container, network or volume behind."""
    left = session.config.stash[LEFT]
    if engine_or_error.cache_info().currsize and isinstance(engine := engine_or_error(), Engine):
        left += owned_by(engine, str(Owner.current()))
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = left
    elif left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        sys.stdout.write(f"\nERROR: this run leaves in the engine: {', '.join(left)}\n")


def owned_by(engine: Engine, owner: str) -> Iterator[str]:
    """Every container, network and volume with this owner's label, as in 'network slimtasks-1'."""
    ask = engine.connection.json
    labelled = {"filters": json.dumps({"label": [f"{OWNER}={owner}"]})}
    for container in ask("GET", "/containers/json", params={"all": "1", **labelled}, doing="listing containers"):
        yield f"container {container['Id'][:12]}"
    for network in ask("GET", "/networks", params=labelled, doing="listing networks"):
        yield f"network {network['Name']}"
    for volume in ask("GET", "/volumes", params=labelled, doing="listing volumes")["Volumes"] or ():
        yield f"volume {volume['Name']}"
