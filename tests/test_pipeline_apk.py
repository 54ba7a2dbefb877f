"""An image with apk's database, slimmed through doit as a user runs it.

Its files are busybox and our own, its database is written by hand in apk's format: no Alpine can be had here.
"""

from __future__ import annotations

import json

import pytest
from pipeline_repo import Repo
from syft import found_in, purls, read_bill, scan

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

OS_RELEASE = 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.19.1\n'
INSTALLED = """\
C:Q1Deb0jNytkrjPW4N/eKLZ43BwOlw=
P:busybox
V:1.36.1-r15
A:x86_64
S:500000
I:1000000
T:Size optimized toolbox
U:https://busybox.net/
L:GPL-2.0-only
o:busybox
m:Somebody <somebody@example.org>
t:1700000000
c:bf5bbfdbf780092f387b7abe401fbfceda90c84d
D:so:libc.musl-x86_64.so.1
F:bin
R:busybox
a:0:0:755
Z:Q12adwqQOjo9dFl+VJD2Ecd901vhE=
F:tmp
M:0:0:1777

C:Q1XXXXjNytkrjPW4N/eKLZ43BwOlw=
P:musl
V:1.2.4_git20230717-r4
A:x86_64
L:MIT
o:musl
t:1700000000
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q12adwqQOjo9dFl+VJD2Ecd901vhE=

C:Q1YYYYjNytkrjPW4N/eKLZ43BwOlw=
P:server-bin
V:2.0-r1
A:x86_64
L:MIT
o:server
t:1700000000
D:busybox musl
F:bin
R:server
a:0:0:755
Z:Q12adwqQOjo9dFl+VJD2Ecd901vhE=
R:late
a:0:0:755
Z:Q12adwqQOjo9dFl+VJD2Ecd901vhE=

C:Q1ZZZZjNytkrjPW4N/eKLZ43BwOlw=
P:tools
V:3-r0
A:noarch
L:MIT
o:tools
t:1700000000
F:usr
F:usr/share
F:usr/share/tools
R:one
Z:Q12adwqQOjo9dFl+VJD2Ecd901vhE=

"""
STAYING = {("busybox", "1.36.1-r15"), ("server-bin", "2.0-r1"), ("tools", "3-r0")}


def test_an_image_of_apk(repo: Repo) -> None:
    repo.write("images/web/tree/lib/apk/db/installed", INSTALLED)
    repo.write("images/web/tree/lib/ld-musl-x86_64.so.1", "unused\n")
    repo.write("images/web/tree/etc/os-release", OS_RELEASE)
    repo.write("images/web/tree/bin/late", "#!/bin/sh\n")
    repo.write("images/web/tree/usr/share/tools/one", "kept\n")
    repo.append("images/web/Dockerfile", "COPY tree /\n")
    repo.append("images/web/image.yaml", "keep-packages: ['apk/too*']\n")
    made = repo.run("web")
    assert made.status == 0, made.output
    assert "3 packages: 3 apk; 1 in part" in made.output

    bill, vex = (json.loads(repo.path(f"build/web/{name}.cdx.json").read_text()) for name in ("sbom", "vex"))
    urls = {one["purl"] for one in bill["components"] if "purl" in one}
    assert urls == {
        "pkg:apk/alpine/busybox@1.36.1-r15?arch=x86_64&distro=alpine-3.19.1",
        "pkg:apk/alpine/server-bin@2.0-r1?arch=x86_64&distro=alpine-3.19.1&upstream=server",
        "pkg:apk/alpine/tools@3-r0?arch=noarch&distro=alpine-3.19.1",
    }
    [gone] = [one["ref"] for statement in vex["vulnerabilities"] for one in statement["affects"]]
    assert gone.endswith("&upstream=server#bin/late")
    archive = repo.path("build/web/image.tar")
    assert found_in(archive) == {("apk", name, version) for name, version in STAYING}
    assert (
        purls(one for one in scan(archive) if one["type"] == "apk")
        == urls
        == read_bill(repo.path("build/web/sbom.cdx.json"))
    )

    removed = repo.run("removed", "web").output
    assert "musl 1.2.4_git20230717-r4 (whole)" in removed and "server-bin 2.0-r1 (part: 1 of 2 files stay)" in removed
    assert 'would be kept by keep-packages: ["musl"]' in repo.run("removed", "web", "--package", "musl").output
    why = repo.run("why", "web", "/usr/share/tools/one").output
    assert "tools 3-r0" in why and 'keep-packages: ["apk/too*"]' in why.replace("'", '"'), why
    assert repo.run("web").ran == ()


def test_a_base_of_apk_and_an_image_over_it(repo: Repo) -> None:
    busybox, musl, server, tools = (f"{stanza}\n\n" for stanza in INSTALLED.strip().split("\n\n"))
    repo.write("images/ground/root/lib/apk/db/installed", busybox + musl + tools)
    repo.write("images/ground/root/lib/ld-musl-x86_64.so.1", "not used by anything\n")
    repo.write("images/ground/root/etc/apk/world", "busybox\ntools\n")
    repo.write("images/ground/root/etc/os-release", OS_RELEASE)
    repo.write("images/ground/root/usr/share/tools/one", "purged\n")
    repo.append("images/ground/image.yaml", "squash: {purge: [tools]}\n")
    repo.write("images/web/tree/lib/apk/db/installed", busybox + musl + server)
    repo.append("images/web/Dockerfile", "COPY tree /\n")
    repo.append("images/web/image.yaml", "final: {base: ground}\n")
    made = repo.run("web")
    assert made.status == 0, made.output
    below = {("apk", "busybox", "1.36.1-r15"), ("apk", "musl", "1.2.4_git20230717-r4")}
    assert found_in(repo.path("build/ground/image.tar")) == below
    assert found_in(repo.path("build/web/image.tar")) == {*below, ("apk", "server-bin", "2.0-r1")}
    assert "3 packages: 3 apk" in made.output
