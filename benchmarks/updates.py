"""What a host that holds a fleet of images must fetch again after an update, and what the registry holds of it.

Twelve images of different kinds, ten samples of this repo and two of `benchmarks/fleet`, are built in three ways:
fat on a shared base, slim in one flat layer each, slim with shared layers as `doit relayer` plans them. Then

  (a) a configuration file of one image changes,
  (b) the application of one image is built anew,
  (c) a library of the base gets a security update: a new version of its package, for which all images are built anew,
  (d) everything changes, as with a new base and new packages for all.

Counted are bytes by blob digest (registries, containerd, Kubernetes), compressed with zstd as level 3; the same by
chain (Docker's graph drivers take a layer for known only on top of the same ones); and bytes unpacked on the host, by
chain. Takes five minutes on 2 cores where the engine's cache has the builds, several times that where it has not;
everything happens in a temporary folder with images of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard
from measuring import CHECKOUT, doit, machine, run, table
from sandbox import OURS, engine, put_tracer_in, sandbox

from slimtasks.fatfiles import fat
from slimtasks.fingerprint import digest_of_file
from slimtasks.layers.lock import read_lock
from slimtasks.oci.contents import unpack_layers
from slimtasks.records import read_json
from slimtasks.workspace import Workspace

SAMPLES = ("bash", "flask", "git", "java-app", "memcached", "nginx", "node-app", "perl-app", "postgres", "redis")
MORE = ("curl", "pytool")
CORPUS = ("ruby-app", "spool", "venv-app")  # the others whose builds take Debian's packages of whatever version
WAYS = ("fat", "flat", "ours")
LIBRARY, SONAME = "libssl3", "libssl.so.3"
MOST_TOTAL = 1.08  # of every file stored once


@dataclass(frozen=True)
class Layer:
    """One layer as registries and hosts have it."""

    diff_id: str
    blob: int  # bytes, compressed
    size: int  # bytes of the tar


Images = Mapping[str, Sequence[Layer]]
"""The layers of each image, lowest first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", action="store_true", help=f"with {', '.join(CORPUS)}, too")
    samples = (*SAMPLES, *(CORPUS if parser.parse_args().corpus else ()))
    print(machine())
    began = time.monotonic()
    fleet = tuple(CHECKOUT / "benchmarks/fleet" / name for name in ("ground", *MORE))
    with sandbox(("build-nginx", "debian", *samples), fleet) as folder:
        for dockerfile in folder.glob("images/*/Dockerfile"):
            if dockerfile.parent.name not in ("ground", "build-nginx"):
                text = dockerfile.read_text()
                dockerfile.write_text(text.replace(f"FROM {OURS}debian:bookworm", f"FROM {OURS}ground"))
        put_tracer_in(folder)
        measure(folder, sorted((*samples, *MORE)))
    print(f"took {time.monotonic() - began:.0f} s")


def measure(folder: Path, names: Sequence[str]) -> None:
    """Builds, changes, builds again; prints all figures, and which goals they meet."""
    store = Store(folder, names)
    run(doit("lock", *names), folder)  # so that nothing is traced again, and nothing else changes by that
    pack(folder, names)
    print(run(doit("relayer", "--yes"), folder).output)
    pack(folder, names)
    first = store.fleet()
    once = store.once(first["flat"])
    print(totals(first, once), "\n")
    rows = [("refetched, MB", *(f"{way} {how}" for how in ("digest", "chain", "unpacked") for way in WAYS))]
    goals: list[tuple[str, bool]] = []
    before = first
    for event in (config_changed, application_built, library_updated):
        words, images = event(folder)
        pack(folder, images or names)
        after = store.fleet()
        rows.append((words, *figures(before, after)))
        goals += list(GOALS[event](folder, before, after))
        before = after
    rows.append(("(d) everything", *figures({way: {} for way in WAYS}, before)))
    everything = {way: refetched({}, before[way]) for way in WAYS}
    goals.append(
        ("(d) no worse than flat", all(o <= f for o, f in zip(everything["ours"], everything["flat"], strict=True)))
    )
    print(table(rows), "\n")
    ratio = sum(blobs(first["ours"]).values()) / once
    goals.append((f"registry {ratio:.3f} of every file once, at most {MOST_TOTAL}", ratio <= MOST_TOTAL))
    for words, met in goals:
        print(f"{'met    ' if met else 'NOT met'}  {words}")


