"""Layers as they are written: what goes in comes out, the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oci_archives import docker_archive, dump, scanned, small_disk

from slimtasks.errors import SlimError
from slimtasks.oci.header import END, header, padding
from slimtasks.oci.layer import LayerWriter
from slimtasks.records import Entry, ImagePath

__all__ = ["small_disk"]  # pytest finds fixtures by name

ENTRIES = (
    (Entry(ImagePath("/"), "dir", 0o755), None),
    (Entry(ImagePath("/bin"), "link", 0o777, target="usr/bin"), None),
    (Entry(ImagePath("/caf\udce9"), "file", 0o644, size=1), b"x"),
    (Entry(ImagePath("/dev"), "dir", 0o755), None),
    (Entry(ImagePath("/dev/null"), "char", 0o666, device=(1, 3)), None),
    (Entry(ImagePath("/f"), "fifo", 0o600, uid=3, gid=4), None),
    (Entry(ImagePath("/" + "n" * 200), "file", 0o4711, uid=1 << 22, size=3, mtime=-5), b"abc"),
    (Entry(ImagePath("/ping"), "file", 0o755, size=2, mtime=9, xattrs=(("security.capability", "0100ff"),)), b"hi"),
    (Entry(ImagePath("/pong"), "file", 0o755, size=2, mtime=9, hardlink="/ping"), None),
    (Entry(ImagePath("/tmp"), "dir", 0o1777), None),
)


def write(store: Path, mtime: int | None = None) -> Path:
    with LayerWriter(store, "root") as layer:
        for entry, content in ENTRIES:
            layer.add(entry, content, mtime=mtime)
        done = layer.finish()
    assert done
    return store / f"{done.diff_id[7:]}.tar"


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    found = scanned(docker_archive(write(tmp_path / "store").read_bytes()), tmp_path)
    x, abc, hi = (hashlib.sha256(data).hexdigest()[:6] for data in (b"x", b"abc", b"hi"))
    assert dump(found.entries) == [
        "/ dir 755 0:0 L0",
        "/bin link 777 0:0 L0 target=usr/bin",
        f"/caf\udce9 file 644 0:0 L0 {x}",
        "/dev dir 755 0:0 L0",
        "/dev/null char 666 0:0 L0 device=(1, 3)",
        "/f fifo 600 3:4 L0",
        f"/{'n' * 200} file 4711 {1 << 22}:0 L0 {abc}",
        f"/ping file 755 0:0 L0 {hi} xattrs=(('security.capability', '0100ff'),)",
        f"/pong file 755 0:0 L0 {hi} hardlink=/ping xattrs=(('security.capability', '0100ff'),)",
        "/tmp dir 1777 0:0 L0",
    ]
    assert {entry.path: entry.mtime for entry in found.entries if entry.mtime} == {
        "/" + "n" * 200: -5,
        "/ping": 9,
        "/pong": 9,
    }


def test_the_bytes_are_fixed(tmp_path: Path) -> None:
    """A changed byte is a changed layer for every user: change this digest only on purpose."""
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.stem == hashlib.sha256(first.read_bytes()).hexdigest()
    assert first.stem == "815fb12b3dd6c375fca7d6cb824cd868a62aa56ffc19c98bfa60bb5984d5acb5"


def test_one_time_for_all(tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path, mtime=42)) as archive:
        assert {member.mtime for member in archive} == {42}


def test_other_readers_agree(tmp_path: Path) -> None:
    listing = subprocess.run(["tar", "-tvf", write(tmp_path)], capture_output=True, check=True, env={"TZ": "UTC"})
    assert listing.stderr == b""
    assert len(listing.stdout.splitlines()) == len(ENTRIES)
    assert b"ping" in listing.stdout and b"pong link to ping" in listing.stdout


def test_a_layer_tells_its_sizes(tmp_path: Path) -> None:
    with LayerWriter(tmp_path, "application") as layer:
        for entry, content in ENTRIES:
            layer.add(entry, content)
        done = layer.finish()
    assert done
    assert (done.name, done.content_size, done.files) == ("application", 6, 7)
    assert done.size == (tmp_path / f"{done.diff_id[7:]}.tar").stat().st_size


def test_an_empty_layer_is_none(tmp_path: Path) -> None:
    with LayerWriter(tmp_path, "x") as layer:
        assert layer.finish() is None
    assert list(tmp_path.iterdir()) == []


FILE = Entry(ImagePath("/b"), "file", 0o644, size=1, digest=hashlib.sha256(b"x").hexdigest())


@pytest.mark.parametrize(
    ("entry", "content", "message"),
    [
        (FILE, b"x", "comes twice"),
        (Entry(ImagePath("/a"), "dir", 0o755), None, "after /b"),
        (Entry(ImagePath("/c"), "file", 0o644, size=2), b"x", "1 bytes, not 2"),
        (Entry(ImagePath("/c"), "file", 0o644, size=1, digest=FILE.digest), b"y", "other content"),
        (Entry(ImagePath("/c"), "file", 0o644, size=1, hardlink="/a"), None, "not in this layer"),
        (Entry(ImagePath("/d/.wh.x"), "file", 0o644), b"", "would delete"),
        (Entry(ImagePath("/d"), "char", 0o644, device=(1 << 30, 0)), None, "cannot hold the device"),
    ],
)
def test_what_no_layer_may_have(entry: Entry, content: bytes | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(SlimError, match=message), LayerWriter(tmp_path, "x") as layer:
        layer.add(FILE, b"x")
        layer.add(entry, content)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_the_store_has_stays(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = path.stat()
    assert write(tmp_path) == path
    assert path.stat().st_ino == before.st_ino
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told(small_disk: Path) -> None:
    entry = Entry(ImagePath("/big"), "file", 0o644, size=5 << 20)
    with pytest.raises(SlimError) as error, LayerWriter(small_disk, "root", needed=entry.size) as layer:
        layer.add(entry, bytes(entry.size))
    assert "the disk is full" in error.value.what and "(5.2 MB in all)" in error.value.what
    assert str(small_disk) in error.value.hint
    assert list(small_disk.iterdir()) == []


NAMES = st.binary(min_size=1, max_size=300).map(lambda b: b.replace(b"\0", b"_").decode("utf-8", "surrogateescape"))
NUMBERS = st.integers(min_value=0, max_value=1 << 40)


@settings(max_examples=300)
@given(
    name=NAMES,
    target=NAMES,
    mode=st.integers(0, 0o7777),
    uid=NUMBERS,
    size=NUMBERS,
    mtime=st.integers(-(1 << 40), 1 << 40),
    value=st.binary(max_size=200),
)
def test_tarfile_reads_any_header(
    name: str, target: str, mode: int, uid: int, size: int, mtime: int, value: bytes
) -> None:
    name, target = name.strip("/") or "x", target
    raw = header(
        name, "link", mode=mode, uid=uid, gid=uid, mtime=mtime, target=target, xattrs=(("user.x", value.hex()),)
    )
    raw += header("file", size=size)
    assert len(raw) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(raw + END), mode="r:", errors="surrogateescape") as archive:
        info = archive.next()
        file = archive.next()
    assert info and file
    assert (info.name, info.linkname) == (name, target)
    assert (info.mode, info.uid, info.gid, info.mtime) == (mode, uid, uid, mtime)
    assert info.pax_headers["SCHILY.xattr.user.x"].encode("utf-8", "surrogateescape") == value
    assert file.size == size
    assert len(padding(size)) < 512 and (size + len(padding(size))) % 512 == 0
