"""A small fat image with packages of every kind, slimmed at `granularity: file`, and its bill of materials.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from oci_archives import docker_archive
from small_trees import accesses, entries
from tars import d, f, link, tar

from slimtasks.packages import dpkg
from slimtasks.records import ImagePath, Selected
from slimtasks.rootfs import Tree
from slimtasks.sbom.component import Component
from slimtasks.sbom.components import Slimmed, components
from slimtasks.sbom.contents import Contents, read_contents
from slimtasks.sbom.document import Subject
from slimtasks.selection import Inputs, select

TREE = """
/etc/os-release
/usr/bin/zpipe elf package=zlib1g
/usr/bin/zalias elf package=zlib1g
/usr/bin/zrun package=zlib1g hardlink=/usr/bin/zalias
/usr/lib/libz.so.1 elf package=zlib1g
/usr/share/man/man3/zlib.3.gz package=zlib1g
/usr/share/doc/zlib1g/copyright package=zlib1g
/usr/lib/libwhole.so elf package=libwhole
/usr/lib/libgone.so elf package=libgone
/usr/share/common-licenses/GPL-3 package=libgone
/usr/local/lib/python3.11/os.py
/usr/local/lib/python3.11/this.py
/site/lib/python3.11/site-packages/flask/__init__.py
/site/lib/python3.11/site-packages/flask/more.py
/site/lib/python3.11/site-packages/Flask-2.0+x.dist-info/METADATA
/site/lib/python3.11/site-packages/Flask-2.0+x.dist-info/RECORD
/site/lib/python3.11/site-packages/Flask-2.0+x.dist-info/LICENSE.rst
/site/lib/python3.11/site-packages/Flask-2.0+x.dist-info/WHEEL
/site/lib/python3.11/site-packages/unused.py
/site/lib/python3.11/site-packages/unused-1.dist-info/METADATA
/site/lib/python3.11/site-packages/unused-1.dist-info/RECORD
/app/node_modules/@a/b/package.json
/app/node_modules/@a/b/index.js
/app/node_modules/@a/b/LICENSE
/app/node_modules/c/package.json
/app/node_modules/c/index.js
/app/node_modules/unused/package.json
/app/node_modules/unused/index.js
/app/package.json
/app/server.js
/app/late.js
/app/demo.jar
/app/plain.jar
/usr/lib/python3/dist-packages/packed.py package=python3-packed
/usr/lib/python3/dist-packages/lost.py package=python3-packed
/usr/lib/python3/dist-packages/packed-7.egg-info package=python3-packed
/gems/gems/rack-2.2/lib/rack.rb
/gems/gems/rack-2.2/README.md
/gems/gems/rack-2.2/MIT-LICENSE
/gems/specifications/rack-2.2.gemspec
/usr/share/perl5/auto/Foo/Bar/.packlist
/usr/share/perl5/Foo/Bar.pm
"""
USED = """
read /usr/bin/zrun
map /usr/lib/libz.so.1
map /usr/lib/libwhole.so
read /site/lib/python3.11/site-packages/flask/__init__.py
read /app/node_modules/@a/b/index.js
read /app/node_modules/c/index.js
read /app/demo.jar
read /app/server.js
read /app/package.json
read /usr/lib/python3/dist-packages/packed.py
read /app/plain.jar
read /gems/gems/rack-2.2/lib/rack.rb
read /usr/share/perl5/Foo/Bar.pm
read /usr/local/lib/python3.11/os.py
"""
SITE = "/site/lib/python3.11/site-packages"
STANZA = "Package: {}\nStatus: install ok installed\nVersion: 1:1.2+b1\nArchitecture: amd64\n"


def jar(manifest: str, **files: str | bytes) -> bytes:
    """A Java archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", manifest)
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def _list(*paths: str) -> str:
    return "".join(f"{path}\n" for path in paths)