def pack(folder: Path, images: Iterable[str]) -> None:
    run(doit(*(f"layers:{image}" for image in images)), folder)


# What changes


def config_changed(folder: Path) -> tuple[str, Sequence[str]]:
    append(folder / "images/nginx/site.conf", "# a word more\n")
    return "(a) config file of nginx", ["nginx"]


def application_built(folder: Path) -> tuple[str, Sequence[str]]:
    append(folder / "images/java-app/src/Version.java", 'class Version { static final String NAME = "2"; }\n')
    return "(b) build of java-app", ["java-app"]


def library_updated(folder: Path) -> tuple[str, Sequence[str]]:
    spec = folder / "images/ground/image.yaml"
    spec.write_text(spec.read_text().replace('PATCH: ""', f"PATCH: {LIBRARY}"))
    return f"(c) update of {LIBRARY}", ()  # all


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


# What of it must be fetched


def blobs(images: Images) -> dict[object, int]:
    return {layer.diff_id: layer.blob for layers in images.values() for layer in layers}


def chains(images: Images, size: Callable[[Layer], int]) -> dict[object, int]:
    """Bytes of the topmost layer of every start of every image."""
    return {
        tuple(layer.diff_id for layer in layers[:depth]): size(layers[depth - 1])
        for layers in images.values()
        for depth in range(1, len(layers) + 1)
    }


def refetched(before: Images, after: Images) -> tuple[int, int, int]:
    """Bytes that a host with `before` lacks of `after`: by digest, by chain, unpacked."""
    return (
        new(blobs(before), blobs(after)),
        new(chains(before, lambda layer: layer.blob), chains(after, lambda layer: layer.blob)),
        new(chains(before, lambda layer: layer.size), chains(after, lambda layer: layer.size)),
    )


def new(before: Mapping[object, int], after: Mapping[object, int]) -> int:
    return sum(size for key, size in after.items() if key not in before)


def figures(before: Mapping[str, Images], after: Mapping[str, Images]) -> Iterator[str]:
    found = {way: refetched(before[way], after[way]) for way in WAYS}
    return (f"{found[way][how] / 1e6:.3f}" for how in range(3) for way in WAYS)


def totals(fleet: Mapping[str, Images], once: int) -> str:
    rows = [("the registry holds, MB", "blobs", "layers")]
    rows += [(way, f"{sum(blobs(fleet[way]).values()) / 1e6:.1f}", str(len(blobs(fleet[way])))) for way in WAYS]
    return table([*rows, ("every file once", f"{once / 1e6:.1f}", "-")])


# The goals of each event

Goals = Iterator[tuple[str, bool]]


def config_goals(folder: Path, before: Mapping[str, Images], after: Mapping[str, Images]) -> Goals:
    ours, flat = (refetched(before[way], after[way]) for way in ("ours", "flat"))
    most = flat[0] * 0.001 + 8000
    for how, words in enumerate(("digest", "chain")):
        yield f"(a) by {words}: {ours[how]} bytes, at most {most:.0f}: 0.1 % of flat and 8 kB", ours[how] <= most


def build_goals(folder: Path, before: Mapping[str, Images], after: Mapping[str, Images]) -> Goals:
    ours, flat = (refetched(before[way], after[way]) for way in ("ours", "flat"))
    for how, words in enumerate(("digest", "chain")):
        yield f"(b) by {words}: {ours[how] / flat[how]:.4f} of flat, at most 0.5", ours[how] <= flat[how] / 2


def update_goals(folder: Path, before: Mapping[str, Images], after: Mapping[str, Images]) -> Goals:
    fetched = {way: refetched(before[way], after[way]) for way in WAYS}
    holder = shared_layer_with(SONAME, folder, after["ours"])
    ratio = fetched["ours"][0] / holder.blob
    yield f"(c) by digest: {ratio:.2f} blobs of the layer with {SONAME}, at most 3", ratio <= 3
    least = min(fetched["fat"][0], fetched["flat"][0])
    yield "(c) by digest: less than fat and flat", fetched["ours"][0] < least
    for how, words in ((1, "by chain"), (2, "unpacked")):
        yield f"(c) {words}: no worse than flat", fetched["ours"][how] <= fetched["flat"][how]


