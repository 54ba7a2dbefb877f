"""Sends an image to a registry: only what that has not got, the tag last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from slimtasks.registry.blob import Blob
from slimtasks.registry.client import Registry
from slimtasks.registry.image import Travelling
from slimtasks.registry.reference import Reference
from slimtasks.registry.referrers import Artifact, list_by_tag
from slimtasks.sizes import size_text


@dataclass(frozen=True)
class Pushed:
    """One place where an image is now (build/<n>/pushed.json)."""

    to: str
    digest: str  # of the manifest
    sent: int  # bytes of blobs and manifests
    blobs_sent: tuple[str, ...] = ()  # digests
    blobs_there: tuple[str, ...] = ()  # those that the repository had
    blobs_mounted: tuple[str, ...] = ()  # those that it took over from another repository
    referrers: tuple[str, ...] = ()  # digests of the manifests of bills and provenance

    @property
    def blobs(self) -> tuple[str, ...]:
        return (*self.blobs_sent, *self.blobs_there, *self.blobs_mounted)


def push(
    image: Travelling,
    artifacts: Sequence[Artifact],
    place: Reference,
    elsewhere: Mapping[str, str],
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> Pushed:
    """Puts the image there under its tag; RegistryError where that did not work, with the tag as it was before.

    `elsewhere`: digests of blobs, and another repository of the same registry that had each of them.
    """
    registry = Registry(place, environ)
    did: dict[str, list[str]] = {"sent": [], "there": [], "mounted": []}
    sent = 0
    for blob in image.blobs:
        how = _brought(registry, blob, elsewhere.get(blob.digest, ""), lambda line: say(f"{place}: {line}"))
        did[how].append(blob.digest)
        sent += blob.size if how == "sent" else 0
    sent += _referring(registry, image.manifest, artifacts)
    sent += _written(registry, image.manifest, place.tag)
    return Pushed(
        str(place),
        image.manifest.digest,
        sent,
        tuple(did["sent"]),
        tuple(did["there"]),
        tuple(did["mounted"]),
        tuple(artifact.manifest.digest for artifact in artifacts),
    )


def _brought(registry: Registry, blob: Blob, other: str, say: Callable[[str], None]) -> str:
    """'there', 'mounted' or 'sent'."""
    if registry.has(blob):
        return "there"
    if other and registry.mount(blob, other):
        return "mounted"
    say(f"sending {blob.digest[:19]}, {size_text(blob.size)}")
    registry.send(blob)
    return "sent"


def _written(registry: Registry, manifest: Blob, reference: str) -> int:
    """Writes it unless it is what `reference` names; the bytes that were sent."""
    if registry.digest(reference) == manifest.digest:
        return 0
    registry.put(manifest, reference)
    return manifest.size


def _referring(registry: Registry, subject: Blob, artifacts: Sequence[Artifact]) -> int:
    """Puts the documents beside the image, which need not be there yet; the bytes that were sent."""
    sent = 0
    for artifact in artifacts:
        for blob in artifact.blobs:
            if not registry.has(blob):
                registry.send(blob)
                sent += blob.size
        sent += _written(registry, artifact.manifest, artifact.manifest.digest)
    if artifacts and not registry.lists_referrers(subject.digest):
        sent += list_by_tag(registry, subject, artifacts)
    return sent
