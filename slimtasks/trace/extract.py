"""Takes files out of an image, exactly as it has them, as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.engine.stream import Stdout
from slimtasks.errors import EngineError, SlimError
from slimtasks.oci.stream import Forward
from slimtasks.oci.tar import Member, content, members
from slimtasks.records import ImagePath
from slimtasks.trace.gate import OURS, tar_of

ARCHIVE, LIST = OURS + "archive", OURS + "list"

Extracted = Iterator[tuple[Member, Forward | None]]


class _Broken(Exception):
    """What came is no whole archive of what was asked for."""


@contextmanager
def extract(engine: Engine, tracer_image: str, image: str, paths: Sequence[ImagePath]) -> Iterator[Extracted]:
    """The listed paths of `image` in that order, each with its content where it is a regular file.

    Nothing is followed or recursed into. A further listed name of an inode is a hardlink to its first. Names have no
    leading slash, the root is '.'.
    The times of / and /etc are the container's, not the image's: the engine and we put files there.
    A content is to be read before the next entry is asked for. Raises EngineError, at the latest at the end of the
    `with` block, where a path is missing, hidden by what the engine mounts, or cannot be read whole; then all that
    came before it is to be thrown away.
    """
    program = _program(engine, tracer_image)
    listed = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)
    config = ContainerConfig(
        image=image,
        entrypoint=(ARCHIVE, LIST),
        command=(),
        user="0",
        network="none",
        log_driver="none",
        healthcheck=False,
    )
    with engine.container(config) as container:
        container.put(tar_of({ARCHIVE: (program, 0o500), LIST: (listed, 0o400)}))
        with container.attach() as stream:
            container.start()
            output, problem = stream.stdout(), ""
            entries = _listed(Forward(output.piece), paths)
            try:
                yield entries
                for _ in entries:  # whoever took just what was asked for has not seen yet that it ends there
                    pass
            except _Broken as error:
                problem = str(error)
            _check_end(container, output, problem)


def _check_end(container: Container, output: Stdout, problem: str) -> None:
    while output.piece():
        pass
    status = container.wait(timeout=60)
    if problem or status or output.stderr:
        said = output.stderr.decode(errors="replace").strip() or problem or f"exit status {status}"
        raise EngineError(f"files could not be taken out of image {container.config.image[:19]}: {said}")


def _listed(stream: Forward, paths: Sequence[ImagePath]) -> Extracted:
    with _broken():
        found = members(stream)
        for path in paths:
            member = next(found, None)
            if member is None or member.name.removesuffix("/") != (path[1:] or "."):
                raise _Broken(f"{path} is missing in what the engine sent")
            yield member, _content(stream, member) if member.kind == "file" else None
        if next(found, None):
            raise _Broken("the engine sent more than was asked for")


def _content(stream: Forward, member: Member) -> Forward:
    def pieces() -> Iterator[memoryview]:
        with _broken():
            yield from content(stream, member)

    found = pieces()
    return Forward(lambda: next(found, memoryview(b"")))


@contextmanager
def _broken() -> Iterator[None]:
    """What is wrong with the archive as _Broken, which none of those who read it raises."""
    try:
        yield
    except EngineError:
        raise
    except SlimError as error:
        raise _Broken(error.what) from error


def _program(engine: Engine, tracer_image: str) -> bytes:
    config = ContainerConfig(image=tracer_image, entrypoint=("/archive",), network="none", log_driver="none")
    with engine.container(config) as container:
        return container.read_file("/archive")
