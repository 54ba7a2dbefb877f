"""How OCI's documents are written: their media types (image-spec, media-types.md), and one form of JSON for all."""

from __future__ import annotations

import json
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def json_bytes(data: Any) -> bytes:
    """The same data gives the same bytes, and so the same digest."""
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
