"""Writes tar headers (POSIX.1-2001 pax), the same bytes on every Python version.

tarfile's own headers have changed between versions, and a changed byte is a changed layer.
"""

from __future__ import annotations

from slimtasks.errors import SlimError

END = bytes(1024)
_TYPES = {"file": b"0", "hardlink": b"1", "link": b"2", "char": b"3", "block": b"4", "dir": b"5", "fifo": b"6"}


def header(
    name: str,
    kind: str = "file",
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    target: str = "",
    device: tuple[int, ...] = (),
    xattrs: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """The header of one member, with a pax header before it where ustar's fields do not do.

    `kind` is a FileType or 'hardlink'; `xattrs` has values in hex; owners have numbers only.
    """
    path, link = _bytes(name), _bytes(target)
    records = {f"SCHILY.xattr.{key}".encode("utf-8", "surrogateescape"): bytes.fromhex(value) for key, value in xattrs}
    for key, text in (("path", path), ("linkpath", link)):
        if len(text) > 100 or not text.isascii():
            records[key.encode()] = text  # raw where it is not UTF-8, as Go writes it: GNU tar knows no hdrcharset
    for key, number, most in (
        ("uid", uid, 1 << 21),
        ("gid", gid, 1 << 21),
        ("size", size, 1 << 33),
        ("mtime", mtime, 1 << 33),
    ):
        if not 0 <= number < most:
            records[key.encode()] = str(number).encode()
    block = _block(path, _TYPES[kind], mode, uid, gid, size, mtime, link, device)
    if not records:
        return block
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    return _block(b"././@PaxHeader", b"x", 0o644, 0, 0, len(body), 0, b"", ()) + body + padding(len(body)) + block


def padding(size: int) -> bytes:
    """What fills a content of `size` bytes up to a whole block."""
    return bytes(-size % 512)


def _block(
    path: bytes,
    type_: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    link: bytes,
    device: tuple[int, ...],
) -> bytes:
    major, minor = device or (0, 0)
    if max(major, minor) >= 1 << 21:
        raise SlimError(f"a tar cannot hold the device {major}:{minor} of {path.decode(errors='replace')}", "drop it")
    start = path[:100].ljust(100, b"\0") + _octal(mode, 8) + _octal(uid, 8) + _octal(gid, 8) + _octal(size, 12)
    start += _octal(mtime, 12)
    end = type_ + link[:100].ljust(100, b"\0") + b"ustar\00000" + bytes(64) + _octal(major, 8) + _octal(minor, 8)
    end = end.ljust(512 - 156, b"\0")
    return start + b"%06o\0 " % (sum(start) + sum(end) + 8 * 32) + end


def _octal(number: int, width: int) -> bytes:
    """The number's octal digits; zeros where a pax record has it."""
    digits = b"%0*o" % (width - 1, max(number, 0))
    return (digits if len(digits) < width and number >= 0 else b"0" * (width - 1)) + b"\0"


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + len(str(len(rest)))
    if len(str(length)) > len(str(len(rest))):
        length += 1
    return str(length).encode() + rest


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
