"""Removes what killed runs left in the engine, and nothing that a live one holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slimtasks.engine.connection import Connection
from slimtasks.engine.container import remove_container
from slimtasks.engine.failure import Refused
from slimtasks.engine.images import image_path
from slimtasks.engine.labels import CHECKOUT, OWNER, TEMPORARY, is_left_over, tag_left_over


def sweep(connection: Connection, checkout: Path) -> tuple[str, ...]:
    """Removes containers, networks, volumes and temporary tags of dead owners; an image goes with its last tag.

    Images without a tag stay: whatever is built on one of ours has its labels, so they tell nothing.
    Returns what it removed, as in 'container 0123456789ab'. What someone else removes at the same time is not in it.
    """
    removed = [*_containers(connection, checkout), *_networks(connection, checkout), *_volumes(connection, checkout)]
    return (*removed, *_temporary_tags(connection, checkout))


def _containers(connection: Connection, checkout: Path) -> Iterator[str]:
    found = connection.json("GET", "/containers/json", params={"all": "1", **_ours()}, doing="listing containers")
    for container in found:
        if _left_over(container, checkout) and remove_container(connection, container["Id"]):
            yield f"container {container['Id'][:12]}"


def _networks(connection: Connection, checkout: Path) -> Iterator[str]:
    for network in connection.json("GET", "/networks", params=_ours(), doing="listing networks"):
        if _left_over(network, checkout) and remove_network(connection, network["Id"]):
            yield f"network {network['Name']}"


def _volumes(connection: Connection, checkout: Path) -> Iterator[str]:
    found = connection.json("GET", "/volumes", params=_ours(), doing="listing volumes")
    for volume in found["Volumes"] or ():
        if _left_over(volume, checkout) and remove_volume(connection, volume["Name"]):
            yield f"volume {volume['Name']}"


def _temporary_tags(connection: Connection, checkout: Path) -> Iterator[str]:
    params = {"filters": json.dumps({"reference": [f"{TEMPORARY}*/*"]})}
    for image in connection.json("GET", "/images/json", params=params, doing="listing images"):
        for tag in image["RepoTags"] or ():
            if tag_left_over(tag, checkout) and remove_image(connection, tag):
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


def _ours() -> dict[str, str]:
    return {"filters": json.dumps({"label": [OWNER]})}


def _left_over(found: dict[str, Any], checkout: Path) -> bool:
    labels = found["Labels"] or {}
    return is_left_over(labels.get(OWNER, ""), labels.get(CHECKOUT, ""), checkout)
