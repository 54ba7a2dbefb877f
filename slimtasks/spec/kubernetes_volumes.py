"""What a container of a pod mounts.

https://kubernetes.io/docs/concepts/storage/volumes/
"""

from __future__ import annotations

from slimtasks.spec.borrowed import text
from slimtasks.spec.kubernetes_data import Data, Values
from slimtasks.spec.reading import Reading
from slimtasks.spec.tree import Loc, Mapping, Node, Scalar, Sequence, find, found

_EMPTY = ("emptyDir", "persistentVolumeClaim", "ephemeral")
_EMPTY_OPTIONS = "exec,mode=1777"  # whoever the container runs as may write and execute there, as in a cluster
_OTHERWISE = "mount something there by `run: volumes:` of the spec"


def volumes_of(
    reading: Reading, data: Data, owner: Mapping, pod: Mapping, container: Mapping, loc: Loc, said: Node | None
) -> dict[str, Node]:
    """Its mounts as `tmpfs`, for what starts empty, and as `volumes`, for ConfigMaps and Secrets.

    Those where the spec itself, whose `run` is `said`, mounts something are left out.
    """
    mounts = container.items.get("volumeMounts")
    listed = mounts.items if isinstance(mounts, Sequence) else ()
    empty: list[Node] = []
    volumes: list[Node] = []
    taken = set(_targets(said))
    read_only = find(container, ("securityContext", "readOnlyRootFilesystem"))
    for index, mount in enumerate(listed):
        name, path = find(mount, ("name",)), find(mount, ("mountPath",))
        here: Loc = (*loc, "volumeMounts", index)
        if not isinstance(name, Scalar) or not isinstance(path, Scalar):
            reading.wrong(mount.place, here, f"found {found(mount)}; allowed: a name and a mountPath")
            continue
        if str(path.value) in taken:
            continue
        volume = _volume(owner, pod, str(name.value))
        if volume is None:
            reading.wrong(name.place, (*here, "name"), f"found '{name.value}'; allowed: one of the pod's volumes")
        elif any(key in volume.items for key in _EMPTY):
            empty.append(text(f"{path.value}:{_EMPTY_OPTIONS}", path.place))
        else:
            values = _files(reading, data, volume, name, here)
            sub = find(mount, ("subPath",))
            if values is None:
                continue
            if isinstance(sub, Scalar):
                if isinstance(read_only, Scalar) and read_only.value:
                    problem = f"not taken over with a root that is read-only; {_OTHERWISE}"
                    reading.wrong(sub.place, (*here, "subPath"), problem)
                    continue
                values = {".": values[str(sub.value)]} if str(sub.value) in values else {}
            volumes.append(_filled_volume(str(name.value), path, values, _mode(volume)))
    result: dict[str, Node] = {}
    if empty:
        result["tmpfs"] = Sequence(tuple(empty), empty[0].place)
    if volumes:
        result["volumes"] = Sequence(tuple(volumes), volumes[0].place)
    return result


def _targets(said: Node | None) -> list[str]:
    volumes = find(said, ("volumes",)) if said else None
    nodes = (find(item, ("target",)) for item in (volumes.items if isinstance(volumes, Sequence) else ()))
    return [str(node.value) for node in nodes if isinstance(node, Scalar)]


def _volume(owner: Mapping, pod: Mapping, name: str) -> Mapping | None:
    """The volume of that name; one that a StatefulSet claims is one of a claim."""
    volumes, claims = pod.items.get("volumes"), find(owner, ("spec", "volumeClaimTemplates"))
    for claim in claims.items if isinstance(claims, Sequence) else ():
        if isinstance(claim, Mapping) and _named(find(claim, ("metadata",)), name):
            return Mapping({"persistentVolumeClaim": claim}, claim.place)
    for volume in volumes.items if isinstance(volumes, Sequence) else ():
        if isinstance(volume, Mapping) and _named(volume, name):
            return volume
    return None


def _named(node: Node | None, name: str) -> bool:
    there = find(node, ("name",)) if node else None
    return isinstance(there, Scalar) and there.value == name


def _files(reading: Reading, data: Data, volume: Mapping, name: Scalar, loc: Loc) -> Values | None:
    """The files of a ConfigMap, a Secret or several; None after adding the mistake that it is none of these."""
    projected = find(volume, ("projected", "sources"))
    if isinstance(projected, Sequence):
        parts = [_files(reading, data, one, name, loc) for one in projected.items if isinstance(one, Mapping)]
        return None if None in parts else {key: told for part in parts if part for key, told in part.items()}
    for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
        reference = volume.items.get(key)
        if reference is not None:
            values = data.values(kind, reference, (*loc, "name"), _OTHERWISE)
            return {} if values is None else _renamed(values, find(reference, ("items",)))
    kinds = ", ".join(key for key in volume.items if key != "name")
    problem = f"not taken over, as it is a {kinds}, which only a cluster has; {_OTHERWISE}"
    reading.wrong(name.place, (*loc, "name"), problem)
    return None


def _renamed(values: Values, items: Node | None) -> Values:
    if not isinstance(items, Sequence):
        return values
    renamed: Values = {}
    for item in items.items:
        key, path = find(item, ("key",)), find(item, ("path",))
        if isinstance(key, Scalar) and isinstance(path, Scalar) and str(key.value) in values:
            renamed[str(path.value)] = values[str(key.value)]
    return renamed


def _mode(volume: Mapping) -> int:
    modes = (find(volume, (kind, "defaultMode")) for kind in ("configMap", "secret", "projected"))
    return next((node.value for node in modes if isinstance(node, Scalar) and isinstance(node.value, int)), 0o644)


def _filled_volume(name: str, path: Scalar, values: Values, mode: int) -> Mapping:
    content: dict[str, Node] = {key: text(*told) for key, told in values.items()}
    return Mapping(
        {
            "type": text("volume", path.place),
            "source": text(f"kubernetes/{name}{path.value}", path.place),
            "target": path,
            "read_only": Scalar(True, path.place),
            "@content": Mapping(content, path.place),
            "@mode": Scalar(mode, path.place),
        },
        path.place,
    )
