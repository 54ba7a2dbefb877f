"""The file that makes Compose take the image that we made, for a service that its own file describes."""

from __future__ import annotations

import json
import os

from slimtasks.spec import Image


def compose_override(image: Image) -> str:
    """A Compose file to be named after the one that the image is made of; empty where it is made of none.

    What the service builds is taken away (`!reset`, Compose 2.24.4), or `up --build` would give the tag to that.
    """
    source = image.source
    if source.compose is None:
        return ""
    root = image.folder.parents[1]
    named = f"-f {os.path.relpath(source.compose, root)} -f build/{image.name}/compose.override.yaml"
    lines = [
        f"# docker compose {named} up",
        "services:",
        f"  {json.dumps(source.service)}:",
        f"    image: {json.dumps(image.tags[0])}",
        "    pull_policy: if_not_present",
        *(["    build: !reset null"] if source.dockerfile else []),
    ]
    return "".join(f"{line}\n" for line in lines)
