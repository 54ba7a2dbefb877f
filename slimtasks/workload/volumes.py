"""The volumes of a run: fresh ones for every run, and folders of this machine."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from slimtasks.engine.client import Engine
from slimtasks.engine.config import Mount
from slimtasks.errors import SlimError
from slimtasks.spec.run import Volume


@dataclass(frozen=True)
class Volumes:
    """What stands for the volumes of a spec while one workload runs; steps that name the same volume share it."""

    made: Mapping[str, str]  # name in the spec, or path on this machine, to the name of a volume of the engine
    put: frozenset[str]  # files of this machine that the engine cannot bind: put into the container instead

    def binds(self, volumes: Iterable[Volume]) -> tuple[Mount, ...]:
        left = self.made.keys() | self.put
        bound = (v for v in volumes if v.type == "bind" and v.source not in left)
        return tuple(Mount(v.source, v.target, v.read_only) for v in bound)

    def mounts(self, volumes: Iterable[Volume]) -> tuple[Mount, ...]:
        return tuple(
            Mount(self.made.get(v.source, ""), v.target, v.read_only, no_copy=v.type == "bind")
            for v in volumes
            if (v.type == "volume" and not _is_file(v)) or (v.type == "bind" and v.source in self.made)
        )

    def files(self, volumes: Iterable[Volume], more: bytes) -> bytes:
        """A tar for `/`: the files that are put into the container, after those of the tar `more`."""
        listed = tuple(volumes)
        wanted = [v for v in listed if v.type == "bind" and v.source in self.put]
        written = [v for v in listed if _is_file(v)]
        if not wanted and not written:
            return more
        merged = io.BytesIO(more)
        with tarfile.open(fileobj=merged, mode="a" if more else "w", format=tarfile.PAX_FORMAT) as tar:
            for volume in wanted:
                tar.add(volume.source, volume.target.lstrip("/"))
            for volume in written:
                _write(tar, volume.target.lstrip("/"), volume)
        return merged.getvalue()


NO_VOLUMES = Volumes({}, frozenset())


@contextmanager
def fresh_volumes(engine: Engine, wanted: Iterable[Volume], image_id: str) -> Iterator[Volumes]:
    """Makes every named volume, empty, and for an engine elsewhere a copy of what of this checkout is bound."""
    made: dict[str, str] = {}
    put: set[str] = set()
    with ExitStack() as stack:
        for volume in sorted(set(wanted), key=lambda v: (v.source, v.target)):
            if not volume.source or volume.source in made or volume.type == "tmpfs":
                continue
            if _is_file(volume):
                continue
            if volume.type == "volume":
                made[volume.source] = stack.enter_context(engine.volume())
                if volume.content:
                    engine.copy_to_volume(made[volume.source], _content(volume), image_id)
            elif _of_the_checkout(engine, volume) and not engine.info.local:
                if Path(volume.source).is_dir():
                    made[volume.source] = stack.enter_context(engine.volume())
                    with _tar_of(Path(volume.source)) as tar:
                        engine.copy_to_volume(made[volume.source], tar, image_id)
                else:
                    put.add(volume.source)
        yield Volumes(made, frozenset(put))


def _of_the_checkout(engine: Engine, volume: Volume) -> bool:
    """Whether the path is ours to read; another absolute path may be meant on the engine's own machine."""
    source = Path(volume.source)
    if not source.is_relative_to(engine.checkout):
        return False
    if not source.exists():
        raise SlimError(f"{volume.where}: nothing to mount: {source} does not exist", "create it, or correct the path")
    return True


@contextmanager
def _tar_of(folder: Path) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as content:
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(folder.iterdir()):
                tar.add(path, path.name)
        content.seek(0)
        yield content


def _is_file(volume: Volume) -> bool:
    """Whether it is one file with a content of its own, which no volume can be."""
    return [name for name, _ in volume.content] == ["."]


def _content(volume: Volume) -> bytes:
    """A tar of the files that it has from the start."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _write(tar, "", volume)
    return content.getvalue()


def _write(tar: tarfile.TarFile, below: str, volume: Volume) -> None:
    for name, text in volume.content:
        entry = tarfile.TarInfo(below if name == "." else f"{below}{name}")
        entry.mode = volume.mode
        data = text.encode()
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
