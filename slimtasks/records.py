"""What the stages tell each other: frozen records, written as JSON lines.

Names that are not UTF-8 travel as surrogate escapes. A field that has its default value is left out
of its line, so that lines stay short and new fields do not change old files.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Literal, NewType, TypeVar, cast

from slimtasks.errors import Damaged

_IN_MEMORY = 1 << 20  # bytes of lines, before they go to a file until their number is known

ImagePath = NewType("ImagePath", str)
"""A path in an image: absolute, normalised, `/` for the root; symlinks in it are not resolved."""

FileType = Literal["file", "dir", "link", "fifo", "char", "block"]

LOOKS = frozenset({"stat", "access", "readlink"})
WRITES = frozenset({"write", "create", "rename", "remove", "bind"})
NAMED = "structure-test"
"""The source of what no program asked for: tests of the spec name it."""
HOWS = LOOKS | WRITES | {"exec", "read", "list", "map", "miss"}
"""The ways of using a path, as `Access.how` has them."""


@dataclass(frozen=True)
class Elf:
    """The dynamic section of an ELF file (elf(5)), as far as ld.so reads it."""

    machine: int = 0  # e_machine
    bits: int = 64
    interpreter: str = ""  # PT_INTERP
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()  # split at ':', $ORIGIN not expanded
    runpath: tuple[str, ...] = ()
    cancels: bool = False  # imports pthread_cancel or pthread_exit, for which glibc loads libgcc_s


@dataclass(frozen=True)
class Entry:
    """One path of an image's file tree."""

    path: ImagePath
    type: FileType
    mode: int  # permission bits with setuid, setgid, sticky
    uid: int = 0
    gid: int = 0
    size: int = 0  # bytes; 0 for all but files
    mtime: int = 0  # seconds since 1970
    target: str = ""  # of a symlink, as stored
    hardlink: str = ""  # the first name of the same inode in sorted order; empty for that first name
    device: tuple[int, ...] = ()  # (major, minor) of char and block
    digest: str = ""  # sha256 of a file's content, hex
    xattrs: tuple[tuple[str, str], ...] = ()  # (name, value in hex), sorted; POSIX ACLs are system.posix_acl_*
    layer: int = 0  # index of the layer that wrote it last
    package: str = ""  # who owns it, as in 'deb/libc6', 'apk/musl'; empty where nobody does
    elf: Elf | None = None
    script: str = ""  # what follows '#!' in a file's first line


@dataclass(frozen=True)
class Package:
    """One package of the distribution's database."""

    name: str  # with its type: 'deb/libc6', 'apk/musl'
    version: str
    architecture: str = ""
    source: str = ""  # name of the source package
    depends: tuple[tuple[str, ...], ...] = ()  # names without type: all of these, of each any one
    paths: tuple[ImagePath, ...] = ()  # what its file list names, after diversions
    provides: tuple[str, ...] = ()  # virtual packages, names without type


def bare_name(package: str) -> str:
    """'libc6' of 'deb/libc6', as its distribution calls it; of what has no type, that itself."""
    return package.rpartition("/")[2]


@dataclass(frozen=True)
class Layer:
    """One layer of the fat image, and what its history says of it."""

    diff_id: str  # 'sha256:...'
    created_by: str = ""


@dataclass(frozen=True)
class Fat:
    """The image that gets slimmed (build/<n>/fat.json)."""

    id: str  # what the engine calls it
    config_digest: str
    tree_digest: str  # of (path, type, mode, owner, target, content) of every path but caches and logs
    size: int  # sum of the layers' file contents, bytes
    config: dict[str, Any]  # the image config (OCI image-spec, config.md), as the engine gave it
    layers: tuple[Layer, ...]
    whole: bool = False  # every file is wanted: the image was made to be shipped as it is (from.stdout)