GOALS = {config_changed: config_goals, application_built: build_goals, library_updated: update_goals}


def shared_layer_with(soname: str, folder: Path, images: Images) -> Layer:
    """The shared layer that holds the library; exits where none does."""
    lock = read_lock(Workspace(folder).layers_lock)
    if lock and any(name.endswith(f"/{soname}") for group in lock.groups for name in group.members):
        for layers in images.values():
            for layer in layers:
                with tarfile.open(Workspace(folder).layer(layer.diff_id)) as tar:
                    if any(name.endswith(f"/{soname}") for name in tar.getnames()):
                        return layer
    sys.exit(f"no shared layer has {soname}")


# The layers as they are


class Store:
    """Reads the layers of the fleet in all three ways; knows what each tar compresses to."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._names = names
        self._workspace = Workspace(folder)
        self._engine = engine(folder)
        self._folder = folder / "measured"
        self._folder.mkdir()
        self._known: dict[str, Layer] = {}
        self._flats: dict[tuple[Layer, ...], Layer] = {}

    def fleet(self) -> dict[str, Images]:
        ours = {name: self._ours(name) for name in self._names}
        for layers in ours.values():
            if tuple(layers) not in self._flats:
                self._flats[tuple(layers)] = self._flat(layers)
        flat = {name: [self._flats[tuple(layers)]] for name, layers in ours.items()}
        return {"fat": {name: self._fat(name) for name in self._names}, "flat": flat, "ours": ours}

    def once(self, flat: Images) -> int:
        """Bytes of an archive that has each content of any file once, compressed."""
        seen: set[bytes] = set()
        with Sink() as sink, tarfile.open(fileobj=sink, mode="w|") as target:
            for layers in flat.values():
                with tarfile.open(self._path(layers[0].diff_id)) as tar:
                    for member in tar:
                        content = tar.extractfile(member) if member.isreg() else None
                        digest = hashlib.sha256(content.read()).digest() if content else b""
                        if content and digest not in seen:
                            seen.add(digest)
                            content.seek(0)
                            target.addfile(member, content)
        return sink.blob

    def _ours(self, name: str) -> list[Layer]:
        written = read_json(self._workspace.image(name).layers)
        return [self._layer(layer["diff_id"], self._workspace.layer(layer["diff_id"])) for layer in written["layers"]]

    def _fat(self, name: str) -> list[Layer]:
        image = fat(self._workspace.image(name))
        if any(layer.diff_id not in self._known for layer in image.layers):
            with self._engine.save(image.id) as stream:
                unpack_layers(stream, self._folder)
        return [self._layer(layer.diff_id, self._path(layer.diff_id)) for layer in image.layers]

    def _flat(self, layers: Sequence[Layer]) -> Layer:
        """The same files in one layer."""
        making = self._folder / "flat"
        seen: set[str] = set()
        with making.open("wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as target:
            for layer in layers:
                with tarfile.open(self._workspace.layer(layer.diff_id)) as tar:
                    for member in tar:
                        if member.name not in seen:
                            seen.add(member.name)
                            target.addfile(member, tar.extractfile(member) if member.isreg() else None)
        diff_id = f"sha256:{digest_of_file(making)}"
        return self._layer(diff_id, making.replace(self._path(diff_id)))

    def _path(self, diff_id: str) -> Path:
        return self._folder / f"{diff_id.removeprefix('sha256:')}.tar"

    def _layer(self, diff_id: str, path: Path) -> Layer:
        if diff_id not in self._known:
            with Sink() as sink, path.open("rb") as file:
                copy(file, sink)
            self._known[diff_id] = Layer(diff_id, sink.blob, path.stat().st_size)
        return self._known[diff_id]


class Sink:
    """Compresses what is written to it, and counts what comes out: `blob`, in bytes."""

    def __init__(self) -> None:
        self.blob = 0
        self._compressor = zstandard.ZstdCompressor(level=3).compressobj()

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        self.blob += len(self._compressor.flush())

    def write(self, data: bytes) -> int:
        self.blob += len(self._compressor.compress(data))
        return len(data)


def copy(source: IO[bytes], sink: Sink) -> None:
    while piece := source.read(1 << 20):
        sink.write(piece)


if __name__ == "__main__":
    main()
