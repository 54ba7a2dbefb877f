"""What `docker save` writes, read in one pass."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from oci_archives import config, docker_archive, dump, oci_layout, scanned
from tars import Item, d, f, hard, link, node, special, tar

from slimtasks.oci.saved import scan
from slimtasks.oci.stream import Readable
from slimtasks.records import Elf

A, B = hashlib.sha256(b"a").hexdigest()[:6], hashlib.sha256(b"b").hexdigest()[:6]
SCRIPT = hashlib.sha256(b"#! /bin/sh -e\nexit").hexdigest()[:6]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path


LOWER = tar(d("etc/"), f("etc/a", "a"), f("etc/b", "a", 0o4755, 1), link("lib", "usr/lib"), hard("etc/c", "etc/a"))
UPPER = tar(d("etc/", 0o700), f("etc/.wh.a"), f("etc/b", "b"))
EXPECTED = [
    "/ dir 755 0:0 L0",
    "/etc dir 700 0:0 L1",
    f"/etc/b file 644 0:0 L1 {B}",
    f"/etc/c file 644 0:0 L0 {A}",
    "/lib link 777 0:0 L0 target=usr/lib",
]


@pytest.mark.parametrize(
    "archive",
    [
        docker_archive(LOWER, UPPER),
        oci_layout(LOWER, UPPER),
        oci_layout(LOWER, UPPER, pack="gzip"),
        oci_layout(LOWER, UPPER, pack="zstd"),
        oci_layout(LOWER, UPPER, docker=False, attested=True),
    ],
    ids=["docker-archive", "oci", "oci-gzip", "oci-zstd", "oci-index-only"],
)
def test_every_shape_of_archive_gives_the_same_tree(archive: bytes, scratch: Path) -> None:
    found = scanned(archive, scratch, "/etc/b", "/etc/a")
    assert dump(found.entries) == EXPECTED
    assert found.files == {"/etc/b": b"b"}
    assert [layer.diff_id for layer in found.layers] == [
        "sha256:" + hashlib.sha256(x).hexdigest() for x in (LOWER, UPPER)
    ]
    assert found.config_digest == "sha256:" + hashlib.sha256(config((LOWER, UPPER))).hexdigest()
    assert found.size == 2


class _Trickle:
    """A stream of short reads, as a socket gives them."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, 333))


def test_short_reads_do_not_matter(scratch: Path) -> None:
    found = scan(
        _Trickle(docker_archive(LOWER, UPPER)), wanted=lambda p: False, read_elf=lambda x: None, scratch=scratch
    )
    assert dump(found.entries) == EXPECTED


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([[d("a/"), f("a/x", "a"), d("a/y/"), f("a/y/z", "a")], [f("a/.wh..wh..opq"), f("a/n", "b")]], ["/a", "/a/n"]),
        ([[d("a/"), f("a/x", "a")], [f(".wh.a")]], []),
        ([[d("a/"), f("a/x", "a")], [f("a", "b")]], ["/a"]),
        ([[f("a", "a")], [d("a/"), f("a/x", "b")]], ["/a", "/a/x"]),
        ([[d("a/"), f("a/x", "a")], [f(".wh.a"), d("a/"), f("a/n", "b")]], ["/a", "/a/n"]),
        ([[d("a/"), f("a/x", "a")], [d("a/"), f("a/n", "b"), f(".wh.a")]], ["/a", "/a/n"]),
        ([[f("./a", "a")], [f("/a", "b")]], ["/a"]),
        ([[f("a", "a"), f("a", "b")]], ["/a"]),
        ([[d("usr/lib/"), link("lib", "usr/lib"), f("lib/x", "a")]], ["/lib", "/usr", "/usr/lib", "/usr/lib/x"]),
        ([[d("usr/lib/"), link("lib", "usr/lib")], [f("lib/x", "a")]], ["/lib", "/lib/x", "/usr", "/usr/lib"]),
        ([[f("a-b", "a"), d("a/"), f("a/c", "a")], [f("a", "b")]], ["/a", "/a-b"]),
        ([[f("a", "a")], [f("a/.wh..wh..plnk"), f(".wh..wh.aufs")]], ["/a"]),
    ],
    ids=[
        *("opaque", "whiteout", "file-over-dir", "dir-over-file", "whiteout-and-again", "whiteout-after", "names"),
        *("twice", "through-link", "dir-hides-link", "sorted-neighbours", "aufs"),
    ],
)
def test_layers_stack_as_overlayfs_stacks_them(layers: list[list[Item]], expected: list[str], scratch: Path) -> None:
    found = scanned(docker_archive(*(tar(*layer) for layer in layers)), scratch)
    assert [entry.path for entry in found.entries] == ["/", *expected]


