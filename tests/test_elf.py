import io
import random
import shutil
import struct
from itertools import islice
from pathlib import Path

import pytest

from slimtasks.elf import read_elf
from slimtasks.records import Elf

elffile = pytest.importorskip("elftools.elf.elffile")


def elf_files(most: int) -> list[Path]:
    """ELF files of this machine, spread over /usr/bin and /usr/lib."""
    paths = sorted(path for directory in ("/usr/bin", "/usr/lib") for path in Path(directory).rglob("*"))
    random.Random(2).shuffle(paths)
    return list(islice(filter(is_elf, paths), most))  # reads no more files than it takes


def is_elf(path: Path) -> bool:
    # Separate debug files have headers of what is not in them: pyelftools stumbles.
    if path.is_symlink() or not path.is_file() or path.is_relative_to("/usr/lib/debug"):
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def oracle(path: Path) -> Elf:
    """The same by pyelftools."""
    tags: dict[str, list[str]] = {"needed": [], "soname": [], "rpath": [], "runpath": []}
    interpreter = ""
    imports: set[str] = set()
    with path.open("rb") as file:
        elf = elffile.ELFFile(file)
        for segment in elf.iter_segments():
            if segment.header.p_type == "PT_INTERP":
                interpreter = segment.get_interp_name()
            if segment.header.p_type == "PT_DYNAMIC":
                for tag in segment.iter_tags():
                    name = tag.entry.d_tag.removeprefix("DT_").lower()
                    if name in tags:
                        tags[name].append(getattr(tag, name))
        for section in elf.iter_sections():
            if section["sh_type"] == "SHT_DYNSYM":
                imports = {s.name for s in section.iter_symbols() if s["st_shndx"] == "SHN_UNDEF"}
        file.seek(18)
        machine = struct.unpack("<H" if elf.little_endian else ">H", file.read(2))[0]
        return Elf(
            machine=machine,
            bits=elf.elfclass,
            interpreter=interpreter,
            soname="".join(tags["soname"]),
            needed=tuple(tags["needed"]),
            rpath=tuple(part for value in tags["rpath"] for part in value.split(":") if part),
            runpath=tuple(part for value in tags["runpath"] for part in value.split(":") if part),
            cancels=bool(imports & {"pthread_cancel", "pthread_exit"}),
        )


def test_agrees_with_pyelftools_on_this_machine() -> None:
    paths = elf_files(60)
    if not paths:
        pytest.skip("no ELF files here")
    for path in paths:
        with path.open("rb") as file:
            assert read_elf(file) == oracle(path), path


def made(bits: int, order: str, needed: bytes = b"libc.so.6", imports: bytes = b"pthread_exit") -> bytes:
    """A dynamic ELF file: header, three program headers, interpreter, strings, one symbol, hash, dynamic section."""
    wide = bits == 64
    interpreter = b"/lib/ld.so\0"
    strings = b"\0" + needed + b"\0" + imports + b"\0/opt/lib:$ORIGIN/../lib\0"
    at = 0x400
    places = {"interpreter": at, "strings": at + 64, "symbols": at + 256, "hash": at + 320, "dynamic": at + 384}
    symbol_name = 2 + len(needed)
    runpath = symbol_name + len(imports) + 1
    dynamic = [(1, 1), (29, runpath), (5, places["strings"]), (10, len(strings)), (6, places["symbols"])]
    dynamic += [(4, places["hash"]), (0, 0)]
    symbol = "IBBHQQ" if wide else "IIIBBH"
    blank = struct.pack(order + symbol, *([0] * 6))
    name_only = struct.pack(order + symbol, symbol_name, *([0] * 5))
    word = "qQ" if wide else "iI"
    body = bytearray(0x800)
    for place, data in (
        ("interpreter", interpreter),
        ("strings", strings),
        ("symbols", blank + name_only),
        ("hash", struct.pack(order + "5I", 1, 2, 1, 0, 0)),
        ("dynamic", b"".join(struct.pack(order + word, *entry) for entry in dynamic)),
    ):
        body[places[place] : places[place] + len(data)] = data
    header = struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        *(3, 62 if wide else 3, 1, 0, 64, 0, 0, 64 if wide else 52, 56 if wide else 32, 3, 0, 0, 0),
    )
    body[: 16 + len(header)] = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9) + header
    segments = [(1, 0, 0x800), (3, places["interpreter"], len(interpreter)), (2, places["dynamic"], 128)]
    for number, (kind, offset, size) in enumerate(segments):
        row = (kind, 0, offset, offset, 0, size, size, 0) if wide else (kind, offset, offset, 0, size, size, 0, 0)
        data = struct.pack(order + ("IIQQQQQQ" if wide else "IIIIIIII"), *row)
        body[64 + number * len(data) : 64 + (number + 1) * len(data)] = data
    return bytes(body)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_classes_and_byte_orders(bits: int, order: str) -> None:
    assert read_elf(io.BytesIO(made(bits, order))) == Elf(
        machine=62 if bits == 64 else 3,
        bits=bits,
        interpreter="/lib/ld.so",
        needed=("libc.so.6",),
        runpath=("/opt/lib", "$ORIGIN/../lib"),
        cancels=True,
    )


def test_a_name_that_only_ends_in_an_import_is_none() -> None:
    elf = read_elf(io.BytesIO(made(64, "<", imports=b"my_pthread_exit")))
    assert elf is not None
    assert not elf.cancels


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF" + b"\3" * 80, b"\x7fELF\2\1\1" + b"\0" * 20]
)
def test_what_is_no_elf_file_gives_none(data: bytes) -> None:
    assert read_elf(io.BytesIO(data)) is None


def test_an_interpreter_that_is_no_path_is_none() -> None:
    """As in a separate debug file, whose PT_INTERP points into other data."""
    data = made(64, "<").replace(b"/lib/ld.so\0", b"\xd5\xf8lib/x.so\0")
    elf = read_elf(io.BytesIO(data))
    assert elf is not None
    assert elf.interpreter == ""


def test_every_truncation_is_survived() -> None:
    whole = made(64, "<")
    for length in range(len(whole)):
        read_elf(io.BytesIO(whole[:length]))


def test_damage_is_survived_quickly() -> None:
    chance = random.Random(3)
    samples = [made(bits, order) for bits in (32, 64) for order in "<>"]
    true = shutil.which("true")
    if true:
        samples.append(Path(true).read_bytes())
    for round_ in range(2000):
        data = bytearray(samples[round_ % len(samples)])
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(min(len(data), 0x600))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        read_elf(io.BytesIO(bytes(data)))


def test_huge_sizes_allocate_nothing() -> None:
    """Every size and count of the dynamic section says 2**63, in a file of 2 KB."""
    data = bytearray(made(64, "<"))
    for tag in (10, 4, 6):
        at = data.find(struct.pack("<q", tag), 0x400 + 384)
        data[at + 8 : at + 16] = struct.pack("<Q", 1 << 62)
    assert read_elf(io.BytesIO(bytes(data))) is not None
