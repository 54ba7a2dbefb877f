"""Sends an image to a registry: only what that has not got, the manifest last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from slimtasks.registry.client import Registry
from slimtasks.registry.image import Travelling
from slimtasks.registry.reference import Reference
from slimtasks.sizes import size_text


@dataclass(frozen=True)
class Pushed:
    """One place where an image is now (build/<n>/pushed.json)."""

    to: str
    digest: str  # of the manifest
    sent: int  # bytes of blobs and manifests
    blobs_sent: tuple[str, ...] = ()  # digests
    blobs_there: tuple[str, ...] = ()  # those that the repository had


def push(image: Travelling, place: Reference, environ: Mapping[str, str], say: Callable[[str], None]) -> Pushed:
    """Puts the image there under its tag; RegistryError where that did not work, with the tag as it was before."""
    registry = Registry(place, environ)
    sent, there = [], []
    for blob in image.blobs:
        if registry.has(blob):
            there.append(blob)
            continue
        say(f"{place}: sending {blob.digest[:19]}, {size_text(blob.size)}")
        registry.send(blob)
        sent.append(blob)
    size = sum(blob.size for blob in sent)
    if registry.digest(place.tag) != image.manifest.digest:
        registry.put(image.manifest, place.tag)
        size += image.manifest.size
    return Pushed(
        str(place),
        image.manifest.digest,
        size,
        tuple(blob.digest for blob in sent),
        tuple(blob.digest for blob in there),
    )
