"""Reads of an ELF file what ld.so goes by (elf(5), System V gABI); nothing in the file is trusted."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from slimtasks.records import Elf

MOST_HEADERS = 4096  # program headers, section headers; real files have some dozens
MOST_DYNAMIC = 1 << 16  # bytes of the dynamic section
MOST_STRINGS = 32 << 20  # bytes of the dynamic string table
MOST_SYMBOLS = 24 << 20  # bytes of the dynamic symbol table
MOST_BUCKETS = 1 << 20  # buckets and chain entries of a hash table
CHUNK = 256  # chain entries read at once

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
SHT_DYNSYM = 11
DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ = 1, 4, 5, 6, 10
DT_SONAME, DT_RPATH, DT_RUNPATH, DT_GNU_HASH = 14, 15, 29, 0x6FFFFEF5

CANCELLING = (b"pthread_cancel", b"pthread_exit")


@dataclass(frozen=True)
class _Layout:
    """Where the fields stand, in files of this class and byte order."""

    bits: int
    order: str  # of struct: < or >
    header: str  # from e_type on
    segment: str
    segment_fields: tuple[int, int, int, int]  # type, offset, address, size in the file
    section: str
    word: str  # of a dynamic entry
    symbol: str
    symbol_section: int  # which field of a symbol is st_shndx


def _layout(bits: int, order: str) -> _Layout:
    if bits == 64:
        return _Layout(64, order, "HHIQQQIHHHHHH", "IIQQQQQQ", (0, 2, 3, 5), "IIQQQQIIQQ", "q", "IBBHQQ", 3)
    return _Layout(32, order, "HHIIIIIHHHHHH", "IIIIIIII", (0, 1, 2, 4), "IIIIIIIIII", "i", "IIIBBH", 5)


class _File:
    """Bounded reads: what lies outside the file is just not there."""

    def __init__(self, file: BinaryIO, layout: _Layout) -> None:
        self.file = file
        self.layout = layout
        self.size = file.seek(0, 2)

    def read(self, offset: int, size: int, most: int) -> bytes:
        if not 0 <= offset < self.size:
            return b""
        self.file.seek(offset)
        return self.file.read(max(0, min(size, most, self.size - offset)))

    def rows(self, fields: str, data: bytes) -> Iterator[tuple[int, ...]]:
        whole = struct.Struct(self.layout.order + fields)
        return whole.iter_unpack(memoryview(data)[: len(data) // whole.size * whole.size])


def read_elf(file: BinaryIO) -> Elf | None:
    """What ld.so reads of the file, which must be seekable; None where it is no ELF file.

    A truncated or malformed file gives what is readable of it.
    """
    file.seek(0)
    start = file.read(64)
    if start[:4] != b"\x7fELF" or len(start) < 52 or start[4] not in (1, 2) or start[5] not in (1, 2):
        return None
    layout = _layout(64 if start[4] == 2 else 32, "<" if start[5] == 1 else ">")
    header = struct.Struct(layout.order + layout.header)
    if len(start) < 16 + header.size:
        return None
    fields = header.unpack_from(start, 16)
    elf = _File(file, layout)
    segments = _segments(elf, fields[4], fields[8], fields[9])
    dynamic = _Dynamic(elf, segments, (fields[5], fields[10], fields[11]))
    return Elf(
        machine=fields[1],
        bits=layout.bits,
        interpreter=_interpreter(elf, segments),
        soname=next(iter(dynamic.tagged(DT_SONAME)), ""),
        needed=dynamic.tagged(DT_NEEDED),
        rpath=_split(dynamic.tagged(DT_RPATH)),
        runpath=_split(dynamic.tagged(DT_RUNPATH)),
        cancels=dynamic.imports(CANCELLING),
    )


def _segments(elf: _File, offset: int, entry_size: int, count: int) -> list[tuple[int, int, int, int]]:
    """(type, offset, address, size in the file) of the program headers."""
    if entry_size != struct.calcsize(elf.layout.order + elf.layout.segment):
        return []
    data = elf.read(offset, entry_size * min(count, MOST_HEADERS), entry_size * MOST_HEADERS)
    kind, start, address, size = elf.layout.segment_fields
    return [(row[kind], row[start], row[address], row[size]) for row in elf.rows(elf.layout.segment, data)]


def _interpreter(elf: _File, segments: list[tuple[int, int, int, int]]) -> str:
    """A separate debug file has the header, but other bytes there: what does not look like a path is none."""
    for kind, offset, _, size in segments:
        if kind == PT_INTERP:
            path = elf.read(offset, size, 4096).partition(b"\0")[0]
            return _text(path) if re.fullmatch(rb"[!-~]+", path) and b"/" in path else ""
    return ""


class _Dynamic:
    """The dynamic section with the tables it points to."""

    def __init__(self, elf: _File, segments: list[tuple[int, int, int, int]], sections: tuple[int, int, int]) -> None:
        self.elf = elf
        self.loaded = [(address, size, offset) for kind, offset, address, size in segments if kind == PT_LOAD]
        self.sections = sections  # offset, size of an entry, count
        self.entries: list[tuple[int, int]] = []
        for kind, offset, _, size in segments:
            if kind == PT_DYNAMIC:
                self.entries = self._read_entries(offset, size)
                break
        # The last of several counts, as in glibc's elf_get_dynamic_info.
        self.values = {tag: value & (1 << elf.layout.bits) - 1 for tag, value in self.entries}
        self.strings = b""
        if DT_STRTAB in self.values:
            place = self._offset(self.values[DT_STRTAB])
            self.strings = elf.read(place, self.values.get(DT_STRSZ, 0), MOST_STRINGS)

    def _read_entries(self, offset: int, size: int) -> list[tuple[int, int]]:
        entries = []
        word = self.elf.layout.word
        for tag, value in self.elf.rows(word + word.upper(), self.elf.read(offset, size, MOST_DYNAMIC)):
            if tag == 0:
                break
            entries.append((tag, value))
        return entries

    def _offset(self, address: int) -> int:
        """Where in the file the address is loaded from; -1 for nowhere."""
        for start, size, offset in self.loaded:
            if start <= address < start + size:
                return address - start + offset
        return -1

    def tagged(self, tag: int) -> tuple[str, ...]:
        return tuple(name for t, value in self.entries if t == tag and (name := self._string(value)))

    def _string(self, at: int) -> str:
        end = self.strings.find(b"\0", at, at + 4096) if at >= 0 else -1
        return _text(self.strings[at:end]) if end >= 0 else ""

    def imports(self, names: tuple[bytes, ...]) -> bool:
        """Whether one of these is an undefined dynamic symbol."""
        wanted = set(names)
        # Most files don't even have the string, which spares them a look at each symbol. No leading NUL
        # here: a linker lets one string end in another.
        if not any(name + b"\0" in self.strings for name in wanted):
            return False
        layout = self.elf.layout
        for row in self._symbols():
            if row[layout.symbol_section] == 0 and 0 < row[0] < len(self.strings):
                end = self.strings.find(b"\0", row[0], row[0] + 32)
                if end > 0 and self.strings[row[0] : end] in wanted:
                    return True
        return False

    def _symbols(self) -> Iterator[tuple[int, ...]]:
        layout = self.elf.layout
        size = struct.calcsize(layout.order + layout.symbol)
        place = self._offset(self.values.get(DT_SYMTAB, 0))
        count = self._count_by_hash() or self._count_by_gnu_hash() or self._count_by_sections()
        return self.elf.rows(layout.symbol, self.elf.read(place, size * count, MOST_SYMBOLS))

    def _words(self, place: int, count: int) -> list[int]:
        return [row[0] for row in self.elf.rows("I", self.elf.read(place, 4 * count, 4 * MOST_BUCKETS))]

    def _count_by_hash(self) -> int:
        if DT_HASH not in self.values:
            return 0
        words = self._words(self._offset(self.values[DT_HASH]), 2)
        return words[1] if len(words) == 2 else 0

    def _count_by_gnu_hash(self) -> int:
        """One more than the last symbol of the last chain; undefined symbols stand before the first."""
        if DT_GNU_HASH not in self.values:
            return 0
        place = self._offset(self.values[DT_GNU_HASH])
        head = self._words(place, 4)
        if len(head) < 4:
            return 0
        buckets, first, bloom, _ = head
        table = place + 16 + bloom * self.elf.layout.bits // 8
        last = max(self._words(table, min(buckets, MOST_BUCKETS)), default=0)
        if last < first:
            return first
        return self._end_of_chain(table + 4 * (buckets - first), last)

    def _end_of_chain(self, chains: int, first: int) -> int:
        """One more than the symbol whose chain entry has its lowest bit set, from symbol `first` on."""
        for symbol in range(first, first + MOST_BUCKETS, CHUNK):
            words = self._words(chains + 4 * symbol, CHUNK)
            for step, word in enumerate(words):
                if word & 1:
                    return symbol + step + 1
            if len(words) < CHUNK:
                break
        return 0

    def _count_by_sections(self) -> int:
        offset, entry_size, count = self.sections
        layout = self.elf.layout
        if entry_size != struct.calcsize(layout.order + layout.section):
            return 0
        data = self.elf.read(offset, entry_size * min(count, MOST_HEADERS), entry_size * MOST_HEADERS)
        for row in self.elf.rows(layout.section, data):
            if row[1] == SHT_DYNSYM:
                return row[5] // struct.calcsize(layout.order + layout.symbol)
        return 0


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _split(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for value in values for part in value.split(":") if part)
