"""Reads the members of a tar stream (ustar, pax, GNU) without seeking and without keeping any."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from slimtasks.errors import SlimError
from slimtasks.oci.stream import Forward

_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "link",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "dir",
    tarfile.FIFOTYPE: "fifo",
}
_XATTR = "SCHILY.xattr."
_HOLES_LIMIT = 16 << 30  # bytes of zeros that a sparse file may claim
_HEADERS_LIMIT = 4 << 20  # bytes that the headers of one member may have; Go stops at 1 MB
_ZEROS = memoryview(bytes(1 << 20))


class Member(NamedTuple):
    """One member, its name as stored (surrogate escapes where it is not UTF-8)."""

    name: str
    kind: str  # a FileType, or 'hardlink'
    mode: int
    uid: int
    gid: int
    size: int  # of the content, bytes; 0 for all but files
    mtime: int
    target: str  # of links of both sorts
    device: tuple[int, ...]
    xattrs: tuple[tuple[str, str], ...]  # (name, hex), sorted; without security.selinux
    header: int  # where the header begins in the stream
    data: int  # where the stored content begins
    holes: tuple[tuple[int, int], ...] = ()  # the stored parts (offset, size) of a sparse file's content


def members(stream: Forward, *, whole: bool = True) -> Iterator[Member]:
    """The members in order; between two of them `content` may be read, or not.

    An archive without an end marker was cut off; not `whole`: it is taken, as engines do.
    """
    headers = _Headers(stream)
    position = stream.tell()
    while True:
        stream.seek(position)
        member, position = _next_member(stream, headers, position)
        if member is None:
            if whole and not stream.peek(1):
                raise SlimError("an archive ends in the middle", "save or build it again")
            return
        yield member


def content(stream: Forward, member: Member) -> Iterator[memoryview]:
    """The content of the member that was just given, as views, each valid until the next one."""
    if not member.holes:
        yield from stream.pieces(member.size)
        return
    at = 0
    for offset, size in member.holes:
        yield from _zeros(offset - at)
        yield from stream.pieces(size)
        at = offset + size
    yield from _zeros(member.size - at)


def _zeros(size: int) -> Iterator[memoryview]:
    while size > 0:
        yield _ZEROS[:size]
        size -= len(_ZEROS)


class _Headers:
    """The stream as tarfile sees it, for the headers that the plain parser leaves; refuses endless ones."""

    def __init__(self, stream: Forward) -> None:
        self.tar = tarfile.TarFile(fileobj=io.BytesIO(bytes(1024)), encoding="utf-8", errors="surrogateescape")
        self.tar.fileobj = cast(io.BytesIO, self)
        self._stream = stream
        self._left = 0
        self.tell, self.seek = stream.tell, stream.seek

    def read(self, size: int) -> bytes:
        self._left -= size
        if size < 0 or self._left < 0:
            raise SlimError(f"an archive's header claims {size} bytes or more", "the archive is damaged or hostile")
        return self._stream.read(size)

    def next(self) -> tarfile.TarInfo:
        self._left = _HEADERS_LIMIT
        return tarfile.TarInfo.fromtarfile(self.tar)


def _next_member(stream: Forward, headers: _Headers, position: int) -> tuple[Member | None, int]:
    """The member at `position`, and where the next header begins."""
    header = bytes(stream.peek(512))
    if not header.strip(b"\0"):
        return None, position  # the end marker, or an archive that ends without one
    member = None if headers.tar.pax_headers else _plain(header, position)
    if member is not None:
        stream.read(512)
        return member, member.data + -(-member.size // 512) * 512
    try:
        info = headers.next()
    except (tarfile.TarError, ValueError, OverflowError, IndexError, RecursionError) as error:
        raise SlimError(f"an image archive is damaged at byte {position}: {error}", "save it again") from error
    return _parsed(info, position), headers.tar.offset


def _plain(header: bytes, position: int) -> Member | None:
    """The member of a POSIX or GNU header that stands alone; None where tarfile must look at it."""
    kind = _KINDS.get(header[156:157])
    if kind is None or header[257:262] != b"ustar" or header[156:157] == tarfile.GNUTYPE_SPARSE:
        return None
    try:
        mode, uid, gid = _octal(header[100:108]), _octal(header[108:116]), _octal(header[116:124])
        size, mtime, total = _octal(header[124:136]), _octal(header[136:148]), _octal(header[148:156])
        device = (_octal(header[329:337]), _octal(header[337:345])) if kind in ("char", "block") else ()
    except ValueError:
        return None
    name = _text(header[:100])
    if header[262:263] == b"\0" and header[345]:
        name = f"{_text(header[345:500])}/{name}"
    if (
        total != sum(header) - sum(header[148:156]) + 256
        or min(uid, gid, size) < 0
        or (kind == "file" and name.endswith("/"))
    ):
        return None
    size = size if kind == "file" else 0
    return Member(
        name, kind, mode & 0o7777, uid, gid, size, mtime, _text(header[157:257]), device, (), position, position + 512
    )


def _octal(field: bytes) -> int:
    if field[0] & 0x80:
        raise ValueError("base 256")
    return int(field.rstrip(b"\0 ") or b"0", 8)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _parsed(info: tarfile.TarInfo, position: int) -> Member:
    kind = _KINDS.get(info.type)
    if kind is None or info.size < 0 or info.uid < 0 or info.gid < 0:
        raise SlimError(f"an image archive has a member that no file can be: {info.name!r}", "it is damaged or hostile")
    holes: tuple[tuple[int, int], ...] = ()
    if info.issparse():
        stored = cast("list[tuple[int, int]]", info.sparse)
        holes = tuple(part for part in stored if part[1]) or ((0, 0),)
        _check_holes(info, holes)
    return Member(
        name=info.name,
        kind=kind,
        mode=info.mode & 0o7777,
        uid=info.uid,
        gid=info.gid,
        size=info.size if kind == "file" else 0,
        mtime=int(info.mtime // 1),
        target=info.linkname,
        device=(info.devmajor, info.devminor) if kind in ("char", "block") else (),
        xattrs=_xattrs(info.pax_headers),
        header=position,
        data=info.offset_data,
        holes=holes,
    )


def _check_holes(info: tarfile.TarInfo, holes: tuple[tuple[int, int], ...]) -> None:
    at = stored = 0
    for offset, size in holes:
        if offset < at or size < 0:
            raise SlimError(f"the sparse file {info.name!r} has no valid map", "the archive is damaged or hostile")
        at, stored = offset + size, stored + size
    if at > info.size or info.size - stored > _HOLES_LIMIT:
        raise SlimError(f"the sparse file {info.name!r} claims {info.size} bytes", "the archive is damaged or hostile")


def _xattrs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = (
        (name[len(_XATTR) :], value.encode("utf-8", "surrogateescape").hex())
        for name, value in headers.items()
        if name.startswith(_XATTR) and name != _XATTR + "security.selinux"
    )
    return tuple(sorted(found))
