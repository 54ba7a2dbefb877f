"""Streams that are read once, onwards only, without a copy of what passes."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol, cast

from slimtasks.errors import SlimError

PIECE = 1 << 20  # bytes asked for at once
_ZSTD_WINDOW = 128 << 20  # RFC 8878 asks for 8 MB at least; `zstd --long` writes up to 128 MB


class Readable(Protocol):
    """What a saved image comes from: a file, a pipe, an engine's response."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


class Forward(io.RawIOBase):
    """A stream that can only go on; `source` gives its next piece, an empty one at the end.

    It has what tarfile asks of a file (tell, read, a seek onwards), and gives contents as views of the
    pieces instead of copies.
    """

    def __init__(self, source: Callable[[], bytes | memoryview]) -> None:
        self._source = source
        self._piece = memoryview(b"")
        self._at = 0  # in the piece
        self._start = 0  # of the piece, in the stream

    def tell(self) -> int:
        return self._start + self._at

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> memoryview:
        """The next `size` bytes, fewer at the end, without passing them."""
        if len(self._piece) - self._at < size:
            self._fill(size)
        return self._piece[self._at : self._at + size]

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes, fewer at the end; not for contents that may be large."""
        view = bytes(self.peek(size))
        self._at += len(view)
        return view

    def seek(self, position: int, whence: int = 0) -> int:
        for _ in self.pieces(position - self.tell()):
            pass
        return position

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes as views, each valid until the next one is asked for."""
        if size < 0:
            raise SlimError("an archive's header points backwards", "the archive is damaged or hostile")
        while size:
            view = self._piece[self._at : self._at + size]
            if not view:
                if not self._next():
                    raise SlimError("an image archive ends in the middle", "save or build the image again")
                continue
            self._at += len(view)
            size -= len(view)
            yield view

    def rest(self) -> Iterator[memoryview]:
        """All that is left."""
        while True:
            view = self._piece[self._at :]
            self._at = len(self._piece)
            if view:
                yield view
            if not self._next():
                return

    def _next(self) -> bool:
        self._start += len(self._piece)
        self._piece = memoryview(self._source())
        self._at = 0
        return len(self._piece) > 0

    def _fill(self, size: int) -> None:
        held = bytearray(self._piece[self._at :])
        while len(held) < size:
            more = self._source()
            if not more:
                break
            held += more
        self._start, self._at = self.tell(), 0
        self._piece = memoryview(held)


def forward(stream: Readable) -> Forward:
    return Forward(lambda: stream.read(PIECE))


def section(outer: Forward, size: int) -> Forward:
    """The next `size` bytes of `outer` as a stream."""
    pieces = outer.pieces(size)
    return Forward(lambda: next(pieces, memoryview(b"")))


def compression(start: bytes | memoryview) -> str:
    """'gzip', 'zstd', or empty where the first bytes are neither's (RFC 1952, RFC 8878)."""
    head = bytes(start[:4])
    if head[:3] == b"\x1f\x8b\x08":
        return "gzip"
    return "zstd" if head == b"\x28\xb5\x2f\xfd" else ""


def unpacked(stream: Forward, passed: Callable[[memoryview], object] | None = None) -> Forward:
    """The stream uncompressed, whatever compressed it; `passed` sees the uncompressed bytes go by."""
    kind = compression(stream.peek(4))
    pieces = {"": _rest, "gzip": _gunzipped, "zstd": _unzstd}[kind](stream)

    def source() -> memoryview:
        view = next(pieces, memoryview(b""))
        if passed and view:
            passed(view)
        return view

    return Forward(source)


def _rest(stream: Forward) -> Iterator[memoryview]:
    return stream.rest()


def _gunzipped(stream: Forward) -> Iterator[memoryview]:
    reader = gzip.GzipFile(fileobj=stream)
    try:
        while data := reader.read(PIECE):
            yield memoryview(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SlimError(f"a layer's gzip data is damaged: {error}", "pull or build the image again") from error


def _unzstd(stream: Forward) -> Iterator[memoryview]:
    try:
        import zstandard
    except ImportError as error:
        raise SlimError("a layer is compressed with zstd", "pip install zstandard") from error
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    reader = unpacker.stream_reader(cast(IO[bytes], stream), read_across_frames=True)
    try:
        while data := reader.read(PIECE):
            yield memoryview(data)
    except zstandard.ZstdError as error:
        raise SlimError(f"a layer's zstd data is damaged: {error}", "pull or build the image again") from error