@dataclass(frozen=True, slots=True)
class Access:
    """One path that the traced run used, in one of the ways below.

    how: exec, read (opened, not only for writing), write (opened for writing, or its owner, mode, times or
    attributes set), list (a directory that was opened), map (into memory, as code), stat, access, readlink,
    create, rename, remove, bind (a socket made there), miss (a lookup that failed). fanotify cannot tell for
    what a file was opened: of it alone, that is `read`.
    """

    path: ImagePath  # the string that was asked, made absolute, or the resolved path, as the source gives it
    how: str
    by: tuple[str, ...] = ()  # paths of the programs, as far as they are known
    steps: tuple[int, ...] = ()  # of the workload; 0 is the start of the container
    sources: tuple[str, ...] = ()  # fanotify | inotify | strace | ebpf | proc; from elsewhere 'FILE:strace'
    asked: tuple[str, ...] = ()  # the strings that were asked, where they are not the path itself
    reached: ImagePath = ImagePath("")  # where the symlinks of the fat image lead, if that is another path


@dataclass(frozen=True)
class Program:
    """What one program did in the traced run, besides using paths. Empty: nothing, or no source saw such."""

    program: str  # its path; '' for all that is not known by whom it was
    syscalls: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()  # 'tcp 0.0.0.0:80', 'udp [::]:53', 'unix /run/x', 'unix @abstract', 'netlink'
    connects: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()  # 'CHOWN'
    devices: tuple[str, ...] = ()  # paths below /dev
    ipc: tuple[str, ...] = ()  # 'sysv shm', 'posix /name'
    writes: tuple[str, ...] = ()  # paths that it wrote, created, renamed, removed or bound


@dataclass(frozen=True)
class Reason:
    """Why a path stays: a word of the design's table, and by whom."""

    kind: str  # traced | asked | needed | own | kept | package | metadata
    detail: str = ""
    by: ImagePath = ImagePath("")  # the path of the fat image for whose sake it is, if it is for one that stays


@dataclass(frozen=True)
class Selected:
    """One path that stays, and why."""

    path: ImagePath
    reasons: tuple[Reason, ...]
    content: str = ""  # where it is not the fat image's: the text to write instead (metadata)
    target: str = ""  # of a symlink, where it is not the fat image's
    source: ImagePath = ImagePath("")  # the fat image's path, where it is another one (moved by final.base)


@dataclass(frozen=True)
class SlimLayer:
    """One layer of the slim image; its tar is build/layers/<diff ID without 'sha256:'>.tar."""

    diff_id: str
    name: str  # root | infrastructure | application | customisation; builder: made by `final.builder` alone
    size: int  # of the tar, bytes
    content_size: int  # of the files in it, bytes; hardlinks once
    files: int


@dataclass(frozen=True)
class SlimImage:
    """A finished image (build/<n>/image.json)."""

    id: str  # what the engine calls it
    config_digest: str
    manifest_digest: str
    size: int  # sum of the layers' file contents, bytes
    files: int
    layers: tuple[SlimLayer, ...]
    tags: tuple[str, ...]
    platform: str  # 'linux/amd64'


R = TypeVar("R")


def to_json(record: Any) -> dict[str, Any]:
    """The record's fields, less those that have their default."""
    result = {}
    for name, default in _defaults(record.__class__):
        value = getattr(record, name)
        if value is default or value == default:
            continue
        if hasattr(value, "__dataclass_fields__"):
            value = to_json(value)
        elif isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
            value = [to_json(item) for item in value]
        result[name] = value
    return result


_NESTED: dict[tuple[type, str], type] = {
    (Entry, "elf"): Elf,
    (Selected, "reasons"): Reason,
    (Fat, "layers"): Layer,
    (SlimImage, "layers"): SlimLayer,
}


def from_json(kind: type[R], data: dict[str, Any]) -> R:
    """The record that `to_json` wrote; what is none raises TypeError or AttributeError."""
    required, known = _names(cast(Any, kind))
    if not required <= data.keys() <= known:
        return kind(**{name: _value(kind, name, value) for name, value in data.items()})
    record = object.__new__(kind)
    for name, value in data.items():  # in two thirds of the time of __init__, which sets the defaults as well
        object.__setattr__(record, name, _value(kind, name, value) if value.__class__ in (list, dict) else value)
    return record


