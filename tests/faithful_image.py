"""An image with everything that has to stay as it is, and trees as readers tell them that are not ours.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from engine_images import tree
from oci_archives import config, docker_archive
from tars import ACL, CAPABILITY, ODD, Item, attributes, d, f, hard, link, node, special, tar

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig

SERVER = """\
#!/bin/sh
# Writes wherever it can, then serves.
trap 'exit 0' TERM
cd /run-here
echo more >>written
echo new >created
rm removed
chmod 0777 mode
busybox chown 7:8 owner
mv moved elsewhere
ln linked made
mkdir below && echo new >below/file
rmdir empty
rm link && ln -s changed link
echo new >/data/created
echo more >>/data/shipped
echo new >/tmp/created
echo new >/dev/shm/created
for file in hosts resolv.conf hostname; do echo '# run' >>/etc/$file; done
cat /etc/hosts /proc/version /t/plain >/dev/null
httpd -f -p 80 -h /t &
wait
"""
ENGINES = frozenset(
    (
        *("/proc/version", "/sys/x", "/dev/x", "/dev/shm", "/dev/shm/x", "/dev/null", "/.dockerenv"),
        *("/etc/hosts", "/etc/resolv.conf", "/etc/hostname"),
    )
)
"""What the image has where engines put what is theirs."""

RUN = {
    "Env": ["PATH=/bin", "A=b $c"],
    "Cmd": ["/server"],
    "WorkingDir": "/t",
    "User": "0:0",
    "Volumes": {"/data": {}},
    "ExposedPorts": {"80/tcp": {}},
    "StopSignal": "SIGTERM",
    "Labels": {"who": "faithful"},
}


def faithful(busybox: Path, tag: str, *, attributed: bool = True) -> bytes:
    """The image as an archive; `attributed`: with what ADD cannot carry, too."""
    odd = tar(*_one_of_everything(), *(_attributed() if attributed else ()))
    layers = (tree(busybox), odd, tar(*_last()))
    history = [{"created_by": f"COPY layer{number} / # buildkit"} for number in range(len(layers))]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    raw = config(layers, history, architecture=machine, config=RUN)
    return docker_archive(*layers, raw_config=raw, tags=(tag,))


def _one_of_everything() -> Iterator[Item]:
    yield from (f("ballast", bytes(1 << 20)), f("server", SERVER, 0o755))
    yield from (d("data", 0o3770, 33), f("data/shipped", "shipped", 0o600, 33))
    folders = ("t", "t/hidden", "odd", "run-here", "run-here/empty", "proc", "sys", "dev", "dev/shm", "run")
    yield from (d(name) for name in folders)
    yield from (f(f"run-here/{name}", name) for name in ("written", "removed", "mode", "owner", "moved", "linked"))
    yield link("run-here/link", "written")
    yield from (f(name[1:], "of the image") for name in sorted(ENGINES - {"/dev/shm", "/dev/null"}))
    yield node("dev/null", tarfile.CHRTYPE, 1, 3)
    yield from _files()
    yield from _links()


def _files() -> Iterator[Item]:
    yield from (f("t/plain", "plain"), f("t/empty"), f("t/nobody-may", "x", 0))
    yield from (f("t/setuid", "x", 0o4755, 12), f("t/setgid", "x", 0o2711))
    yield special("t/owned", tarfile.REGTYPE, uid=3_000_000, gid=4_000_000_000, mode=0o640)
    yield from (d("t/directory", 0o2750, 1000), d("t/directory/empty", 0o700, 65534), d("t/sticky", 0o1777))
    yield special("t/fifo", tarfile.FIFOTYPE, mode=0o620, uid=5)
    yield from (node("t/null", tarfile.CHRTYPE, 1, 3), node("t/disk", tarfile.BLKTYPE, 8, 300))
    yield from (f(ODD, "odd"), f("t/" + "n" * 255, "long"))
    deep = ["d" * 200] * 4
    yield from (d("/".join(["t", *deep[:depth]])) for depth in range(1, 5))
    yield f("/".join(["t", *deep, "x"]), "deep")
    yield from (f("t/ '\"\\$*?\t\r", "shell"), f("t/.wh", "no whiteout"), f("t/gone", "x"), f("t/hidden/old", "x"))
    yield attributes(f("t/ping", "ping", 0o755), security__capability=CAPABILITY)


def _links() -> Iterator[Item]:
    yield f("t/b", "hard", 0o751, 9)
    same = {"linkname": "t/b", "mode": 0o751, "uid": 9, "gid": 9}
    yield from (special(f"t/{name}", tarfile.LNKTYPE, **same) for name in ("a", "c", "directory/d"))
    yield from (link("t/chain1", "chain2"), link("t/chain2", "/t/chain3"), link("t/chain3", "../t/directory/../plain"))
    yield from (link("t/dangling", "none"), link("t/loop", "loop"), link("t/out", "../../../x"))
    yield from (link("t/absolute", "/nowhere/at all"), link("t/to-directory", "directory"))
    yield special("t/owned-link", tarfile.SYMTYPE, linkname="plain", mode=0o777, uid=77, gid=78)
    yield link("t/odd-target", os.fsdecode(b"\xff\xfe"))


def _attributed() -> Iterator[Item]:
    yield d("./", 0o751, 3)
    yield attributes(f("t/note", "note"), user__note=b"a=b\n\xff\x00", user__empty=b"")
    yield hard("t/note-linked", "t/note")
    yield attributes(d("t/note-directory"), user__note=b"directory")
    yield attributes(f("t/acl", "acl"), system__posix_acl_access=ACL)
    yield attributes(d("t/acl-directory"), system__posix_acl_default=ACL)
    yield attributes(f("t/labelled", "x"), security__selinux=b"system_u:object_r:etc_t:s0")


def _last() -> Iterator[Item]:
    """What hides what is below, and what `ln` makes of a file that is: it is copied up first."""
    yield from (f("t/.wh.gone"), d("t/hidden"), f("t/hidden/.wh..wh..opq"), f("t/hidden/new", "new"))
    yield from (f("t/plain", "plain"), hard("t/plain-linked", "t/plain"))


# Readers that are not ours


def saved(archive: bytes) -> dict[str, str]:
    """What an engine saved: each path, and all of it but its time in one line, as Python's tarfile reads the layers."""
    with tarfile.open(fileobj=io.BytesIO(archive), errors="surrogateescape") as outer:
        (described,) = json.load(_member(outer, "manifest.json"))
        found: dict[str, tuple[object, str]] = {"/": (None, "5 0755 0:0")}  # where no layer names it
        for number, name in enumerate(described["Layers"]):
            with tarfile.open(fileobj=_member(outer, name), errors="surrogateescape") as layer:
                _lay(found, number, layer)
    return _with_names(found)


