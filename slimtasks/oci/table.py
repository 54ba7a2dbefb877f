"""What one layer's tar says: the last entry of each name, with digests, and what it hides below."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from slimtasks.errors import SlimError
from slimtasks.oci.store import disk_full
from slimtasks.oci.stream import Forward
from slimtasks.oci.tar import Member, content, members
from slimtasks.records import Elf, ImagePath

FILES_LIMIT = 4 << 20  # bytes of one file whose content is kept
_DATABASE_LIMIT = 128 << 20  # of one of SQLite's
_IN_MEMORY = 1 << 20  # ELF files up to this many bytes are not spooled to disk
_LINKS_LIMIT = 255  # symlinks followed in one path; Linux follows 40
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"

ReadElf = Callable[[BinaryIO], Elf | None]
Wanted = Callable[[str], bool]


class Node(NamedTuple):
    """One path of one layer."""

    member: Member
    digest: str = ""
    elf: Elf | None = None
    script: str = ""
    inode: int = 0  # the number of the member that brought the content, the same for all its names
    content: bytes | None = None  # where it was wanted


@dataclass
class Table:
    """One layer; whiteouts and opaque directories hide what lower layers have."""

    nodes: dict[ImagePath, Node] = field(default_factory=dict)
    links: dict[ImagePath, ImagePath] = field(default_factory=dict)  # hardlinks whose first name is below
    whiteouts: list[ImagePath] = field(default_factory=list)
    opaques: list[ImagePath] = field(default_factory=list)


class FileReader:
    """Reads contents once: digest, ELF, first line, and the bytes themselves where wanted."""

    def __init__(self, wanted: Wanted, read_elf: ReadElf, scratch: Path, spool: IO[bytes]) -> None:
        self._scratch = scratch
        self._wanted = wanted
        self._read_elf = read_elf
        self._spool = spool

    def node(self, stream: Forward, member: Member, path: ImagePath, inode: int) -> Node:
        start = bytes(stream.peek(min(member.size, 256))) if not member.holes else b""
        is_elf = start[:4] == b"\x7fELF"
        limit = _DATABASE_LIMIT if path.endswith((".sqlite", ".sqlite-wal")) else FILES_LIMIT
        kept = member.size <= limit and self._wanted(path)
        copy = self._copy(member.size) if is_elf or kept else None
        sha256 = hashlib.sha256()
        for view in content(stream, member):
            sha256.update(view)
            if copy is not None:
                with disk_full(self._scratch, member.size):
                    copy.write(view)
        elf = data = None
        if copy is not None and kept:
            copy.seek(0)
            data = copy.read(member.size)
        if copy is not None and is_elf:
            copy.seek(0)
            elf = self._read_elf(cast(BinaryIO, copy))
        return Node(member, sha256.hexdigest(), elf, _script(start), inode, data)

    def _copy(self, size: int) -> IO[bytes]:
        if size <= _IN_MEMORY:
            return io.BytesIO()
        self._spool.seek(0)
        self._spool.truncate()
        return self._spool


@contextmanager
def file_reader(wanted: Wanted, read_elf: ReadElf, scratch: Path) -> Iterator[FileReader]:
    """A reader that spools big ELF files, one at a time, to a nameless file in `scratch`."""
    with disk_full(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as spool:
        yield FileReader(wanted, read_elf, scratch, spool)


def read_table(stream: Forward, reader: FileReader) -> Table:
    """The table of the layer whose uncompressed tar is `stream`; it may lack its end marker."""
    layer = _Layer()
    for number, member in enumerate(members(stream, whole=False), start=1):
        path = layer.place(member.name)
        parent, name = posixpath.split(path)
        if name == _OPAQUE:
            layer.table.opaques.append(ImagePath(parent))
        elif name.startswith(_WHITEOUT):
            if not name.startswith(_WHITEOUT * 2):  # others of aufs' own names mean nothing here
                layer.table.whiteouts.append(ImagePath(posixpath.join(parent, name[len(_WHITEOUT) :])))
        elif member.kind == "hardlink":
            layer.link(path, member)
        elif member.kind == "file":
            layer.put(path, reader.node(stream, member, path, number))
        else:
            layer.put(path, Node(member, inode=number))
    return layer.finished()


def image_path(name: str) -> ImagePath:
    """A member's name as a path in the image; refuses one that climbs out."""
    parts = [part for part in name.split("/") if part and part != "."]
    if ".." in parts:
        raise SlimError(f"an image archive has a name that climbs out: {name[:200]!r}", "it is damaged or hostile")
    return ImagePath("/" + "/".join(parts))


class _Layer:
    """Puts names where an extraction would put them: below the target of a symlink that the layer brought before."""

    def __init__(self) -> None:
        self.table = Table()
        self._homes: dict[str, str] = {"/": "/"}  # directory as named -> where it is
        self._said: dict[int, Member] = {}  # by inode, of those with several names

    def place(self, name: str) -> ImagePath:
        path = image_path(name)
        if path == "/":
            return path
        parent, base = posixpath.split(path)
        home = self._homes.get(parent)
        if home is None:
            home = self._home(parent)
        return path if home == parent else ImagePath(posixpath.join(home, base))

    def put(self, path: ImagePath, node: Node) -> None:
        if path in self._homes and path != "/":
            self._homes = {"/": "/"}
        self.table.links.pop(path, None)
        self.table.nodes[path] = node

    def link(self, path: ImagePath, member: Member) -> None:
        """A further name of an earlier member, or of a file in a lower layer; its header counts for all names."""
        target = self.place(member.target)
        node = self.table.nodes.get(target)
        if node is None:
            self.table.nodes.pop(path, None)
            self.table.links[path] = self.table.links.get(target, target)
        elif node.member.kind == "dir":
            raise SlimError(f"an image archive hardlinks the directory {target}", "it is damaged or hostile")
        elif path != target:
            self.put(path, node)
            self._said[node.inode] = _changed(self._said.get(node.inode, node.member), member)

    def finished(self) -> Table:
        """The table, each inode as the header of its last name has it."""
        nodes = self.table.nodes
        for path, node in nodes.items() if self._said else ():
            if node.inode in self._said:
                nodes[path] = node._replace(member=self._said[node.inode])
        return self.table

    def _home(self, directory: str) -> str:
        """Where `directory` is, once the symlinks of this layer are followed."""
        done, budget = "/", _LINKS_LIMIT
        todo = directory.split("/")[:0:-1]
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = posixpath.dirname(done)
                continue
            path = posixpath.join(done, part)
            node = self.table.nodes.get(ImagePath(path))
            if node is None or node.member.kind != "link":
                done = path
                continue
            budget -= 1
            if not budget:
                raise SlimError(f"an image archive has a loop of symlinks at {path}", "it is damaged or hostile")
            if node.member.target.startswith("/"):
                done = "/"
            todo += node.member.target.split("/")[::-1]
        self._homes[directory] = done
        return done


def _changed(inode: Member, name: Member) -> Member:
    """The inode's header after that of a further name: engines set owner, mode, time and attributes again."""
    mode = inode.mode if inode.kind == "link" else name.mode
    xattrs = tuple(sorted({**dict(inode.xattrs), **dict(name.xattrs)}.items())) if name.xattrs else inode.xattrs
    return inode._replace(mode=mode, uid=name.uid, gid=name.gid, mtime=name.mtime, xattrs=xattrs)


def _script(start: bytes) -> str:
    """What follows '#!' in the first line, execve(2)."""
    if start[:2] != b"#!":
        return ""
    return start[2:].partition(b"\n")[0].decode("utf-8", "surrogateescape").strip()
