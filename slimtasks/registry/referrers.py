"""Documents about an image, beside it in a registry (OCI 1.1: image-spec manifest.md 'subject', distribution-spec)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from slimtasks.oci.document import INDEX, MANIFEST
from slimtasks.registry.blob import Blob, of_bytes, of_json
from slimtasks.registry.client import Registry

_EMPTY = of_bytes("application/vnd.oci.empty.v1+json", b"{}")
_TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True)
class Document:
    """A file about an image, with the media type that finds it."""

    title: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Artifact:
    """A document as a manifest that names the image as its subject."""

    document: Blob
    manifest: Blob
    title: str

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (_EMPTY, self.document)

    @property
    def listed(self) -> dict[str, object]:
        """As an index of referrers has it."""
        kind = self.document.media_type
        return self.manifest.descriptor(artifactType=kind, annotations={_TITLE: self.title})


def artifact(subject: Blob, document: Document) -> Artifact:
    content = of_bytes(document.media_type, document.content)
    named = {_TITLE: document.title}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": document.media_type,
        "config": _EMPTY.descriptor(),
        "layers": [content.descriptor(annotations=named)],
        "subject": subject.descriptor(),
        "annotations": named,
    }
    return Artifact(content, of_json(MANIFEST, manifest), document.title)


def list_by_tag(registry: Registry, subject: Blob, artifacts: Sequence[Artifact]) -> int:
    """Adds them to the index that stands for the referrers API where a registry has none; the bytes that were sent."""
    tag = subject.digest.replace(":", "-")
    before = registry.manifest(tag)
    known = json.loads(before).get("manifests", []) if before else []
    merged = {one["digest"]: one for one in (*known, *(artifact.listed for artifact in artifacts))}
    index = of_json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(merged.values())})
    if index.content == before:
        return 0
    registry.put(index, tag)
    return index.size
