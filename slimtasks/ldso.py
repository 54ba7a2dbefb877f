"""Where ld.so would look for a library: glibc's ld.so(8) and musl's, on every CPU of the architecture."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from slimtasks.records import Elf, ImagePath
from slimtasks.rootfs import Tree, join, parent

CACHE = ImagePath("/etc/ld.so.cache")
MUSL_DEFAULT = ("/lib", "/usr/local/lib", "/usr/lib")

# (e_machine, bits) -> the multiarch name of Debian, which its glibc searches before /lib and /usr/lib.
MULTIARCH = {
    (62, 64): "x86_64-linux-gnu",
    (62, 32): "x86_64-linux-gnux32",
    (3, 32): "i386-linux-gnu",
    (183, 64): "aarch64-linux-gnu",
    (40, 32): "arm-linux-gnueabihf",
    (21, 64): "powerpc64le-linux-gnu",
    (22, 64): "s390x-linux-gnu",
    (243, 64): "riscv64-linux-gnu",
    (258, 64): "loongarch64-linux-gnu",
    (8, 64): "mips64el-linux-gnuabi64",
    (8, 32): "mipsel-linux-gnu",
}
# What $PLATFORM may be: AT_PLATFORM of the kernel, and what older glibc made of it.
PLATFORMS = {
    62: ("x86_64", "haswell", "xeon_phi"),
    3: ("i386", "i486", "i586", "i686"),
    183: ("aarch64",),
    40: ("v7l", "v8l"),
}
# Directories that glibc before 2.37 tried below each of its directories, in any combination.
LEGACY = frozenset(
    ["tls", "haswell", "xeon_phi", "avx512_1", "x86_64", "i386", "i486", "i586", "i686", "sse2", "cmov", "mmx"]
).union(["neon", "vfp", "v6l", "v7l", "v8l", "atomics"])
# Names that musl takes for itself: libc, libpthread, ... (ldso/dynlink.c, load_library).
_MUSL_RESERVED = re.compile(r"lib(?:c|pthread|rt|m|dl|util|xnet)\.")


@dataclass(frozen=True)
class Loaded:
    """An object as ld.so has it: by what name it was found, and its dynamic section."""

    path: ImagePath  # for $ORIGIN; of the program itself with symlinks resolved
    elf: Elf


@dataclass(frozen=True)
class Candidate:
    """A file that ld.so takes on some CPU, or on all."""

    path: ImagePath  # as ld.so opens it; symlinks not resolved
    everywhere: bool  # False where only a CPU with the directory's hardware capability takes it


def parse_cache(data: bytes) -> tuple[tuple[str, ImagePath, bool], ...]:
    """(name, path, whether it needs a hardware capability) of ld.so.cache, in its order.

    Reads glibc's format 1.1 (sysdeps/generic/dl-cache.h), also where it stands behind the old one. Entries of
    glibc-hwcaps directories have bit 62 of `hwcap` set and refer to an extension section, older ones have a mask.
    """
    start = data.find(b"glibc-ld.so.cache1.1")
    if start < 0 or len(data) < start + 48:
        return ()
    order = ">" if data[start + 28] & 3 == 3 else "<"
    count = struct.unpack_from(order + "I", data, start + 20)[0]
    found = []
    row = struct.Struct(order + "iIIIQ")
    for at in range(start + 48, min(start + 48 + count * row.size, len(data) - row.size + 1), row.size):
        _, key, value, _, hwcap = row.unpack_from(data, at)
        name, path = _string(data, start + key), _string(data, start + value)
        if name and path.startswith("/"):
            found.append((name, ImagePath(path), hwcap != 0))
    return tuple(found)


def _string(data: bytes, at: int) -> str:
    end = data.find(b"\0", at, at + 4096)
    return data[at:end].decode("utf-8", "surrogateescape") if end >= 0 else ""


def plain_directory(directory: str) -> str:
    """The directory that every CPU searches, of one that only some do."""
    plain = re.sub(r"/glibc-hwcaps/[^/]+$", "", directory)
    while plain.rpartition("/")[2] in LEGACY:
        plain = plain.rpartition("/")[0]
    return plain


def is_musl(elf: Elf) -> bool | None:
    """Whether the object is for musl; None where it does not say."""
    if elf.interpreter:
        return "/ld-musl-" in elf.interpreter
    for name in elf.needed:
        if name.startswith("libc.musl-") or name == "libc.so":
            return True
        if name.startswith(("libc.so.", "ld-linux")):
            return False
    return None


class Search:
    """ld.so's search in one image."""

    def __init__(self, tree: Tree, captured: Mapping[ImagePath, bytes], environment: Mapping[str, str]) -> None:
        self.tree = tree
        self.captured = captured
        self.library_path = tuple(re.split("[:;]", environment.get("LD_LIBRARY_PATH", "")))
        if self.library_path == ("",):
            self.library_path = ()
        self.cached: dict[str, list[tuple[ImagePath, bool]]] = {}
        for name, path, conditional in parse_cache(captured.get(CACHE, b"")):
            self.cached.setdefault(name, []).append((path, conditional))
        self.musl_paths = sorted(p for p in captured if p.startswith("/etc/ld-musl-") and p.endswith(".path"))
        self.musl_image = any(p.startswith("/lib/ld-musl-") for p in tree.children(tree.walk("/lib").resolved)) or any(
            "/ld-musl-" in p for p in tree.children("/lib")
        )
        self._subdirectories: dict[str, tuple[ImagePath, ...]] = {}

    def candidates(self, name: str, chain: Sequence[Loaded]) -> tuple[ImagePath, ...]:
        """The paths that ld.so may open for the NEEDED `name`: `chain` is who needs it, then who loaded that, ..."""
        return tuple(candidate.path for candidate in self.find(name, chain))

    def find(self, name: str, chain: Sequence[Loaded]) -> tuple[Candidate, ...]:
        """Like `candidates`, and whether each is taken on every CPU."""
        wanted = chain[0].elf
        if "/" in name:
            named = self._expanded(name, chain[0])
            return tuple(Candidate(ImagePath(p), True) for p in named if p.startswith("/") and self._fits(p, wanted))
        musl = self._musl(chain)
        if musl and _MUSL_RESERVED.match(name):
            return self._musl_itself(name, chain)
        found: list[Candidate] = []
        for places in self._musl_places(name, chain) if musl else self._glibc_places(name, chain):
            fitting = [Candidate(p, everywhere) for p, everywhere in places if self._fits(p, wanted)]
            found += (candidate for candidate in fitting if candidate not in found)
            if any(candidate.everywhere for candidate in fitting):
                break
        return tuple(found)

    def _musl(self, chain: Sequence[Loaded]) -> bool:
        said = (is_musl(loaded.elf) for loaded in reversed(chain))
        return next((answer for answer in said if answer is not None), self.musl_image)

    def _fits(self, path: str, wanted: Elf) -> bool:
        elf = self.tree.elf(self.tree.walk(path).final)
        return elf is not None and (elf.machine, elf.bits) == (wanted.machine, wanted.bits)

    def _glibc_places(self, name: str, chain: Sequence[Loaded]) -> Iterator[list[tuple[ImagePath, bool]]]:
        """Per place in the order of the search: the paths to try, and whether on every CPU."""
        requester = chain[0]
        if not requester.elf.runpath:
            for loaded in chain:
                if not loaded.elf.runpath:
                    yield from self._in_directories(name, loaded.elf.rpath, loaded)
        yield from self._in_directories(name, self.library_path, chain[-1])
        yield from self._in_directories(name, requester.elf.runpath, requester)
        cached = self.cached.get(name, [])
        yield [(path, not conditional) for path, conditional in cached]
        yield from self._in_directories(name, self._default_directories(requester.elf), requester)

    def _default_directories(self, elf: Elf) -> tuple[str, ...]:
        triplet = MULTIARCH.get((elf.machine, elf.bits))
        multiarch = (f"/lib/{triplet}", f"/usr/lib/{triplet}") if triplet else ()
        wide = ("/lib64", "/usr/lib64") if elf.bits == 64 else ()
        return (*multiarch, *wide, "/lib", "/usr/lib")

    def _in_directories(
        self, name: str, directories: Sequence[str], loaded: Loaded
    ) -> Iterator[list[tuple[ImagePath, bool]]]:
        for written in directories:
            for directory in self._expanded(written, loaded):
                if directory.startswith("/"):
                    conditional = [(join(sub, name), False) for sub in self.hardware_directories(directory)]
                    yield [*conditional, (join(directory.rstrip("/") or "/", name), True)]

    def hardware_directories(self, directory: str) -> tuple[ImagePath, ...]:
        """The directories below this one that only some CPUs search: glibc-hwcaps and what was before it."""
        known = self._subdirectories.get(directory)
        if known is None:
            place = self.tree.walk(directory).resolved
            named = self.tree.children(join(place, "glibc-hwcaps"))
            known = self._subdirectories[directory] = (*named, *self._legacy(place, 4))
        return known

    def _legacy(self, directory: ImagePath, depth: int) -> Iterator[ImagePath]:
        for child in self.tree.children(directory) if depth else ():
            entry = self.tree.lookup(child)
            if child.rpartition("/")[2] in LEGACY and entry and entry.type == "dir":
                yield child
                yield from self._legacy(child, depth - 1)

    def _expanded(self, path: str, loaded: Loaded) -> list[str]:
        """The path with its dynamic string tokens replaced, in every way that they may be."""
        if "$" not in path:
            return [path]
        triplet = MULTIARCH.get((loaded.elf.machine, loaded.elf.bits), "")
        results = [re.sub(r"\$(ORIGIN\b|\{ORIGIN\})", lambda _: parent(loaded.path), path)]
        for token, values in (
            (r"\$(LIB\b|\{LIB\})", [f"lib/{triplet}" if triplet else "lib", "lib64", "lib"]),
            (r"\$(PLATFORM\b|\{PLATFORM\})", list(PLATFORMS.get(loaded.elf.machine, ()))),
        ):
            if re.search(token, path):
                results = [re.sub(token, lambda _, v=value: v, result) for result in results for value in values]  # type: ignore[misc]
        return list(dict.fromkeys(results))

    def _musl_places(self, name: str, chain: Sequence[Loaded]) -> Iterator[list[tuple[ImagePath, bool]]]:
        """LD_LIBRARY_PATH, then RPATH and RUNPATH alike of the object and all that loaded it, then musl's own path."""
        for directory in self.library_path:
            yield [(join(directory.rstrip("/") or "/", name), True)]
        for loaded in chain:
            for written in loaded.elf.runpath or loaded.elf.rpath:
                for directory in self._expanded(written, loaded):
                    yield [(join(directory.rstrip("/") or "/", name), True)]
        for directory in self._musl_directories():
            yield [(join(directory.rstrip("/") or "/", name), True)]

    def _musl_directories(self) -> tuple[str, ...]:
        if not self.musl_paths:
            return MUSL_DEFAULT
        text = "\n".join(self.captured[path].decode("utf-8", "surrogateescape") for path in self.musl_paths)
        return tuple(directory for directory in re.split(r"[:\n]", text) if directory.startswith("/"))

    def _musl_itself(self, name: str, chain: Sequence[Loaded]) -> tuple[Candidate, ...]:
        """The loader, which is its own libc; and the file of that name, where tools like ldd look for it."""
        interpreters = [loaded.elf.interpreter for loaded in chain if loaded.elf.interpreter]
        beside = [join(directory, name) for directory in self._musl_directories()]
        loaders = [path for path in ("/lib", "/usr/lib") for path in self.tree.children(path) if "/ld-musl-" in path]
        for path in [*beside, *interpreters, *loaders]:
            if self._fits(path, chain[0].elf):
                return (Candidate(ImagePath(path), True),)
        return ()
