"""An image with rpm's database, slimmed through doit as a user runs it.

Its files are busybox and our own. rpmdb.sqlite.xz is what rpm 4.18 wrote when two packages were installed, built by its
rpmbuild: server 1:2.0-3.fc39 with /bin/server and /bin/late, and server-extra. No Fedora can be had here.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
from pipeline_repo import Repo
from syft import found_in, purls, scan

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

DATABASE = "usr/lib/sysimage/rpm/rpmdb.sqlite"


PURL = "pkg:rpm/fedora/server@2.0-3.fc39?arch=noarch&distro=fedora-39&epoch=1&upstream=server-2.0-3.fc39.src.rpm"


def test_packages_are_told_and_the_database_stays_whole(repo: Repo) -> None:
    file = repo.write(f"images/web/tree/{DATABASE}", "")
    file.write_bytes(lzma.decompress((Path(__file__).parent / "rpmdb.sqlite.xz").read_bytes()))
    repo.write("images/web/tree/etc/os-release", "ID=fedora\nVERSION_ID=39\n")
    repo.write("images/web/tree/bin/late", "#!/bin/sh\n")
    repo.write("images/web/tree/usr/share/extra/one", "gone\n")
    repo.append("images/web/Dockerfile", "COPY tree /\n")
    made = repo.run("web")
    assert made.status == 0, made.output
    with repo.path("build/web/selection.jsonl").open() as selection:
        [note] = json.loads(next(selection))["notes"]  # a quick `select` shows it too briefly to be seen in a log
    assert note.startswith(f"rpm's database stays whole (/{DATABASE}, 217.1 kB)")
    assert "1 package: 1 rpm; 1 in part" in made.output and "NOT TOLD" not in made.output
    bill = json.loads(repo.path("build/web/sbom.cdx.json").read_text())
    assert [one["purl"] for one in bill["components"] if "purl" in one] == [PURL]
    archive = repo.path("build/web/image.tar")
    gone = ("rpm", "server-extra", "1:2.0-3.fc39")
    assert found_in(archive) == {("rpm", "server", "1:2.0-3.fc39"), gone}
    assert PURL in purls(one for one in scan(archive) if one["type"] == "rpm")
    assert "server-extra 1:2.0-3.fc39 (whole)" in repo.run("removed", "web").output