def test_parents_that_no_layer_names_are_roots(scratch: Path) -> None:
    found = scanned(docker_archive(tar(f("opt/app/x", "a", uid=5))), scratch)
    assert dump(found.entries)[1:] == [
        "/opt dir 755 0:0 L0",
        "/opt/app dir 755 0:0 L0",
        f"/opt/app/x file 644 5:5 L0 {A}",
    ]


def test_hardlinks_point_to_the_first_surviving_name(scratch: Path) -> None:
    lower = tar(f("m", "a"), hard("z", "m"), hard("a", "z"), f("n", "a"))
    found = scanned(docker_archive(lower, tar(f(".wh.a"))), scratch)
    assert dump(found.entries)[1:] == [
        f"/m file 644 0:0 L0 {A}",
        f"/n file 644 0:0 L0 {A}",
        f"/z file 644 0:0 L0 {A} hardlink=/m",
    ]


def test_a_hardlink_s_header_counts_for_all_names(scratch: Path) -> None:
    """As in engines, which set owner and mode after each name; most tars say the same of all names."""
    said = special("b", tarfile.LNKTYPE, linkname="m", mode=0o4711, uid=5, gid=6, mtime=9)
    found = scanned(docker_archive(tar(f("m", "a", 0o600), hard("a", "m"), said)), scratch)
    assert dump(found.entries)[1:] == [
        f"/a file 4711 5:6 L0 {A}",
        f"/b file 4711 5:6 L0 {A} hardlink=/a",
        f"/m file 4711 5:6 L0 {A} hardlink=/a",
    ]
    assert {entry.mtime for entry in found.entries[1:]} == {9}


def test_a_hardlink_to_a_file_of_a_lower_layer(scratch: Path) -> None:
    found = scanned(docker_archive(tar(f("m", "a")), tar(hard("b", "m"), f(".wh.m"))), scratch)
    assert dump(found.entries)[1:] == [f"/b file 644 0:0 L1 {A}"]


def test_a_name_that_was_replaced_in_the_same_layer_is_no_hardlink_any_more(scratch: Path) -> None:
    found = scanned(docker_archive(tar(f("m", "a"), hard("b", "m"), f("m", "b"))), scratch)
    assert dump(found.entries)[1:] == [f"/b file 644 0:0 L0 {A}", f"/m file 644 0:0 L0 {B}"]


def test_everything_that_a_tree_can_hold(scratch: Path) -> None:
    layer = tar(
        node("dev/null", tarfile.CHRTYPE, 1, 3),
        node("dev/sda", tarfile.BLKTYPE, 8, 0),
        node("fifo", tarfile.FIFOTYPE),
        f("ping", "a", pax={"SCHILY.xattr.security.capability": "\x01\0\udc80", "SCHILY.xattr.security.selinux": "x"}),
        f("script", "#! /bin/sh -e\nexit"),
        f("caf\udce9", "a"),
        f("n" * 300, "a", uid=1 << 31),
    )
    found = scanned(docker_archive(layer), scratch)
    assert dump(found.entries)[1:] == [
        f"/caf\udce9 file 644 0:0 L0 {A}",
        "/dev dir 755 0:0 L0",
        "/dev/null char 600 0:0 L0 device=(1, 3)",
        "/dev/sda block 600 0:0 L0 device=(8, 0)",
        "/fifo fifo 600 0:0 L0",
        f"/{'n' * 300} file 644 {1 << 31}:{1 << 31} L0 {A}",
        f"/ping file 644 0:0 L0 {A} xattrs=(('security.capability', '010080'),)",
        f"/script file 644 0:0 L0 {SCRIPT} script=/bin/sh -e",
    ]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_format(format: int, scratch: Path) -> None:
    name = "/".join(["d" * 60] * 3)
    found = scanned(docker_archive(tar(f(name, "a"), link("l", "t" * 90), format=format)), scratch)
    assert [(e.path, e.target) for e in found.entries if e.type != "dir"] == [(f"/{name}", ""), ("/l", "t" * 90)]


