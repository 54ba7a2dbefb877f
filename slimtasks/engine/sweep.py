"""Removes what killed runs left in the engine, and nothing that a live one holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from slimtasks.engine.connection import Connection
from slimtasks.engine.container import remove_container
from slimtasks.engine.failure import Refused
from slimtasks.engine.images import image_path
from slimtasks.engine.labels import CHECKOUT, OWNER, RUN, TEMPORARY, is_left_over, tag_left_over


def sweep(connection: Connection, checkout: Path) -> tuple[str, ...]:
    """Removes containers, networks, volumes and temporary tags of dead owners; an image goes with its last tag.

    Images without a tag stay: whatever is built on one of ours has its labels, so they tell nothing.
    Returns what it removed, as in 'container 0123456789ab'. What someone else removes at the same time is not in it.
    """
    return tuple(
        _removed(connection, _ours(OWNER), partial(_left_over, checkout), partial(tag_left_over, here=checkout))
    )


def release(connection: Connection, run: str) -> None:
    """Removes what one run made and may have left: its owner, who is alive, asks for it."""
    for _ in _removed(connection, _ours(f"{RUN}={run}"), lambda _: True, lambda tag: tag.endswith(f".{run}")):
        pass


def _removed(
    connection: Connection,
    ours: dict[str, str],
    gone: Callable[[dict[str, Any]], bool],
    tag_gone: Callable[[str], bool],
) -> Iterator[str]:
    ask = connection.json
    for found in ask("GET", "/containers/json", params={"all": "1", **ours}, doing="listing containers"):
        if gone(found) and remove_container(connection, found["Id"]):
            yield f"container {found['Id'][:12]}"
    for found in ask("GET", "/networks", params=ours, doing="listing networks"):
        if gone(found) and remove_network(connection, found["Id"]):
            yield f"network {found['Name']}"
    for found in ask("GET", "/volumes", params=ours, doing="listing volumes")["Volumes"] or ():
        if gone(found) and remove_volume(connection, found["Name"]):
            yield f"volume {found['Name']}"
    references = {"filters": json.dumps({"reference": [f"{TEMPORARY}*/*"]})}
    for image in ask("GET", "/images/json", params=references, doing="listing images"):
        for tag in image["RepoTags"] or ():
            if tag.startswith(TEMPORARY) and tag_gone(tag) and remove_image(connection, tag):
                yield f"tag {tag}"


def remove_network(connection: Connection, identifier: str) -> bool:
    """Removes a network; False where it is gone already, or something is still on it."""
    try:
        return connection.delete(f"/networks/{identifier}", doing=f"removing network {identifier}")
    except Refused as error:
        if error.status == 403 and "active endpoints" in error.what:
            return False
        raise


def remove_volume(connection: Connection, name: str) -> bool:
    """Removes a volume; False where it is gone already or in use."""
    return connection.delete(f"/volumes/{name}", doing=f"removing volume {name}")


def remove_image(connection: Connection, ref: str) -> bool:
    """Removes a tag, or an image by its id; the image goes with its last tag. False where it is gone or in use.

    Never by force: that takes an image away from under a container that was not started yet.
    """
    return connection.delete(image_path(ref), doing=f"removing image {ref}")


def _ours(label: str) -> dict[str, str]:
    return {"filters": json.dumps({"label": [label]})}


def _left_over(checkout: Path, found: dict[str, Any]) -> bool:
    labels = found["Labels"] or {}
    return is_left_over(labels.get(OWNER, ""), labels.get(CHECKOUT, ""), checkout)
