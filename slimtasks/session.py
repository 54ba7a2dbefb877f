"""One run of doit in one checkout: its spec, and its engine, which is opened when first needed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from slimtasks.errors import EngineError, SlimError
from slimtasks.job import Source
from slimtasks.spec import cached, load
from slimtasks.workspace import Workspace

if TYPE_CHECKING:
    from slimtasks.engine.client import Engine
    from slimtasks.engine.stopwatch import Stopwatch
    from slimtasks.spec import Image, Repo


class Session:
    """What the tasks of one run share; making one reads the specs and touches nothing else.

    `unwritten`: specs that are not written yet, by absolute path, which count as if they were there.
    """

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        say: Callable[[str], None],
        unwritten: Mapping[Path, bytes] | None = None,
    ) -> None:
        self.environ = environ
        self.workspace = Workspace(root)
        self.repo: Repo = (
            load(root, environ, unwritten) if unwritten else cached(root.absolute(), environ, self.workspace.spec_cache)
        )
        self._say = say
        self._lock: IO[bytes] | None = None
        self.fetched: dict[str, Source] = {}  # what `doit update` has fetched, by the image that is made anew of it
        self.before: dict[str, Mapping[str, str] | None] = {}  # versions of packages by name, of images before that
        self.engine_gone = False  # or was never there: nothing that needs one is tried any more

    @cached_property
    def by_name(self) -> Mapping[str, Image]:
        """The declared images, and their variants."""
        return {one.name: one for image in self.repo.images for one in (image, *image.variants)}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While inside, no other run is at work in this checkout; nothing half-done is left at the end, nor held."""
        self._take_lock()
        try:
            yield
        finally:
            shutil.rmtree(self.workspace.scratch, ignore_errors=True)
            if "engine" in self.__dict__:
                with suppress(EngineError):
                    self.engine.release()
            if self._lock:
                self._lock.close()
                self._lock = None

    @cached_property
    def engine(self) -> Engine:
        """The engine, free of what dead runs left, in this checkout that is ours alone from now on."""
        from slimtasks.engine.client import Engine

        self._take_lock()
        engine = Engine(self.workspace.root.absolute(), self.environ, self.clock)
        for what in engine.sweep():
            self._say(f"removed {what}, which a run that is gone had left")
        for path in self.workspace.partial_files():
            path.unlink(missing_ok=True)
        return engine

    def cause_of(self, error: SlimError) -> SlimError:
        """`error`, or, where the engine turns out to be gone, that, whatever the error was taken for."""
        from slimtasks.engine.failure import Gone

        try:
            self.engine.ping()
        except EngineError as gone:
            self.engine_gone = True
            return error if isinstance(error, Gone) else gone
        return error

    @cached_property
    def clock(self) -> Stopwatch:
        """Tells how long the engine made us wait."""
        from slimtasks.engine.stopwatch import Stopwatch

        return Stopwatch()

    @cached_property
    def images(self) -> Mapping[str, tuple[str, ...]] | None:
        """The engine's images when the run began, id to tags; None where no engine answers."""
        from slimtasks.engine.listing import images

        try:
            return images(self.environ)
        except EngineError:
            return None

    def forget_images(self) -> None:
        """Lists them anew, since tags may have moved."""
        self.__dict__.pop("images", None)

    def _take_lock(self) -> None:
        """Holds the checkout, outside `alone` until this process ends; waits while another run does."""
        if self._lock:
            return
        while not self._lock:
            self._lock = self._held_lock()
        shutil.rmtree(self.workspace.scratch, ignore_errors=True)

    def _held_lock(self) -> IO[bytes] | None:
        """The lock file once it is ours; None where the run before has taken it away with build/, as `init` may."""
        self.workspace.build.mkdir(parents=True, exist_ok=True)
        held = self.workspace.lock.open("wb")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._say("another run is at work in this checkout: waiting for it to end")
            fcntl.flock(held, fcntl.LOCK_EX)
            self.forget_images()  # the other one may have made some
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held.fileno()), self.workspace.lock.stat()):
                return held
        held.close()
        return None