CONTENT: dict[str, str | bytes] = {
    "/etc/os-release": 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
    "/var/lib/dpkg/status": "\n".join(
        (
            STANZA.format("zlib1g") + "Source: zlib (1:1.2)\n",
            STANZA.format("libwhole"),
            STANZA.format("libgone"),
            STANZA.format("python3-packed"),
        )
    ),
    "/var/lib/dpkg/info/zlib1g.list": _list("/usr/bin/zpipe", "/usr/bin/zrun", "/usr/bin/zalias", "/usr/lib/libz.so.1"),
    "/var/lib/dpkg/info/libwhole.list": _list("/usr/lib/libwhole.so"),
    "/var/lib/dpkg/info/libgone.list": _list("/usr/lib/libgone.so"),
    "/var/lib/dpkg/info/python3-packed.list": _list(
        *(f"/usr/lib/python3/dist-packages/{name}" for name in ("packed.py", "lost.py", "packed-7.egg-info"))
    ),
    "/usr/lib/python3/dist-packages/packed-7.egg-info": "Name: packed\nVersion: 7\n",
    "/app/package.json": json.dumps({"name": "app", "version": "8.0.0"}),
    "/usr/share/doc/zlib1g/copyright": "see /usr/share/common-licenses/GPL-3",
    f"{SITE}/Flask-2.0+x.dist-info/METADATA": "Metadata-Version: 2.1\nName: Flask\nVersion: 2.0+x\n\nVersion: 9\n",
    f"{SITE}/Flask-2.0+x.dist-info/RECORD": _list("flask/__init__.py,,", "flask/more.py,,"),
    f"{SITE}/unused-1.dist-info/METADATA": "Name: unused\nVersion: 1\n",
    f"{SITE}/unused-1.dist-info/RECORD": "unused.py,,\n",
    "/app/node_modules/@a/b/package.json": json.dumps({"name": "@a/b", "version": "3.0.0"}),
    "/app/node_modules/c/package.json": json.dumps({"name": "c", "version": "4.0.0"}),
    "/app/demo.jar": jar(
        "Manifest-Version: 1.0\n",
        **{"META-INF/maven/org.x/demo/pom.properties": "#made\ngroupId=org.x\nartifactId=demo\nversion=5.0\n"},
    ),
    "/app/plain.jar": jar("Manifest-Version: 1.0\nImplementation-Version: 6.0\n"),
    "/gems/specifications/rack-2.2.gemspec": """\
Gem::Specification.new do |s|
  s.name = "rack"
  s.version = "2.2"
end
""",
    "/usr/share/perl5/auto/Foo/Bar/.packlist": "/usr/share/perl5/Foo/Bar.pm\n",
}


@dataclass(frozen=True)
class Bill:
    """What was made of the small image."""

    selected: tuple[Selected, ...]
    components: tuple[Component, ...]
    subject: Subject
    archive: Path


def small_bill(folder: Path, metadata: str = "keep") -> Bill:
    """Selects, packs and describes it."""
    inventory = entries(TREE + _list(*(path for path in CONTENT if path.startswith("/var/"))))
    content = {ImagePath(path): text.encode() if isinstance(text, str) else text for path, text in CONTENT.items()}
    packages = dpkg.packages(content)
    inputs = Inputs(
        inventory,
        accesses(USED),
        packages=packages,
        captured=content,
        granularity="file",
        unowned="traced",
        metadata=metadata,
    )
    selected = select(inputs).selected
    tree = Tree(inventory)
    items = []
    for choice in selected:
        entry = tree.lookup(choice.path)
        name = choice.path.lstrip("/")
        if entry and entry.type == "link":
            items.append(link(name, entry.target))
        elif (entry and entry.type == "file") or choice.content:
            items.append(f(name, choice.content or content.get(choice.path, b"")))
        elif name:
            items.append(d(f"{name}/"))
    layer = folder / "layer.tar"
    layer.write_bytes(tar(*items))
    archive = folder / "image.tar"
    archive.write_bytes(docker_archive(layer.read_bytes(), tags=("small:1",)))
    empty = Contents(frozenset(), {}, {})
    slimmed = Slimmed(tree, packages, content, selected, read_contents([layer]), empty, Tree(()))
    found = components(slimmed)
    subject = Subject("small:1", "sha256:" + "0" * 64, 86400, found, slimmed.os_release)
    return Bill(selected, found, subject, archive)


@pytest.fixture
def bill(tmp_path: Path) -> Bill:
    """The small image, with metadata."""
    return small_bill(tmp_path)
