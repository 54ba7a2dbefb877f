"""Takes files out of an image, exactly as it has them, as a stream."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container
from slimtasks.engine.stream import Stdout
from slimtasks.errors import EngineError
from slimtasks.records import ImagePath
from slimtasks.trace.gate import OURS, tar_of

ARCHIVE, LIST = OURS + "archive", OURS + "list"
CHUNK = 1 << 20  # bytes


@contextmanager
def extract(
    engine: Engine, tracer_image: str, image: str, paths: Sequence[ImagePath]
) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]]:
    """The listed paths of `image` in that order, each with its content where it is a regular file.

    Nothing is followed or recursed into. A further listed name of an inode is a hard link (LNKTYPE) to its first.
    Extended attributes are `pax_headers` named SCHILY.xattr.*; names have no leading slash, the root is '.'.
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
            try:
                # A BufferedReader, since tarfile takes a short read for the end.
                with tarfile.open(
                    fileobj=io.BufferedReader(output, CHUNK), mode="r|", encoding="utf-8", errors="surrogateescape"
                ) as tar:
                    entries = _listed(tar, paths)
                    yield entries
                    for _ in entries:  # whoever took just what was asked for has not seen yet that it ends there
                        pass
            except tarfile.TarError as error:
                problem = str(error)
            _check_end(container, output, problem)


def _check_end(container: Container, output: Stdout, problem: str) -> None:
    while output.read(CHUNK):
        pass
    status = container.wait(timeout=60)
    if problem or status or output.stderr:
        said = output.stderr.decode(errors="replace").strip() or problem or f"exit status {status}"
        raise EngineError(f"files could not be taken out of image {container.config.image[:19]}: {said}")


def _listed(tar: tarfile.TarFile, paths: Sequence[ImagePath]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    for path in paths:
        info = tar.next()
        tar.members.clear()  # type: ignore[attr-defined]  # else it keeps one for each file, for ever
        if info is None or info.name != (path[1:] or "."):
            raise tarfile.ReadError(f"{path} is missing in what the engine sent")
        yield info, tar.extractfile(info) if info.isreg() else None
    if tar.next() is not None:
        raise tarfile.ReadError("the engine sent more than was asked for")


def _program(engine: Engine, tracer_image: str) -> bytes:
    config = ContainerConfig(image=tracer_image, entrypoint=("/archive",), network="none", log_driver="none")
    with engine.container(config) as container:
        return container.read_file("/archive")
