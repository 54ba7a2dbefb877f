"""The engine as the stages see it."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from slimtasks.engine import images
from slimtasks.engine import sweep as sweeping
from slimtasks.engine.build import Build, build_image
from slimtasks.engine.config import ContainerConfig, Mount, body
from slimtasks.engine.connection import Connection, Info
from slimtasks.engine.container import Container, inspect_container, remove_container
from slimtasks.engine.endpoint import endpoint
from slimtasks.engine.failure import Refused
from slimtasks.engine.labels import labels, temporary_tag
from slimtasks.engine.stopwatch import ENGINE, Stopwatch
from slimtasks.errors import EngineError
from slimtasks.interrupt import held

_FILLED = "/.slimtasks-volume"  # where a volume is mounted to be filled: no image has that, so nothing is copied up


def _ignore(line: str) -> None:
    pass


class Engine:
    """One container engine, for one checkout; nothing is opened, or imported, before the first request.

    Every method raises EngineError, with the address and what to do where the engine cannot be reached.
    """

    def __init__(self, checkout: Path, environ: Mapping[str, str] = os.environ, clock: Stopwatch | None = None) -> None:
        self.checkout = checkout
        self.environ = environ
        self.run = secrets.token_hex(6)
        self.clock = clock or Stopwatch()
        self._made: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The requests below this class, for what it does not offer."""
        if self._made is None:
            self._made = Connection(endpoint(self.environ), self.clock)
        return self._made

    @property
    def info(self) -> Info:
        """What the engine says of itself; asked once."""
        return self.connection.info

    def ping(self) -> None:
        """Raises Gone where the engine does not answer within 10 s."""
        self.connection.ping()

    # Images

    def images(self) -> tuple[dict[str, Any], ...]:
        """The images as GET /images/json lists them, without the classic builder's intermediate ones."""
        return tuple(self.connection.json("GET", "/images/json", doing="listing images"))

    def inspect_image(self, ref: str) -> dict[str, Any] | None:
        """What `docker image inspect` prints of it, or None where there is none."""
        return images.inspect_image(self.connection, ref)

    def save(self, ref: str) -> AbstractContextManager[BinaryIO]:
        """The image as `docker save` writes it, as a stream."""
        return images.save(self.connection, ref)

    def load(self, path: Path) -> str:
        """Loads an archive from a file; the image's id."""
        return self.load_stream(images.pieces(path), str(path))

    def load_stream(self, chunks: Iterable[bytes], name: str = "an image") -> str:
        """Loads an archive that comes in pieces; the image's id."""
        with ExitStack() as stack:
            return images.load_stream(self.connection, _followed(chunks, partial(stack.enter_context, held())), name)

    def tag(self, image: str, ref: str) -> None:
        """Gives an image one more name; takes that name from the image which had it."""
        repository, _, tag = ref.rpartition(":") if ":" in ref.rpartition("/")[2] else (ref, "", "latest")
        params = {"repo": repository, "tag": tag}
        self.connection.request("POST", f"{images.image_path(image)}/tag", params=params, doing=f"tagging {ref}")

    def untag(self, ref: str) -> bool:
        """Takes a name away, and the image with its last one. False where there is none, or it is the last in use."""
        return sweeping.remove_image(self.connection, ref)

    def remove_image(self, ref: str) -> bool:
        """Removes an image by its id, False where it is gone, in use or has several names."""
        return sweeping.remove_image(self.connection, ref)

    def commit(self, container: Container, ref: str) -> None:
        """Makes an image of what a container has become, and gives it the tag; where it runs, it runs on."""
        repo, _, tag = ref.rpartition(":")
        params = {"container": container.id, "repo": repo, "tag": tag, "pause": "0"}
        self.connection.json("POST", "/commit", params=params, body={}, doing=f"making an image of {container}")

    def pull(self, ref: str, platform: str = "", progress: Callable[[str], None] = _ignore) -> str:
        """Pulls an image; its id."""
        return images.pull(self.connection, ref, platform, progress)

    def build(self, build: Build, progress: Callable[[str], None] = _ignore) -> str:
        """Builds a Dockerfile, showing lines of progress as they come; the image's id. Raises BuildError."""
        if not build.secrets and not build.ssh:
            return build_image(self.connection, build, progress)
        from slimtasks.engine.buildx import build_with_buildx

        with self.clock.on(ENGINE):
            build_with_buildx(build, self.connection.endpoint.context, self.environ, progress)
        return images.identity(self.connection, build.tag)

    def temporary_tag(self, kind: str, name: str) -> str:
        """A tag that holds an image in the making; a sweep removes it once this process is dead."""
        return temporary_tag(kind, name, self.checkout, self.run)

    # Containers, networks, volumes

    def create(self, config: ContainerConfig) -> Container:
        """Makes a container, without starting it. It stays until it is removed, or swept after this process."""
        config = config if config.name else replace(config, name=self._name())
        params = {"name": config.name, **({"platform": config.platform} if config.platform else {})}
        doing = f"creating a container from {config.image}"
        try:
            with held():
                made = self.connection.json(
                    "POST", "/containers/create", params=params, body=body(config, self._labels()), doing=doing
                )
        except Refused as error:
            if error.status == 404 and "No such image" in error.what:
                raise Refused(
                    f"the engine has no image {config.image}", "build, load or pull it first", status=404
                ) from error
            raise
        return Container(self.connection, made["Id"], config)

    def inspect_container(self, ref: str) -> dict[str, Any] | None:
        """What `docker container inspect` prints of it, whoever made it, or None where there is none."""
        return inspect_container(self.connection, ref)

    @contextmanager
    def container(self, config: ContainerConfig) -> Iterator[Container]:
        """A container that is removed at the end, with its anonymous volumes, whatever happens."""
        config = config if config.name else replace(config, name=self._name())
        made: list[Container] = []

        def remove() -> None:
            for container in made:
                container.close_streams()
            remove_container(self.connection, config.name)

        with removed_at_the_end(remove):
            made.append(self.create(config))
            yield made[0]

    @contextmanager
    def network(self, internal: bool = False) -> Iterator[str]:
        """A bridge network, by name, removed at the end; `internal`: without a way out."""
        name = self._name()
        wanted = {"Name": name, "CheckDuplicate": True, "Internal": internal, "Labels": self._labels()}
        with removed_at_the_end(lambda: sweeping.remove_network(self.connection, name)):
            with held():
                self.connection.json("POST", "/networks/create", body=wanted, doing="creating a network")
            yield name

    @contextmanager
    def volume(self) -> Iterator[str]:
        """An empty volume, by name, removed at the end."""
        name = self._name()
        wanted = {"Name": name, "Labels": self._labels()}
        with removed_at_the_end(lambda: sweeping.remove_volume(self.connection, name)):
            with held():
                self.connection.json("POST", "/volumes/create", body=wanted, doing="creating a volume")
            yield name

    def copy_to_volume(self, volume: str, tar: bytes | BinaryIO | Iterable[bytes], image: str) -> None:
        """Unpacks a tar into a volume, through a container of `image` that is never started."""
        config = ContainerConfig(
            image=image, entrypoint=("/",), network="none", volumes=(Mount(volume, _FILLED, no_copy=True),)
        )
        with self.container(config) as container:
            container.put(tar, _FILLED)

    def sweep(self) -> tuple[str, ...]:
        """Removes what dead runs left; what it removed, as in 'container 0123456789ab'."""
        return sweeping.sweep(self.connection, self.checkout)

    def release(self) -> None:
        """Removes what this run did not remove itself; nothing, unless it was interrupted or a task failed."""
        sweeping.release(self.connection, self.run)

    def _labels(self) -> dict[str, str]:
        return labels(self.checkout, self.run)

    def _name(self) -> str:
        return f"slimtasks-{self.run}-{secrets.token_hex(4)}"


def _followed(chunks: Iterable[bytes], then: Callable[[], object]) -> Iterator[bytes]:
    """The chunks; `then` is called once all of them are taken."""
    yield from chunks
    then()


@contextmanager
def removed_at_the_end(remove: Callable[[], object]) -> Iterator[None]:
    """Calls `remove` at the end, once more where a signal comes in between; SIGTERM unwinds like Ctrl-C.

    Where the body failed, its error is the one that counts.
    """
    with _unwinding_on_sigterm():
        try:
            yield
        except BaseException:
            with suppress(EngineError):
                _surely(remove)
            raise
        _surely(remove)


def _surely(remove: Callable[[], object]) -> None:
    try:
        remove()
    except (KeyboardInterrupt, SystemExit):
        remove()
        raise


@contextmanager
def _unwinding_on_sigterm() -> Iterator[None]:
    """While inside, SIGTERM raises SystemExit, unless someone else handles it."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