def test_sparse_files_count_as_dense(scratch: Path) -> None:
    """As GNU tar writes them in its old and its pax formats."""
    sparse = scratch / "sparse"
    with sparse.open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
        file.truncate(3 << 20)
    for format in ("gnu", "posix"):
        packed = scratch / f"{format}.tar"
        assert not os.system(f"tar -C {scratch} --format={format} -Scf {packed} sparse")  # noqa: S605
        assert packed.stat().st_size < 1 << 20
        found = scanned(docker_archive(packed.read_bytes()), scratch)
        assert found.entries[1].digest == hashlib.sha256(sparse.read_bytes()).hexdigest()
        assert found.entries[1].size == 3 << 20


def test_elf_files_of_any_size_can_be_sought_in(scratch: Path) -> None:
    big = b"\x7fELF" + os.urandom(3 << 20)

    def read_elf(file: BinaryIO) -> Elf:
        start = file.read(4)
        file.seek(-2, io.SEEK_END)
        return Elf(soname=f"{start!r} {file.read()!r} {file.tell()}")

    layer = tar(f("big", big), f("small", b"\x7fELFxy"), f("no", "ELF"))
    found = scan(io.BytesIO(docker_archive(layer)), wanted=lambda p: False, read_elf=read_elf, scratch=scratch)
    sonames = {entry.path: entry.elf.soname for entry in found.entries if entry.elf}
    assert sonames == {"/big": f"{big[:4]!r} {big[-2:]!r} {len(big)}", "/small": f"{big[:4]!r} b'xy' 6"}
    assert list(scratch.iterdir()) == []


def test_history_names_each_layer(scratch: Path) -> None:
    history: list[dict[str, Any]] = [
        {"created_by": "ADD a"},
        {"created_by": "ENV", "empty_layer": True},
        {"created_by": "RUN b"},
    ]
    archive = docker_archive(LOWER, UPPER, raw_config=config((LOWER, UPPER), history))
    assert [layer.created_by for layer in scanned(archive, scratch).layers] == ["ADD a", "RUN b"]
    archive = docker_archive(LOWER, UPPER, raw_config=config((LOWER, UPPER), history[:1]))
    assert [layer.created_by for layer in scanned(archive, scratch).layers] == ["", ""]


def test_a_layer_that_comes_twice(scratch: Path) -> None:
    found = scanned(docker_archive(LOWER, UPPER, LOWER), scratch)
    assert dump(found.entries)[2:4] == [f"/etc/a file 644 0:0 L2 {A}", f"/etc/b file 4755 1:1 L2 {A}"]


def test_an_empty_layer(scratch: Path) -> None:
    assert dump(scanned(docker_archive(bytes(1024), LOWER), scratch).entries)[1] == "/etc dir 755 0:0 L1"


class _Zeros:
    """A stream of some MB of zeros, made as they are read."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


def test_a_layer_is_never_held(scratch: Path) -> None:
    size = 300 << 20
    info, _ = f("big.bin")
    info.size = size - (1 << 20)
    head = info.tobuf(tarfile.PAX_FORMAT)
    layer = hashlib.sha256(head)
    for _ in range(300):
        layer.update(bytes(1 << 20))
    raw = json.dumps({"rootfs": {"diff_ids": [f"sha256:{layer.hexdigest()}"]}})
    outer, _ = f("layer.tar")
    outer.size = len(head) + size
    manifest = json.dumps([{"Config": "config.json", "Layers": ["layer.tar"]}])
    rest = tar(f("config.json", raw), f("manifest.json", manifest))
    parts: list[Readable] = [io.BytesIO(outer.tobuf(tarfile.PAX_FORMAT) + head), _Zeros(size), io.BytesIO(rest)]

    class Joined:
        def read(self, size: int, /) -> bytes:
            return parts[0].read(size) or parts[1].read(size) or parts[2].read(size)

    gc.collect()
    tracemalloc.start()
    found = scan(Joined(), wanted=lambda p: True, read_elf=lambda x: None, scratch=scratch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.size == 299 << 20
    assert peak < 8 << 20
