"""The members of tars, a call each, and the tars."""

from __future__ import annotations

import io
import os
import tarfile

ACL = bytes.fromhex("0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff")
"""A POSIX ACL (acl(5)) that lets user 1000 read."""

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
"""cap_net_bind_service=ep, as security.capability has it."""

ODD = os.fsdecode(b"odd/\xff\n\xc3\xa9")
"""A name that is not UTF-8."""

Item = tuple[tarfile.TarInfo, bytes]


def f(name: str, content: bytes | str = "", mode: int = 0o644, uid: int = 0, pax: dict[str, str] | None = None) -> Item:
    """A file."""
    data = content.encode() if isinstance(content, str) else content
    info = _info(name, tarfile.REGTYPE, mode, uid)
    info.size, info.pax_headers = len(data), pax or {}
    return info, data


def d(name: str, mode: int = 0o755, uid: int = 0) -> Item:
    """A directory."""
    return _info(name, tarfile.DIRTYPE, mode, uid), b""


def link(name: str, target: str) -> Item:
    """A symlink."""
    return _info(name, tarfile.SYMTYPE, 0o777, target=target), b""


def hard(name: str, target: str) -> Item:
    """A hardlink."""
    return _info(name, tarfile.LNKTYPE, target=target), b""


def node(name: str, kind: bytes, major: int = 0, minor: int = 0) -> Item:
    """A fifo or a device."""
    info = _info(name, kind, 0o600)
    info.devmajor, info.devminor = major, minor
    return info, b""


def special(name: str, kind: bytes, **fields: object) -> Item:
    """What has other fields of its header set."""
    member, _ = f(name)
    member.type = kind
    for field, value in fields.items():
        setattr(member, field, value)
    return member, b""


def attributes(item: Item, **values: bytes) -> Item:
    """The same with extended attributes, `user__note` for user.note."""
    pax = {
        "SCHILY.xattr." + key.replace("__", "."): value.decode("utf-8", "surrogateescape")
        for key, value in values.items()
    }
    item[0].pax_headers = pax
    return item


def _info(name: str, kind: bytes, mode: int = 0o644, uid: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid, info.linkname, info.mtime = kind, mode, uid, uid, target, 7
    return info


def tar(*items: Item, format: int = tarfile.PAX_FORMAT) -> bytes:
    """The items as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format, errors="surrogateescape") as archive:
        for info, data in items:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
