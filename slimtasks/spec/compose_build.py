"""The image of a Compose service, `image` or `build`, as the `from` of a spec.

https://github.com/compose-spec/compose-spec/blob/main/build.md
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

from slimtasks.spec.borrowed import as_text, never_pulled, taken_over, text, unknown_name
from slimtasks.spec.build_args import with_callers_values
from slimtasks.spec.interpolate import Caller
from slimtasks.spec.reading import Reading
from slimtasks.spec.tree import Loc, Mapping, Node, Scalar, Sequence, find, found

_TAKEN = ("context", "dockerfile", "target", "args", "cache_from", "ssh", "secrets")
_IGNORED = ("cache_to", "labels", "no_cache", "no_cache_filter", "provenance", "pull", "sbom", "shm_size", "tags")
_REFUSED = {
    "additional_contexts": "a build is sent one context",
    "dockerfile_inline": "a build needs its Dockerfile as a file",
    "entitlements": "nothing is built with privileges",
    "extra_hosts": "a build resolves names as the engine does",
    "isolation": "that is for Windows",
    "network": "a build has the engine's own network",
    "platforms": "an image has one platform, which is the service's `platform`",
    "privileged": "nothing is built with privileges",
    "ulimits": "a build has the engine's own limits",
}
_ELSEWHERE = re.compile(r"[a-z+]+://|git@|github\.com/")


def image_source(reading: Reading, caller: Caller, file: Mapping, service: Mapping, name: str) -> Mapping | None:
    """The `from` that the service stands for; None after adding its mistakes. `file` is the whole one."""
    loc: Loc = ("services", name)
    build, image = service.items.get("build"), service.items.get("image")
    if build is not None:
        return _built(reading, caller, file, build, (*loc, "build"))
    if image is not None:
        return Mapping({"image": image, **never_pulled(service.items.get("pull_policy"), "never")}, image.place)
    reading.wrong(service.place, loc, "found neither image nor build; needed: one of them")
    return None


def _built(reading: Reading, caller: Caller, file: Mapping, build: Node, loc: Loc) -> Mapping | None:
    if isinstance(build, Scalar) and isinstance(build.value, str):
        build = Mapping({"context": build}, build.place)
    if not isinstance(build, Mapping):
        reading.wrong(build.place, loc, f"found {found(build)}; allowed: a folder, or a mapping with `context`")
        return None
    items = taken_over(reading, build, loc, _TAKEN, _IGNORED, _REFUSED)
    context = items.get("context", text(".", build.place))
    dockerfile = items.get("dockerfile", text("Dockerfile", context.place))
    if isinstance(context, Scalar) and isinstance(context.value, str):
        if _ELSEWHERE.match(context.value):
            reading.wrong(context.place, (*loc, "context"), f"found '{context.value}'; allowed: a folder")
            return None
        if isinstance(dockerfile, Scalar) and isinstance(dockerfile.value, str):
            dockerfile = replace(dockerfile, value=posixpath.join(context.value, dockerfile.value))
    items |= {"context": context, "dockerfile": dockerfile}
    if "args" in items:
        items["args"] = with_callers_values(caller, as_text(items["args"]))
    if "secrets" in items:
        items["secrets"] = _secrets(reading, file, items["secrets"], (*loc, "secrets"))
    if isinstance(items.get("ssh"), Scalar):
        items["ssh"] = Sequence((items["ssh"],), items["ssh"].place)
    if "cache_from" in items:
        items["cache-from"] = items.pop("cache_from")
    return Mapping(items, build.place, build.keys)


def _secrets(reading: Reading, file: Mapping, node: Node, loc: Loc) -> Node:
    """Names of the file's `secrets`, as a spec has them: by name, each with its file or variable."""
    named: dict[str, Node] = {}
    for index, item in enumerate(node.items if isinstance(node, Sequence) else ()):
        source = find(item, ("source",)) or item
        if not isinstance(source, Scalar):
            reading.wrong(item.place, (*loc, index), f"found {found(item)}; allowed: the name of a secret")
            continue
        identity, secret = find(item, ("target",)) or source, top_level(reading, file, "secrets", source, (*loc, index))
        if secret is not None and isinstance(identity, Scalar):
            named[str(identity.value)] = secret
    return Mapping(named, node.place) if isinstance(node, Sequence) else node


def top_level(reading: Reading, file: Mapping, kind: str, name: Scalar, loc: Loc) -> Mapping | None:
    """One of the file's own `secrets` or `configs`; None after adding the mistake that it is none, or not a file's."""
    table = file.items.get(kind)
    names = table.items if isinstance(table, Mapping) else {}
    told = names.get(str(name.value))
    if told is None:
        unknown_name(reading, name, loc, str(name.value), names)
        return None
    items = told.items if isinstance(told, Mapping) else {}
    kept: dict[str, Node] = {key: items[key] for key in ("file", "environment") if key in items}
    if len(kept) != 1:
        reading.wrong(told.place, (kind, str(name.value)), "neither of a file nor of a variable; allowed: file")
        return None
    return Mapping(kept, told.place)
