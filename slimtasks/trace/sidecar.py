"""The container that traces the others: it sees the host's processes, and has four capabilities and no network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.failure import Refused
from slimtasks.engine.stopwatch import ENGINE
from slimtasks.engine.stream import STDOUT, Stream
from slimtasks.errors import EngineError, IncompleteTrace, SlimError
from slimtasks.trace import frames
from slimtasks.trace.frames import Decoder
from slimtasks.trace.recording import Backend, TracedContainer, incomplete

PATIENCE = 60.0  # seconds for a gate to be let go (the tracer's own limit is 30), and for an answer
ENDING = 60.0  # seconds for the tracer to report the rest, once a container is gone

CAPABILITIES = (
    "SYS_ADMIN",  # fanotify_init(2) for mounts and file systems, bpf(2)
    "SYS_PTRACE",  # strace, memory and descriptors of callers that notify answers, /proc/PID/root of others
    "DAC_READ_SEARCH",  # the same for processes of other users: without it strace -y shows no paths
    "KILL",  # lets go gates that run as another user
)

_NEEDS = f"the tracer runs with `--pid=host` and the capabilities {', '.join(CAPABILITIES)}: allow it these"


def sidecar_config(engine: Engine, tracer_image: str) -> ContainerConfig:
    """How the sidecar runs. Its only process is the tracer, which ends with its standard input, that is: with us."""
    return ContainerConfig(
        image=tracer_image,
        entrypoint=("/tracer",),
        command=(),
        user="0",
        cap_drop=("ALL",),
        cap_add=CAPABILITIES,
        pid_mode="host",
        userns_mode="host" if engine.info.userns else "",
        network="none",
        read_only=True,
        stdin_open=True,
        stdin_once=True,
        log_driver="none",
        healthcheck=False,
    )


class Sidecar:
    """Traces containers while it is entered. Threads may call it at the same time.

    With `lookups` "startup" those of a container are seen until the first step after its start (with "all", always).
    With `allow_incomplete` what may be missing ends nothing as long as the containers get on: it is told at the end.
    """

    def __init__(
        self,
        engine: Engine,
        tracer_image: str,
        backend: str = "auto",
        *,
        lookups: str = "all",
        allow_incomplete: bool = False,
    ) -> None:
        self.allow_incomplete = allow_incomplete
        self._engine = engine
        self._image = tracer_image
        self._wanted = backend
        self._lookups = lookups
        self._backend: Backend | None = None
        self._open = ExitStack()
        self._changed = threading.Condition()
        self._targets: list[TracedContainer] = []
        self._stream: Stream | None = None
        self._broken = ""  # why the tracer is no longer there
        self._said = bytearray()

    def __enter__(self) -> Sidecar:
        with ExitStack() as opening:
            try:
                config = sidecar_config(self._engine, self._image)
                self._container = opening.enter_context(self._engine.container(config))
                self._stream = opening.enter_context(self._container.attach())
                self._container.start()
            except Refused as error:
                raise EngineError(error.what, error.hint or _NEEDS) from error
            self._reader = threading.Thread(target=self._read, args=(self._stream,), daemon=True)
            self._reader.start()
            self._send(f"backend {self._wanted}\nlookups {self._lookups}\n")
            self._check_backend()
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if self._stream is not None:
                with suppress(EngineError, OSError):
                    self._stream.close_write()
                self._reader.join(timeout=5)

    def program(self, name: str) -> bytes:
        """One of the tracer image's programs: gate, archive or relay."""
        return self._container.read_file(f"/{name}")

    @property
    def backend(self) -> Backend:
        """The sources that the tracer uses here."""
        assert self._backend is not None  # from when it is entered
        return self._backend

    def _check_backend(self) -> None:
        told = "the tracer did not say which sources it uses"
        self._wait(None, lambda: self._backend is not None, PATIENCE, told)
        if self.backend.opens == "none":
            raise SlimError(
                f"trace.backend: {self._wanted} is not possible with this engine: {self.backend.why}",
                "say `backend: auto`, which takes what is",
            )

    def join(self, pid: int) -> TracedContainer:
        """Begins to trace the container of the process `pid` (as the host counts), which runs already.

        Not `released`: there is no such process, unless its `problems` tell why it cannot be.
        """
        target = self._begin("join {} {}\n", pid)
        told = "the tracer did not say that it is attached"
        self._wait(None, lambda: bool(target.released or target.problems) or target.done, PATIENCE, told)
        return target

    def wait(self, target: TracedContainer, seconds: float | None) -> None:
        """Returns with the container's end, or after that time; with the tracer's, which it adds to the `problems`."""
        with self._changed:
            self._changed.wait_for(lambda: target.done or self._broken, seconds)
            if not target.done and self._broken:
                target.problems.add(self._broken)

    def stop(self, target: TracedContainer) -> None:
        """Ends the trace of a container that runs on; returns once all was told."""
        with self._changed:
            if target.done or self._broken:
                return
            self._send(f"stop {target.number}\n")
        self._wait(None, lambda: target.done, ENDING, "the tracer did not report the rest")

    def trace(self, pid: int, step: int = 0) -> TracedContainer:
        """Begins to trace the container whose first process is `pid` (as the host counts) and lets its gate go.

        What it does counts for `step` of the workload. Raises IncompleteTrace where that does not succeed. Nothing is
        `released` where the container has ended before.
        """
        target = self._begin("trace {} {} {}\n", pid, step)
        let_go = "its first process was not let go by the gate"
        self._wait(target, lambda: bool(target.released) or target.done, PATIENCE, let_go)
        return target

    def _begin(self, command: str, pid: int, step: int = 0) -> TracedContainer:
        with self._changed:
            target = TracedContainer(len(self._targets) + 1, step)
            self._targets.append(target)
            self._send(command.format(target.number, pid, step))
        return target

    def step(self, target: TracedContainer, number: int) -> None:
        """From when this returns, what the container does counts for that step; before, it counted for the last."""
        with self._changed:
            if target.done or target.step == number:
                return
            self._send(f"step {target.number} {number}\n")
        told = "the tracer did not begin the next step"
        self._follow(target, lambda: target.step == number or target.done, PATIENCE, told)

    def wait_for_exec(self, target: TracedContainer, pid: int) -> None:
        """Returns once the gated command with the host's number `pid` was let go, which the tracer does by itself.

        Or once it was killed in its gate, or with the container.
        """

        def over() -> bool:
            return pid in target.released or pid in target.killed or target.done

        self._wait(target, over, PATIENCE, "a command was not let go by the gate")

    def wait_for_end(self, target: TracedContainer) -> None:
        """Returns once all that the container did was told; the container has to be gone, or about to end."""
        self._follow(target, lambda: target.done, ENDING, "the tracer did not report the rest")

    def _follow(self, target: TracedContainer, reached: Callable[[], bool], patience: float, otherwise: str) -> None:
        """Waits for what the containers do not need to get on."""
        try:
            self._wait(target, reached, patience, otherwise)
        except IncompleteTrace:
            if not self.allow_incomplete:
                raise
            target.problems.add(self._broken or f"{otherwise} within {patience:g} s")

    def _wait(
        self, target: TracedContainer | None, reached: Callable[[], bool], patience: float, otherwise: str
    ) -> None:
        deadline = time.monotonic() + patience
        with self._engine.clock.on(ENGINE), self._changed:
            while not reached():
                problems = sorted(target.problems) if target else []
                stuck = target and problems and not target.released and not self.allow_incomplete
                if self._broken or stuck:
                    raise incomplete(problems or [self._broken])
                left = deadline - time.monotonic()
                if left <= 0:
                    raise incomplete([*problems, f"{otherwise} within {patience:g} s"])
                self._changed.wait(left)

    def _send(self, text: str) -> None:
        if self._stream is None:
            raise SlimError("the tracing sidecar is not running", "use it in a `with` block")
        self._stream.write(text.encode())

    def _read(self, stream: Stream) -> None:
        decoder = Decoder()
        try:
            for channel, data in stream:
                if channel == STDOUT:
                    with self._changed:
                        self._take(decoder, data)
                else:
                    self._said += data[:1000]
            reason = "the tracer ended early"
        except Exception as error:  # noqa: BLE001  # a thread has nobody above it: whoever waits is told instead
            reason = f"the tracer's messages could not be read: {error}"
        if self._said:
            reason += f" ({self._said.decode(errors='replace').strip()})"
        with self._changed:
            self._broken = reason
            self._changed.notify_all()

    def _take(self, decoder: Decoder, data: bytes) -> None:
        for frame in decoder.feed(data):
            if frame.type == frames.BACKEND:
                opens, lookups, why = frame.text.split(" ", 2)
                self._backend = Backend(opens, lookups, why, only_start=self._lookups == "startup")
            else:
                self._targets[frame.target - 1].take(frame)
        self._changed.notify_all()