def _value(kind: type, name: str, value: Any) -> Any:
    nested = _NESTED.get((kind, name))
    if isinstance(value, list):
        return tuple(from_json(nested, item) if nested else _frozen(item) for item in value)
    return from_json(nested, value) if nested and isinstance(value, dict) else value


@cache
def _names(kind: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The fields that a record must have, and those that it may have; none where the class has slots, not defaults."""
    required = frozenset(field.name for field in fields(kind) if field.default is MISSING)
    slots = any("__slots__" in vars(one) for one in kind.__mro__)  # those of a class that it is made of, too
    return required, frozenset() if slots else frozenset(field.name for field in fields(kind))


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((f.name, f.default) for f in fields(kind))


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Opens `path` for writing so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            error.filename = str(path)  # a write tells none
        raise
    finally:
        partial.unlink(missing_ok=True)


def share_file(source: Path, target: Path) -> None:
    """Makes `target` another name of the file `source`, or a copy where the file system has no links."""
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.link(source, partial)
    except OSError:
        with source.open("rb") as content, whole_file(target) as file:
            shutil.copyfileobj(content, file)
        return
    partial.replace(target)


def write_json(path: Path, data: Any) -> None:
    """Writes a record, or plain data, as indented JSON with sorted keys."""
    if hasattr(data, "__dataclass_fields__"):
        data = to_json(data)
    with whole_file(path) as file:
        file.write(json.dumps(data, indent=1, sort_keys=True).encode() + b"\n")


@contextmanager
def intact(path: Path) -> Iterator[None]:
    """Damaged for whatever the code inside stumbles over in the content of the file."""
    try:
        yield
    except json.JSONDecodeError as error:
        reason = f"no JSON at {error.lineno}:{error.colno}" if error.doc.strip() else "nothing where JSON should be"
        raise Damaged(path, reason) from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Damaged(path, f"not what was written ({error})") from error


def read_json(path: Path) -> Any:
    """Plain data; raises Damaged."""
    with intact(path):
        return json.loads(path.read_bytes())


def read_record(path: Path, kind: type[R]) -> R:
    """The record alone; raises Damaged."""
    with intact(path):
        return from_json(kind, json.loads(path.read_bytes()))


def write_lines(path: Path, header: dict[str, Any], records: Iterable[Any]) -> None:
    """Writes a header line, with the number of `lines` that follow, and then a line for each record."""
    encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
    lines = 0
    with whole_file(path) as file, SpooledTemporaryFile(_IN_MEMORY, "w+b", dir=str(path.parent)) as body:
        for record in records:
            body.write(encode(to_json(record)).encode() + b"\n")
            lines += 1
        body.seek(0)
        file.write(encode({**header, "lines": lines}).encode() + b"\n")
        shutil.copyfileobj(body, file)


def read_header(path: Path) -> dict[str, Any]:
    """The header alone; raises Damaged."""
    with path.open("rb") as file, intact(path):
        return dict(json.loads(file.readline()))


def has_all_lines(path: Path) -> bool:
    """Whether the file has as many lines as its header says; what is in them is not looked at."""
    try:
        lines = read_header(path).get("lines")
    except Damaged:
        return False
    with path.open("rb") as file:
        return lines == sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) - 1


def read_lines(path: Path, kind: type[R]) -> tuple[dict[str, Any], Iterator[R]]:
    """The header, and the records one by one; raises Damaged, then too."""
    header = read_header(path)

    def records() -> Iterator[R]:
        read = 0
        decode = json.JSONDecoder().raw_decode  # in two thirds of the time of json.loads, for lines that are short
        with intact(path), path.open(encoding="utf-8", newline="\n") as file:
            file.readline()
            for line in file:
                data, end = decode(line)
                if line[end:].strip():
                    raise Damaged(path, f"more than a record in line {read + 2}")
                yield from_json(kind, data)  # what whoever takes it raises does not come here
                read += 1
        if read != header.get("lines", read):
            raise Damaged(path, f"it ends after {read} of {header['lines']} lines")

    return header, records()
