"""Pushing to Debian's docker-registry: what is sent, what is not, and what stands in build/ afterwards."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from debian_registry import built, get
from tars import f, tar

from slimtasks.errors import Damaged, SlimError
from slimtasks.oci.document import INDEX
from slimtasks.operations.pushing import send
from slimtasks.records import read_json
from slimtasks.registry.compressed import COMPRESSOR, compressed
from slimtasks.registry.reference import parse
from slimtasks.spec.model import Image
from slimtasks.workspace import Workspace

TITLE = "org.opencontainers.image.title"

pytest_plugins = ("debian_registry",)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "checkout")


def push(workspace: Workspace, image: Image, to: str = "") -> str:
    return send(workspace, image, to, {}, lambda line: None)


def last(workspace: Workspace, name: str = "app") -> dict[str, Any]:
    """What pushed.json says of a single place."""
    (one,) = read_json(workspace.image(name).pushed)["pushed"]
    return dict(one)


@pytest.mark.loopback
def test_what_is_missing_is_sent_and_the_second_time_nothing(workspace: Workspace, registry: str) -> None:
    image = built(workspace)
    push(workspace, image, f"{registry}/our/app:1")
    first = last(workspace)
    manifest = get(f"http://{registry}/v2/our/app/manifests/1")
    stored = [manifest["config"], *manifest["layers"]]
    assert first["digest"] == digest(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode())
    assert first["to"] == f"{registry}/our/app:1" and len(first["blobs_sent"]) == 3
    index = get(f"http://{registry}/v2/our/app/manifests/{first['digest'].replace(':', '-')}", INDEX)
    beside = [get(f"http://{registry}/v2/our/app/manifests/{one['digest']}") for one in index["manifests"]]
    stored += [beside[0]["config"], *index["manifests"], *(layer for one in beside for layer in one["layers"])]
    assert first["sent"] == sum(one["size"] for one in stored) + size(manifest) + size(index)
    assert manifest["config"]["digest"] == read_json(workspace.image("app").image)["config_digest"]
    said = push(workspace, image, f"{registry}/our/app:1")
    again = last(workspace)
    assert (again["digest"], again["sent"], "blobs_sent" in again) == (first["digest"], 0, False)
    assert f"{first['digest']} at {registry}/our/app:1: 0 B sent, 3 of 3 blobs were there" == said

    # another tag is a manifest, another image a layer and a config
    push(workspace, image, f"{registry}/our/app:2")
    assert last(workspace)["sent"] == size(manifest)
    more = built(workspace, "more", contents=("a", "c"))
    push(workspace, more, f"{registry}/our/app:3")
    assert last(workspace, "more")["blobs_there"] == [manifest["layers"][0]["digest"]]


def size(document: object) -> int:
    return len(json.dumps(document, separators=(",", ":")))


@pytest.mark.loopback
def test_bills_and_provenance_refer_to_the_image(workspace: Workspace, registry: str) -> None:
    """By the index under a tag, as this registry does not list referrers; what others have added there stays."""
    image = built(workspace)
    push(workspace, image, f"{registry}/our/app:1")
    subject = get(f"http://{registry}/v2/our/app/manifests/1")
    told = last(workspace)["digest"]
    tag = f"http://{registry}/v2/our/app/manifests/{told.replace(':', '-')}"
    listed = get(tag, INDEX)["manifests"]
    assert [one["digest"] for one in listed] == last(workspace)["referrers"]
    assert [(one["annotations"][TITLE], one["artifactType"]) for one in listed] == [
        ("sbom.cdx.json", "application/vnd.cyclonedx+json"),
        ("vex.cdx.json", "application/vnd.cyclonedx+json"),
        ("sbom.spdx.json", "application/spdx+json"),
        ("provenance.intoto.json", "application/vnd.in-toto+json"),
    ]
    for one in listed:
        refers = get(f"http://{registry}/v2/our/app/manifests/{one['digest']}")
        assert refers["subject"] == {"mediaType": subject["mediaType"], "digest": told, "size": size(subject)}
        content = get(f"http://{registry}/v2/our/app/blobs/{refers['layers'][0]['digest']}", "*/*")
        if one["annotations"][TITLE] == "provenance.intoto.json":
            assert content["subject"] == [{"name": "app", "digest": {"sha256": told[7:]}}]
            assert content["predicateType"] == "https://slsa.dev/provenance/v1"
        else:
            assert content == read_json(workspace.image("app").folder / one["annotations"][TITLE])

    theirs = {**listed[0], "artifactType": "application/x-signature", "annotations": {TITLE: "signature"}}
    changed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**theirs, "digest": told, "size": size(subject)}]}
    put(tag, INDEX, changed)
    push(workspace, image, f"{registry}/our/app:1")
    titles = [one["annotations"][TITLE] for one in get(tag, INDEX)["manifests"]]
    assert titles == ["signature", *(one["annotations"][TITLE] for one in listed)]


@pytest.mark.loopback
def test_blobs_of_another_repository_are_not_sent_again(tmp_path: Path, registry: str) -> None:
    """The registry takes them over, as far as pushed.json tells which has them."""
    workspace = Workspace(tmp_path / "checkout")
    push(workspace, built(workspace), f"{registry}/our/app:1")
    first = last(workspace)
    more = built(workspace, "more", contents=("a", "c"))
    push(workspace, more, f"{registry}/our/more:1")
    (layer,) = last(workspace, "more")["blobs_mounted"]
    assert layer in first["blobs_sent"]
    assert get(f"http://{registry}/v2/our/more/manifests/1")["layers"][0]["digest"] == layer
    push(workspace, more, f"{registry}/our/more:2")
    assert len(last(workspace, "more")["blobs_there"]) == 3
    shutil.rmtree(tmp_path / "checkout/build/more")

    # where another repository is named that has it not, it is sent
    pushed = workspace.image("app").pushed
    pushed.write_text(pushed.read_text().replace("/our/app:1", "/nobodys/app:1"))
    push(workspace, built(workspace, "more", contents=("a", "c")), f"{registry}/our/third:1")
    assert len(last(workspace, "more")["blobs_sent"]) == 3


def put(url: str, kind: str, document: object) -> None:
    content = json.dumps(document).encode()
    headers = {"Content-Type": kind}
    urllib.request.urlopen(urllib.request.Request(url, content, headers, method="PUT")).close()


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.loopback
def test_an_image_goes_where_its_tags_say(workspace: Workspace, registry: str) -> None:
    image = built(workspace, tags=(f"{registry}/one:1", f"{registry}/two:latest"))
    push(workspace, image)
    places = read_json(workspace.image("app").pushed)["pushed"]
    assert [place["to"] for place in places] == [f"{registry}/one:1", f"{registry}/two:latest"]
    assert get(f"http://{registry}/v2/one/manifests/1") == get(f"http://{registry}/v2/two/manifests/latest")


@pytest.mark.loopback
def test_a_layout_has_what_a_registry_gets_and_tells_the_digest_before(
    tmp_path: Path, workspace: Workspace, registry: str
) -> None:
    image = built(workspace)
    folder, packed = tmp_path / "out" / "layout", tmp_path / "layout.tar"
    told = push(workspace, image, f"oci:{folder}").split()[0]
    assert push(workspace, image, f"oci:{packed}").split()[0] == told
    assert not workspace.image("app").pushed.exists()
    (named,) = read_json(folder / "index.json")["manifests"]
    assert (named["digest"], named["annotations"]) == (told, {"org.opencontainers.image.ref.name": "7"})
    blobs = {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}
    assert all(digest(content) == f"sha256:{name}" for name, content in blobs.items())
    with tarfile.open(packed) as layout:
        assert {Path(one.name).name: layout.extractfile(one).read() for one in layout if "blobs/" in one.name} == blobs  # type: ignore[union-attr]

    other = Workspace(tmp_path / "another checkout")
    push(other, built(other), f"{registry}/our/app:7")
    assert last(other)["digest"] == told
    manifest = get(f"http://{registry}/v2/our/app/manifests/{told}")
    assert json.loads(blobs[told[7:]]) == manifest

    # an older layout is replaced, anything else is not
    (folder / "old").touch()
    push(workspace, image, f"oci:{folder}")
    assert sorted(path.name for path in folder.iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert [path.name for path in folder.parent.iterdir()] == ["layout"]
    (folder / "oci-layout").unlink()
    with pytest.raises(SlimError, match="is there, and no OCI layout"):
        push(workspace, image, f"oci:{folder}")


def test_layers_are_compressed_once_and_the_same_everywhere(workspace: Workspace) -> None:
    image = built(workspace, contents=("a" * 1000,))  # 10 MB: three gzip members
    (diff_id,) = [layer["diff_id"] for layer in read_json(workspace.image("app").image)["layers"]]
    blob = compressed(workspace, diff_id)
    assert blob.digest == GOLDEN and COMPRESSOR.startswith(f"deflate-{version('deflate')}-")
    (file,) = workspace.compressed_store.iterdir()
    made = file.stat().st_mtime_ns
    assert compressed(workspace, diff_id) == blob and file.stat().st_mtime_ns == made
    file.write_bytes(b"")  # damaged
    assert compressed(workspace, diff_id) == blob and file.stat().st_size == blob.size
    file.unlink()
    workspace.layer(diff_id).write_bytes(tar(f("other", "content")))
    with pytest.raises(Damaged, match=f"it is not {diff_id}"):
        push(workspace, image, "oci:layout")
    assert list(workspace.compressed_store.iterdir()) == []


GOLDEN = "sha256:0981c5afae06169ef4ef356bf97f450ee23d08e47077e861b9de4c388894caf2"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("our/nginx:1", "docker.io/our/nginx:1"),
        ("ghcr.io/our/nginx", "ghcr.io/our/nginx:latest"),
        ("localhost/a/b/c:x_Y.1-2", "localhost/a/b/c:x_Y.1-2"),
        ("host:5000/nginx", "host:5000/nginx:latest"),
        ("[::1]:5000/nginx:2", "[::1]:5000/nginx:2"),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text: str, place: str) -> None:
    assert str(parse(text)) == place


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Our/nginx", "repository 'Our/nginx'"),
        ("host.example/", "repository ''"),
        ("our/nginx:", "tag ''"),
        ("our/nginx:a b", "tag 'a b'"),
        ("https://host.example/our", "host 'https:'"),
        ("our/nginx@sha256:00", "a digest is not chosen"),
    ],
)
def test_what_names_no_place(text: str, what: str) -> None:
    with pytest.raises(SlimError) as caught:
        parse(text)
    assert what in caught.value.what and "HOST/NAME:TAG" in caught.value.hint
