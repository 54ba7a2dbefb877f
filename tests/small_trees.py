"""Small image trees, written one path a line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from slimtasks.records import Access, Elf, Entry, ImagePath, Selected
from slimtasks.rootfs import normalise, parents
from slimtasks.spec import Rule


def rule(text: str, where: str = "image.yaml:1:1") -> Rule:
    """A rule of a spec."""
    return Rule(text, where)


def entries(text: str) -> tuple[Entry, ...]:
    """'/bin -> usr/bin', '/tmp/ mode=1777', '/usr/bin/x layer=1 package=x elf needed=libc.so.6 interpreter=/lib/ld'."""
    return tuple(sorted((_entry(line.strip()) for line in text.strip().splitlines() if line.strip()), key=_path))


def _path(entry: Entry) -> str:
    return entry.path


def _entry(line: str) -> Entry:
    words = shlex.split(line)
    path, options = words[0], words[1:]
    target = ""
    if options[:1] == ["->"]:
        target, options = options[1], options[2:]
    values = dict(option.partition("=")[::2] for option in options)
    kind = "link" if target else "dir" if path.endswith("/") else "file"
    return Entry(
        path=normalise(path),
        type=kind,  # type: ignore[arg-type]
        mode=int(values.get("mode", "755" if kind == "dir" else "644"), 8),
        uid=int(values.get("uid", "0")),
        target=target,
        size=int(values.get("size", "0")),
        digest=values.get("digest", ""),
        hardlink=values.get("hardlink", ""),
        layer=int(values.get("layer", "0")),
        package=_package(values.get("package", "")),
        script=values.get("script", ""),
        elf=elf(values) if "elf" in values else None,
    )


def _package(name: str) -> str:
    return name if "/" in name or not name else f"deb/{name}"


def elf(values: dict[str, str]) -> Elf:
    def several(name: str, separator: str) -> tuple[str, ...]:
        return tuple(part for part in values.get(name, "").split(separator) if part)

    return Elf(
        machine=int(values.get("machine", "62")),
        bits=int(values.get("bits", "64")),
        interpreter=values.get("interpreter", ""),
        soname=values.get("soname", ""),
        needed=several("needed", ","),
        rpath=several("rpath", ":"),
        runpath=several("runpath", ":"),
        cancels="cancels" in values,
    )


def accesses(text: str) -> tuple[Access, ...]:
    """'read /etc/passwd', 'miss /etc/shadow', 'list@fanotify /etc'; the source is strace unless said."""
    found = []
    for line in text.strip().splitlines():
        how, path = line.split(None, 1)
        how, _, source = how.partition("@")
        found.append(Access(ImagePath(path.strip()), how, sources=(source or "strace",)))
    return tuple(found)


def dump(selected: Iterable[Selected]) -> str:
    """'/etc/passwd: traced: opened (strace)', one path a line."""
    lines = []
    for item in selected:
        reasons = "; ".join(f"{reason.kind}: {reason.detail}" for reason in item.reasons)
        source = f" <- {item.source}" if item.source else ""
        target = f" -> {item.target}" if item.target else ""
        lines.append(f"{item.path}{source}{target}: {reasons}")
    return "\n".join(lines)


def files(selected: Iterable[Selected], tree: Iterable[Entry]) -> str:
    """The paths that stay, less directories, one a line."""
    directories = {entry.path for entry in tree if entry.type == "dir"}
    directories.update(above for entry in tree for above in parents(entry.path))
    return "\n".join(item.path for item in selected if item.path not in directories)
