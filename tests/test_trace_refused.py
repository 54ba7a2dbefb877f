"""Where the engine gives the tracer less than it asks for, what works is taken, and what is lost is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from traced import below, probe, traced

from slimtasks.engine.client import Engine
from slimtasks.errors import SlimError
from slimtasks.trace import sidecar as module
from slimtasks.trace.sidecar import Sidecar

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]


@pytest.fixture
def without_sys_admin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tracer may neither load an eBPF program nor mark a file system."""
    allowed = tuple(name for name in module.CAPABILITIES if name != "SYS_ADMIN")
    monkeypatch.setattr(module, "CAPABILITIES", allowed)
    yield


@pytest.mark.usefixtures("without_sys_admin")
def test_auto_takes_what_works_and_says_why(engine: Engine, tracer_image: str, probe_image: str) -> None:
    with Sidecar(engine, tracer_image) as sidecar:
        backend = sidecar.backend
        recording = traced(engine, sidecar, probe(probe_image, "open /t/a stat /t/none"))
    assert (backend.opens, backend.lookups) == ("inotify", "notify")
    assert "fanotify cannot be used here: Operation not permitted" in backend.why
    assert "ebpf cannot be used here: " in backend.why
    assert any("PROGRAMS ARE NOT SEEN by inotify" in note for note in backend.unseen)
    assert {"read /t/a inotify", "read /t/a lookups", "miss /t/none lookups"} <= set(below(recording))


@pytest.mark.usefixtures("without_sys_admin")
@pytest.mark.parametrize("backend", ["ebpf", "fanotify"])
def test_what_is_asked_for_and_not_possible_is_an_error(engine: Engine, tracer_image: str, backend: str) -> None:
    with (
        pytest.raises(SlimError, match=f"trace.backend: {backend} is not possible with this engine: .*not permitted"),
        Sidecar(engine, tracer_image, backend),
    ):
        pass
