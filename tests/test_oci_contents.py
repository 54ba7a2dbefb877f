"""The contents of a scanned archive, in any order, so that a base becomes one layer."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from oci_archives import docker_archive, dump, oci_layout, scanned
from tars import d, f, hard, link, tar

from slimtasks.oci.contents import Tee, members, unpack_layers
from slimtasks.oci.layer import LayerWriter
from slimtasks.oci.saved import scan

LOWER = tar(d("a/"), f("a/x", "one"), f("a/y", "why"), f("m", "em"), hard("l", "m"), hard("k", "m"), f("e"))
UPPER = tar(f("a/x", "two" * 999), f(".wh.m"), link("b", "a"), hard("z", "a/x"))
ARCHIVES = {
    "docker": docker_archive(LOWER, UPPER),
    "oci": oci_layout(LOWER, UPPER),
    "gzip": oci_layout(LOWER, UPPER, pack="gzip"),
    "zstd": oci_layout(LOWER, UPPER, pack="zstd"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_each_path_comes_with_its_surviving_content(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar"
    with archive.open("wb") as file:
        tee = Tee(io.BytesIO(ARCHIVES[kind]), file)
        found = scan(tee, wanted=lambda p: False, read_elf=lambda x: None, scratch=tmp_path)
    paths = [entry.path for entry in found.entries]
    got = [(e.path, e.hardlink, c.read(1 << 20) if c else None) for e, c in members(archive, found, paths, tmp_path)]
    assert got == [
        ("/", "", None),
        ("/a", "", None),
        ("/a/x", "", b"two" * 999),
        ("/a/y", "", b"why"),
        ("/b", "", None),
        ("/e", "", b""),
        ("/k", "", b"em"),
        ("/l", "/k", None),
        ("/z", "/a/x", None),
    ]
    assert list(tmp_path.iterdir()) == [archive]


def test_of_some_names_of_an_inode_the_first_brings_the_content(tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar"
    archive.write_bytes(docker_archive(LOWER))
    found = scanned(archive.read_bytes(), tmp_path)
    ordered = [e.path for e in found.entries if e.path in ("/l", "/m")]
    assert [(e.path, e.hardlink) for e, _ in members(archive, found, ordered, tmp_path)] == [("/l", ""), ("/m", "/l")]


@pytest.mark.parametrize("kind", ARCHIVES)
def test_flattened_to_one_layer_it_is_the_same_tree(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / "saved.tar"
    archive.write_bytes(ARCHIVES[kind])
    found = scanned(ARCHIVES[kind], tmp_path)
    with LayerWriter(tmp_path / "store", "root") as layer:
        for entry, content in members(archive, found, [e.path for e in found.entries], tmp_path):
            layer.add(entry, content)
        done = layer.finish()
    assert done
    flat = (tmp_path / "store" / f"{done.diff_id[7:]}.tar").read_bytes()
    again = scanned(docker_archive(flat), tmp_path)
    assert dump(again.entries) == dump(replace(entry, layer=0) for entry in found.entries)


def test_a_sparse_file_comes_whole(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.write(b"start")
        file.seek(2 << 20)
        file.write(b"end")
    layer = subprocess.run(["tar", "-C", tmp_path, "-Scf", "-", "sparse"], check=True, capture_output=True).stdout
    archive = tmp_path / "image.tar"
    archive.write_bytes(docker_archive(layer))
    found = scanned(archive.read_bytes(), tmp_path)
    ((_, content),) = members(archive, found, [found.entries[1].path], tmp_path)
    assert content
    assert content.read(8 << 20) == sparse.read_bytes()


@pytest.mark.parametrize("kind", ARCHIVES)
def test_layers_go_into_the_store_uncompressed(kind: str, tmp_path: Path) -> None:
    diff_ids = unpack_layers(io.BytesIO(ARCHIVES[kind]), tmp_path)
    assert [(tmp_path / f"{diff_id[7:]}.tar").read_bytes() for diff_id in diff_ids] == [LOWER, UPPER]
    assert len(list(tmp_path.iterdir())) == 2
