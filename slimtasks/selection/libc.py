"""What a C library opens by itself at run time, whether or not the traced run came to it."""

from __future__ import annotations

import re

from slimtasks.ldso import CACHE, Loaded
from slimtasks.records import Elf, Entry, ImagePath, Reason
from slimtasks.selection.image import FatImage
from slimtasks.selection.kept import Kept

NSSWITCH = ImagePath("/etc/nsswitch.conf")
BUILT_IN = frozenset({"files", "dns"})  # in libc.so itself from glibc 2.34 on
DEFAULT_SERVICES = frozenset({"files", "dns"})  # without an nsswitch.conf


def keep_for_libc(image: FatImage, kept: Kept) -> None:
    """Keeps for each kept C library its NSS modules, libgcc_s, cache and path files."""
    elves = [(entry, elf) for path in kept if (entry := image.tree.lookup(path)) and (elf := image.tree.elf(entry))]
    for entry, elf in elves:
        if elf.soname == "libc.so.6":
            _keep_for_glibc(entry, elf, elves, image, kept)
        elif "/ld-musl-" in entry.path or elf.soname.startswith("libc.musl-"):
            for path in image.search.musl_paths:
                kept.follow(path, Reason("needed", "musl's library path"))


def _keep_for_glibc(libc: Entry, elf: Elf, elves: list[tuple[Entry, Elf]], image: FatImage, kept: Kept) -> None:
    kin = [(entry, other) for entry, other in elves if (other.machine, other.bits) == (elf.machine, elf.bits)]
    if any(other.interpreter and other.soname != "libc.so.6" for _, other in kin):
        kept.follow(CACHE, Reason("needed", "the cache of ld.so"))
    cancelling = [entry.path for entry, other in kin if other.cancels]
    chain = (Loaded(libc.path, elf),)
    if cancelling:
        for path in image.search.candidates("libgcc_s.so.1", chain):
            kept.follow(
                path,
                Reason("needed", f"by libc, as {cancelling[0]} imports pthread_cancel or pthread_exit", cancelling[0]),
            )
    kept.follow(NSSWITCH, Reason("needed", "glibc's name service switch"))
    for service in sorted(_services(image)):
        if service not in BUILT_IN or _version(libc, image) < (2, 34):
            name = f"libnss_{service}.so.2"
            for path in image.search.candidates(name, chain):
                kept.follow(path, Reason("needed", f"{NSSWITCH} names {service}", NSSWITCH))


def _services(image: FatImage) -> frozenset[str]:
    """The services that nsswitch.conf names, for whatever database (nsswitch.conf(5))."""
    text = image.inputs.captured.get(image.tree.walk(NSSWITCH).resolved)
    if text is None:
        return DEFAULT_SERVICES
    services: set[str] = set()
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        _, _, value = line.partition("#")[0].partition(":")
        services.update(re.findall(r"[a-z][\w-]*", re.sub(r"\[[^]]*\]", " ", value), re.IGNORECASE))
    return frozenset(services)


def _version(libc: Entry, image: FatImage) -> tuple[int, int]:
    """glibc's version by its package or its old file name, libc-2.31.so; (0, 0) where neither tells."""
    package = image.packages.get(libc.package)
    told = re.match(r"(?:\d+:)?(\d+)\.(\d+)", package.version) if package else None
    told = told or re.search(r"/libc-(\d+)\.(\d+)\.so$", libc.path)
    return (int(told.group(1)), int(told.group(2))) if told else (0, 0)
