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
from syft import found_in

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

DATABASE = "usr/lib/sysimage/rpm/rpmdb.sqlite"


def test_rpms_database_stays_whole_and_that_is_said(repo: Repo) -> None:
    file = repo.write(f"images/web/tree/{DATABASE}", "")
    file.write_bytes(lzma.decompress((Path(__file__).parent / "rpmdb.sqlite.xz").read_bytes()))
    repo.append("images/web/Dockerfile", "COPY tree /\n")
    made = repo.run("web")
    assert made.status == 0, made.output
    assert f"rpm's database stays whole (/{DATABASE}, 217.1 kB)" in made.output
    assert f"0 packages; the packages of rpm are NOT TOLD: /{DATABASE} is not read" in made.output
    bill = json.loads(repo.path("build/web/sbom.cdx.json").read_text())
    assert bill["compositions"][0]["aggregate"] == "incomplete"
    found = {(kind, name) for kind, name, _ in found_in(repo.path("build/web/image.tar"))}
    assert found == {("rpm", "server"), ("rpm", "server-extra")}  # the latter is gone
