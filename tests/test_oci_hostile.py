"""Archives that are damaged, or made to do harm."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from oci_archives import config, docker_archive, packing, scanned
from tars import d, f, hard, link, node, tar

from slimtasks.errors import SlimError

LOWER = tar(d("etc/"), f("etc/a", "a"))
UPPER = tar(f("etc/b", "b"))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path


def _with_header(**fields: bytes) -> bytes:
    """A layer whose second header has these bytes, with a right checksum."""
    offsets = {"size": 124, "type": 156}
    layer = bytearray(tar(f("a"), f("b")))
    for name, value in fields.items():
        layer[512 + offsets[name] : 512 + offsets[name] + len(value)] = value
    layer[512 + 148 : 512 + 156] = b"        "
    layer[512 + 148 : 512 + 156] = b"%06o\0 " % sum(layer[512:1024])
    return bytes(layer)


def _endless_sparse() -> bytes:
    """A sparse file whose map goes on and on, in GNU's old format."""
    layer = bytearray(_with_header(type=b"S"))
    more = (b"00000000001\0" * 42).ljust(504, b"\0") + b"\1" + bytes(7)
    layer[512 + 482] = 1
    layer[512 + 148 : 512 + 156] = b"        "
    layer[512 + 148 : 512 + 156] = b"%06o\0 " % sum(layer[512:1024])
    return bytes(layer[:1024]) + more * 20_000


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "climbs": (lambda: docker_archive(tar(f("../../etc/passwd", "x"))), "climbs out"),
    "climbs-inside": (lambda: docker_archive(tar(f("a/../../b", "x"))), "climbs out"),
    "hardlink-climbs": (lambda: docker_archive(tar(f("a"), hard("b", "../../etc/passwd"))), "climbs out"),
    "hardlink-to-nothing": (lambda: docker_archive(tar(hard("b", "/etc/passwd"))), "not there"),
    "hardlink-to-directory": (lambda: docker_archive(tar(d("a/"), hard("b", "a"))), "hardlinks the directory"),
    "links-loop": (lambda: docker_archive(tar(link("a", "b"), link("b", "a"), f("a/x"))), "loop of symlinks"),
    "file-and-directory": (lambda: docker_archive(tar(f("a"), f("a/b"))), "file and a directory"),
    "truncated": (lambda: docker_archive(LOWER)[:-9000], "ends in the middle|lacks"),
    "truncated-layer": (lambda: docker_archive(tar(f("a", b"x" * 5000))[:2048]), "ends in the middle"),
    "bad-checksum": (lambda: docker_archive(LOWER[:600] + b"Z" + LOWER[601:]), "damaged at byte"),
    "huge": (lambda: docker_archive(_with_header(size=b"\x80" + b"\x7f" * 11)), "ends in the middle|backwards"),
    "negative": (lambda: docker_archive(_with_header(size=b"\xff" * 12)), "damaged|no file can be|backwards"),
    "huge-name": (lambda: docker_archive(_with_header(size=b"77777777777\0", type=b"L")), "claims"),
    "huge-pax": (lambda: docker_archive(_with_header(size=b"77777777777\0", type=b"x")), "claims"),
    "endless-sparse": (lambda: docker_archive(_endless_sparse()), "claims"),
    "unknown-type": (lambda: docker_archive(_with_header(type=b"Q")), "no file can be"),
    "no-manifest": (lambda: tar(f("a", "x")), "lacks"),
    "no-json": (lambda: tar(f("manifest.json", "{")), "is not JSON"),
    "deep-json": (lambda: tar(f("manifest.json", "[" * 100_000)), "is not JSON|lacks"),
    "no-fields": (lambda: tar(f("manifest.json", "[{}]")), "has no 'Layers'"),
    "lacks-layer": (lambda: docker_archive(LOWER).replace(b"0a/layer.tar", b"0a/layer.tap"), "damaged|lacks"),
    "other-layers": (lambda: docker_archive(LOWER, raw_config=config([UPPER])), "not those that its config names"),
    "two-images": (lambda: tar(f("manifest.json", "[{}, {}]")), "2 images"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_at_most_an_error(name: str, scratch: Path) -> None:
    make, message = HOSTILE[name]
    with pytest.raises(SlimError, match=message):
        scanned(make(), scratch)
    assert list(scratch.iterdir()) == []


def test_odd_but_lawful_archives(scratch: Path) -> None:
    long = "/".join(["d" * 99] * 40)
    found = scanned(
        docker_archive(tar(f(long, "a"), link("up", "../../../.."), node("dev/mem", tarfile.CHRTYPE, 1, 1))), scratch
    )
    assert len(found.entries) == 1 + 40 + 1 + 2
    assert scanned(docker_archive(tar(link("a", "a"), link("b", "/b"))), scratch).entries[2].target == "/b"
    assert [e.path for e in scanned(docker_archive(tar(f("/abs//x/."))), scratch).entries] == ["/", "/abs", "/abs/x"]


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
def test_damaged_compression_is_an_error(pack: str, scratch: Path) -> None:
    layer = tar(f("a", os.urandom(4000)))
    whole = packing(pack)(layer)
    scanned(docker_archive(whole, raw_config=config([layer])), scratch)
    for data in (whole[:-700], whole[:11] + b"\xff" * 50 + whole[61:]):
        with pytest.raises(SlimError, match=r"damaged|in the middle|not those that its config names"):
            scanned(docker_archive(data, raw_config=config([layer])), scratch)