def _lay(found: dict[str, tuple[object, str]], number: int, layer: tarfile.TarFile) -> None:
    """Puts a layer over what was found in those below (OCI image-spec, layer.md)."""
    below = dict(found)
    for member in layer:
        path = _path(member.name)
        folder, name = posixpath.split(path)
        if name.startswith(".wh."):
            hidden = folder if name == ".wh..wh..opq" else posixpath.join(folder, name[4:])
            for gone in [p for p in below if p.startswith(hidden + "/") or (p == hidden and hidden != folder)]:
                found.pop(gone, None)
        elif member.islnk():
            found[path] = found[_path(member.linkname)]
        else:
            found[path] = ((number, member.offset), _line(layer, member))


def _path(name: str) -> str:
    return posixpath.normpath("/" + name)


def _with_names(found: dict[str, tuple[object, str]]) -> dict[str, str]:
    """The lines, with all names of an inode that has several."""
    names = defaultdict(list)
    for path, (inode, _) in sorted(found.items()):
        names[inode].append(path)
    return {
        path: line + (f" = {names[inode]}" if len(names[inode]) > 1 else "") for path, (inode, line) in found.items()
    }


def _member(outer: tarfile.TarFile, name: str) -> IO[bytes]:
    file = outer.extractfile(name)
    assert file is not None
    return file


def _line(layer: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    kind = "file" if member.isreg() else member.type.decode()
    parts = [kind, f"{member.mode & 0o7777:04o}", f"{member.uid}:{member.gid}", member.linkname]
    content = layer.extractfile(member) if member.isreg() else None
    if content:
        parts += [str(member.size), digest(content.read())]
    if member.ischr() or member.isblk():
        parts.append(f"{member.devmajor},{member.devminor}")
    parts += [
        f"{name[13:]}={value.encode('utf-8', 'surrogateescape').hex()}"
        for name, value in sorted(member.pax_headers.items())
        if name.startswith("SCHILY.xattr.")
    ]
    return " ".join(filter(None, parts))


def digest(content: bytes | str) -> str:
    """As in the lines."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:12]


_SEEN = r"""
busybox find / -xdev -exec busybox stat -c '%n %F %a %u:%g %t,%T' {} \;
busybox find / -xdev -type f -exec busybox stat -c '%n %s %h' {} \; -exec busybox sha256sum {} \;
busybox find / -xdev -type l -exec busybox readlink {} \;
"""


def seen(engine: Engine, image: str) -> list[bytes]:
    """What a container sees: a line of each path, of each file's content and of each link, less the engine's own."""
    config = ContainerConfig(image, entrypoint=("sh", "-c", _SEEN), command=(), user="0", network="none")
    with engine.container(config) as container, container.attach() as stream:
        container.start()
        output, _ = stream.read_all()
    return sorted(line for line in output.splitlines() if not any(path.encode() in line for path in ENGINES))
