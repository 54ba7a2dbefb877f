"""What registries and OCI layouts hold: bytes by their digest, with a media type (OCI image-spec, descriptor.md)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from slimtasks.oci.document import json_bytes


@dataclass(frozen=True)
class Blob:
    """Its bytes are in a file, or in memory."""

    media_type: str
    digest: str
    size: int
    content: Path | bytes

    def open(self) -> IO[bytes]:
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")

    def descriptor(self, **more: Any) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size, **more}


def of_bytes(media_type: str, content: bytes) -> Blob:
    return Blob(media_type, "sha256:" + hashlib.sha256(content).hexdigest(), len(content), content)


def of_json(media_type: str, data: Mapping[str, Any]) -> Blob:
    """The same data gives the same bytes."""
    return of_bytes(media_type, json_bytes(data))
