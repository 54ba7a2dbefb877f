"""Starts the containers of a workload under the tracer: a Launcher that records."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.errors import EngineError, WorkloadError
from slimtasks.trace.gate import GATE, gated, started_command, tar_of
from slimtasks.trace.recording import Recording, TracedContainer, union
from slimtasks.trace.sidecar import Sidecar
from slimtasks.workload.launcher import OUTPUT_LIMIT, Exit


class TracedLauncher:
    """A workload's Launcher: every container and every command in it begins in the gate, and is traced from there."""

    def __init__(self, engine: Engine, sidecar: Sidecar) -> None:
        self._engine = engine
        self._sidecar = sidecar
        self._targets: dict[str, TracedContainer] = {}
        self._gate = b""
        self._step = 0

    @contextmanager
    def create(self, config: ContainerConfig, files: bytes) -> Iterator[Container]:
        image = self._engine.inspect_image(config.image)
        command = started_command(image or {}, config.entrypoint, config.command)
        if image and not command:
            raise WorkloadError(
                "there is nothing to start: the image has neither CMD nor ENTRYPOINT, and the spec no run.command",
                "give CMD in the Dockerfile, or run.command and final.command in the spec",
            )
        config = replace(config, entrypoint=gated(command), command=())
        tars = (self._gate_tar(), files) if files else (self._gate_tar(),)
        with self._read_only(config, tars) if config.read_only else self._writable(config, tars) as container:
            yield container
        target = self._targets.get(container.id)
        if target:
            self._sidecar.wait_for_end(target)

    def start(self, container: Container) -> None:
        container.start()
        pid = container.pid()
        target = self._sidecar.trace(pid, self._step) if pid else None
        if target is None or not target.released:
            raise EngineError(f"{container} ended before it could be traced", f"is {GATE} in its image's way?")
        self._targets[container.id] = target

    def step(self, number: int) -> None:
        self._step = number
        for target in self._targets.values():
            self._sidecar.step(target, number)

    def exec(self, container: Container, command: tuple[str, ...], user: str, timeout: float) -> Exit:
        execution = container.exec(gated(command), user=user)
        deadline = time.monotonic() + timeout
        with execution.start() as stream:
            pid = execution.pid()
            if pid:  # else it has ended already, or could not be started
                self._sidecar.wait_for_exec(self._targets[container.id], pid)
            stdout, stderr = stream.read_all(OUTPUT_LIMIT, max(0.1, deadline - time.monotonic()))
        return Exit(execution.exit_code(), stdout, stderr)

    def finish(self) -> Recording:
        """The union of all that ran; raises IncompleteTrace where something may be missing, unless that is allowed."""
        for target in self._targets.values():
            self._sidecar.wait_for_end(target)
        return union(self._targets.values(), allow_incomplete=self._sidecar.allow_incomplete)

    def _gate_tar(self) -> bytes:
        self._gate = self._gate or self._sidecar.program("gate")
        return tar_of({GATE: (self._gate, 0o555)})

    @contextmanager
    def _writable(self, config: ContainerConfig, tars: tuple[bytes, ...]) -> Iterator[Container]:
        with self._engine.container(config) as container:
            for tar in tars:
                container.put(tar)
            yield container

    @contextmanager
    def _read_only(self, config: ContainerConfig, tars: tuple[bytes, ...]) -> Iterator[Container]:
        """The engine copies nothing into a read-only root, so the files come with an image made for this container."""
        name = f"read-only-{secrets.token_hex(4)}"  # of its own: two may run at once
        ref = self._engine.temporary_tag("trace", name)
        try:
            with self._engine.container(ContainerConfig(image=config.image, entrypoint=("/",), command=())) as carrier:
                for tar in tars:
                    carrier.put(tar)
                self._engine.commit(carrier, ref)
            with self._engine.container(replace(config, image=ref)) as container:
                yield container
        finally:
            self._engine.remove_image(ref)
