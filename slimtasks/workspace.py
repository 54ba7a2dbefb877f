"""Names every file that the stages write: the only place where such a path is made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STATE = ".doit.db"  # what doit remembers of the tasks, in the root of the checkout


@dataclass(frozen=True)
class ImageFiles:
    """The files of one image, all below build/<name>; of a variant, what tells of the fat image is another's."""

    folder: Path
    of: Path | None = None  # the folder of the image that it is a variant of

    @property
    def _source(self) -> Path:
        return self.of or self.folder

    @property
    def base(self) -> Path:
        return self.folder / "base.json"

    @property
    def fat(self) -> Path:
        return self._source / "fat.json"

    @property
    def inventory(self) -> Path:
        return self._source / "inventory.jsonl"

    @property
    def packages(self) -> Path:
        return self._source / "packages.jsonl"

    @property
    def captured(self) -> Path:
        """The small files of the fat image that selection reads: package database, ld.so.cache, ..."""
        return self._source / "captured.tar"

    @property
    def of_fat(self) -> tuple[Path, ...]:
        """What tells all about the fat image."""
        return (self.fat, self.inventory, self.packages, self.captured)

    @property
    def trace(self) -> Path:
        return self._source / "trace.jsonl"

    @property
    def selection(self) -> Path:
        return self.folder / "selection.jsonl"

    @property
    def bill(self) -> Path:
        """The bill of materials as CycloneDX."""
        return self.folder / "sbom.cdx.json"

    @property
    def spdx(self) -> Path:
        """The same as SPDX."""
        return self.folder / "sbom.spdx.json"

    @property
    def vex(self) -> Path:
        return self.folder / "vex.cdx.json"

    @property
    def of_sbom(self) -> tuple[Path, ...]:
        return (self.bill, self.spdx, self.vex)

    @property
    def layers(self) -> Path:
        return self.folder / "layers.json"

    @property
    def context(self) -> Path:
        return self.folder / "context.tar"

    @property
    def archive(self) -> Path:
        return self.folder / "image.tar"

    @property
    def image(self) -> Path:
        return self.folder / "image.json"

    @property
    def verify(self) -> Path:
        return self.folder / "verify.json"

    @property
    def junit(self) -> Path:
        """What verify found, for CI systems."""
        return self.folder / "junit.xml"

    @property
    def compose_override(self) -> Path:
        """Beside the Compose file that it is made of, lets Compose take it."""
        return self.folder / "compose.override.yaml"

    @property
    def costs(self) -> Path:
        """Seconds of each stage's last run; in nobody's input."""
        return self.folder / "costs.json"

    @property
    def packages_lock(self) -> Path:
        """What its bootstrap has installed, as images/<n>/packages.lock has it; in nobody's input."""
        return self.folder / "packages.lock"

    @property
    def fetched(self) -> Path:
        """What from outside the repo it is made of, with dates; in nobody's input, so that they change nothing."""
        return self.folder / "fetched.json"

    @property
    def pushed(self) -> Path:
        """Where it was pushed to the last time, and how much of it; in nobody's input."""
        return self.folder / "pushed.json"

    def unfinished(self, stage: str) -> Path:
        """Stands here while a stage runs, and after one that failed or was killed."""
        return self.folder / f"{stage}.unfinished"


@dataclass(frozen=True)
class Workspace:
    """A checkout; `root` may be relative, as doit wants its paths."""

    root: Path
    elsewhere: Path | None = None  # what stands for build/

    @property
    def build(self) -> Path:
        return self.elsewhere or self.root / "build"

    @property
    def all_written(self) -> tuple[Path, ...]:
        """All that runs write of themselves."""
        return (self.build, self.root / STATE, self.root / f"{STATE}-journal")

    @property
    def fat_store(self) -> Path:
        """What is in images of the engine, by their ids."""
        return self.build / "fat"

    @property
    def trace_store(self) -> Path:
        return self.build / "traces"

    @property
    def layer_store(self) -> Path:
        return self.build / "layers"

    def layer(self, diff_id: str) -> Path:
        """The tar of a layer ('sha256:...') in the store."""
        return self.layer_store / f"{diff_id.removeprefix('sha256:')}.tar"

    @property
    def compressed_store(self) -> Path:
        """Layers as they are pushed."""
        return self.build / "compressed"

    @property
    def scratch(self) -> Path:
        """For what must not outlive a run; emptied of what dead runs left when a run begins."""
        return self.build / "scratch"

    @property
    def layers_lock(self) -> Path:
        """The plan of the layers that images share, which is committed."""
        return self.root / "images" / "layers.lock"

    @property
    def report(self) -> Path:
        return self.build / "report.json"

    @property
    def spec_cache(self) -> Path:
        return self.build / "specs.pickle"

    @property
    def lock(self) -> Path:
        return self.build / "lock"

    def image(self, name: str, variant_of: str = "") -> ImageFiles:
        return ImageFiles(self.build / name, self.build / variant_of if variant_of else None)

    def partial_files(self) -> Iterator[Path]:
        """What a run was writing when it was killed, see `records.whole_file` and `oci.store`."""
        return self.build.glob("*/.*.part")

    def scratch_folder(self) -> Path:
        """This run's own folder below `scratch`."""
        folder = self.scratch / str(os.getpid())
        folder.mkdir(parents=True, exist_ok=True)
        return folder
