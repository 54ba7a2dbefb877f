"""doit record: writes a trace of a container that runs already, for `trace.also`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from doit.cmd_run import Run, opt_reporter, opt_verbosity
from doit.exceptions import InvalidCommand

if TYPE_CHECKING:
    from slimtasks.recorder import Running
    from slimtasks.session import Session


def _option(name: str, long: str, help: str, default: str = "", short: str = "") -> dict[str, Any]:
    return {"name": name, "short": short, "long": long, "type": str, "default": default, "help": help}


class Record(Run):  # type: ignore[misc]  # doit has no types
    """Has the tracer image made where the repo declares one, then records."""

    doc_purpose = "trace a container that runs already, on the engine of DOCKER_HOST, into a file for `trace.also`"
    doc_usage = "[-o FILE] [--for TIME] CONTAINER | --pid N --image IMAGE"
    doc_description = (
        "Runs the tracer beside the container until Ctrl-C, until the time is over or until it ends. "
        "Neither it nor its processes are stopped or changed."
    )
    cmd_options: ClassVar[tuple[dict[str, Any], ...]] = (
        opt_verbosity,
        opt_reporter,
        _option("output", "output", "the file to write, in place of what stands there", "trace.jsonl", "o"),
        _option("duration", "for", "how long, as in 10m or 1h30m; until Ctrl-C unless said"),
        _option(
            "sources", "trace-backend", "auto (opened files, and all that is looked up), fanotify or inotify", "auto"
        ),
        _option("pid", "pid", "a process of the engine's host, in a container that is not the engine's"),
        _option("image", "image", "with --pid: which image of the engine that container is of"),
    )

    def _execute(
        self,
        verbosity: Any,
        reporter: Any,
        output: str,
        duration: str,
        sources: str,
        pid: str,
        image: str,
        pos_args: list[str],
    ) -> int:
        import sys

        from slimtasks.errors import SlimError, of_system
        from slimtasks.progress import PROGRESS
        from slimtasks.sources.tracer import TRACER

        seconds = _checked(duration, sources, pid, image, pos_args)
        if any(task.name == TRACER for task in self.task_list):
            self.sel_tasks = [TRACER]
            status = int(super()._execute(sys.stdout, verbosity, continue_=True, reporter=reporter))
            if status:
                return status
        try:
            return _record(output, seconds, sources, int(pid or 0), image or (pos_args or [""])[0])
        except SlimError as error:
            PROGRESS.line(f"record: {error}")
        except OSError as error:
            PROGRESS.line(f"record: {of_system(error)}")
        except KeyboardInterrupt:
            PROGRESS.line("\ninterrupted; nothing was recorded")
        return 1


def _checked(duration: str, backend: str, pid: str, image: str, names: list[str]) -> float | None:
    """How many seconds to record, None for no end; InvalidCommand where the command line says nothing that can be."""
    from slimtasks.recorder import BACKENDS
    from slimtasks.spec.fields import duration as seconds_of

    if backend not in BACKENDS:
        raise InvalidCommand(f"record: --trace-backend: found {backend}; allowed: {', '.join(BACKENDS)}")
    if pid and not (pid.isdecimal() and int(pid)):
        raise InvalidCommand(f"record: --pid: found {pid}; allowed: the number of a process of the engine's host")
    if bool(pid) != bool(image):
        raise InvalidCommand("record: --pid and --image go together: the image says what the process's paths are")
    late = [name for name in names if name.startswith("-")]
    if late:  # doit reads options up to the first word that is none
        raise InvalidCommand(f"record: {late[0]} comes too late; allowed: options first, the CONTAINER last")
    if len(names) != (0 if pid else 1) or "" in names:
        raise InvalidCommand(f"record: found {len(names)} names; allowed: one CONTAINER, or --pid N --image IMAGE")
    try:
        return seconds_of(duration) if duration else None
    except ValueError as error:
        raise InvalidCommand(f"record: --for: found {duration}; allowed: {error}") from None


def _record(output: str, seconds: float | None, backend: str, pid: int, name: str) -> int:
    """The exit code; the checkout is held only while the image is read."""
    import os
    from contextlib import suppress
    from pathlib import Path

    from slimtasks import recorder
    from slimtasks.errors import EngineError
    from slimtasks.inventories import inventory_of
    from slimtasks.progress import PROGRESS
    from slimtasks.session import Session

    path = Path(output)
    recorder.check_output(path)
    session = Session(Path(), os.environ, PROGRESS.line)
    with session.alone():
        running = _running(session, pid, name)
        files = inventory_of(session.workspace, session.engine, running.image, PROGRESS)
        tracer = _tracer(session)
    try:
        trace = recorder.record(
            session.engine,
            running,
            files=files,
            tracer=tracer,
            backend=backend,
            seconds=seconds,
            say=PROGRESS.line,
        )
        PROGRESS.line(recorder.written(path, trace))
    finally:
        with suppress(EngineError):
            session.engine.release()
    for note in trace.notes:
        PROGRESS.line(note)
    return 0 if trace.header["complete"] else 1


def _running(session: Session, pid: int, name: str) -> Running:
    from slimtasks import recorder

    if pid:
        return recorder.running_process(session.engine, pid, name)
    return recorder.running_container(session.engine, name)


def _tracer(session: Session) -> str:
    from slimtasks.job import named_image, result_file
    from slimtasks.sources.tracer import TRACER, shipped_tracer

    if TRACER in session.by_name:
        return named_image(result_file(session.workspace, session.by_name[TRACER]))
    return shipped_tracer(session.engine)
