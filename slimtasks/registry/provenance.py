"""What an image was made of: an in-toto statement (v1) with a predicate of SLSA's provenance v1, not signed.

The same image has the same statement: no time, host or run is in it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slimtasks import __version__
from slimtasks.job import files_of
from slimtasks.oci.document import json_bytes
from slimtasks.records import Fat, read_record
from slimtasks.registry.blob import Blob
from slimtasks.registry.referrers import Document
from slimtasks.spec.model import Image
from slimtasks.workspace import Workspace

_BUILDER = f"pkg:pypi/slimtasks@{__version__}"


def provenance(workspace: Workspace, image: Image, manifest: Blob) -> Document:
    """Names the spec, and the fat image by its tree, of which any machine makes the same."""
    built = {
        "buildType": "pkg:pypi/slimtasks#image",
        "externalParameters": {"image": image.name},
        "resolvedDependencies": list(_materials(workspace, image)),
    }
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": image.name, "digest": {"sha256": manifest.digest.removeprefix("sha256:")}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": built, "runDetails": {"builder": {"id": _BUILDER}}},
    }
    content = json_bytes(statement)
    return Document("provenance.intoto.json", "application/vnd.in-toto+json", content)


def _materials(workspace: Workspace, image: Image) -> Iterator[dict[str, Any]]:
    if image.file.is_file():
        yield _file(f"images/{image.file.parent.name}/{image.file.name}", image.file)
    for path in filter(None, (image.source.compose, image.source.kubernetes)):
        yield _file(os.path.relpath(path, image.folder.parents[1]), path)
    fat = files_of(workspace, image).fat
    if image.kind == "slim" and fat.exists():
        tree = read_record(fat, Fat).tree_digest
        yield {"name": "fat image", "digest": {"slimtasks-tree-sha256": tree.removeprefix("sha256:")}}


def _file(name: str, path: Path) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}
