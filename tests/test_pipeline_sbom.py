"""The bill of materials, through doit as a user runs it."""

from __future__ import annotations

import json

import pytest
from pipeline_repo import Repo
from syft import found_in, read_bill

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

DOCUMENTS = ("sbom.cdx.json", "sbom.spdx.json", "vex.cdx.json")
STATUS = "Package: server\nStatus: install ok installed\nVersion: 1:2+3\nArchitecture: all\n"


def test_a_run_makes_the_bill_and_clean_removes_it(repo: Repo) -> None:
    repo.write("images/web/dpkg/status", STATUS)
    repo.write("images/web/dpkg/info/server.list", "/bin/server\n/bin/late\n")
    repo.write("images/web/tree/bin/late", "#!/bin/sh\n")
    repo.append("images/web/Dockerfile", "COPY dpkg /var/lib/dpkg\nCOPY tree /\n")
    made = repo.run("web")
    assert made.status == 0 and "sbom:web" in made.ran, made.output
    assert "1 package: 1 deb; 1 in part" in made.output
    bill, spdx, vex = (json.loads(repo.path(f"build/web/{name}").read_text()) for name in DOCUMENTS)
    assert bill["metadata"]["component"]["version"] == repo.result("web")["config_digest"]
    purl = "pkg:deb/debian/server@1:2%2B3?arch=all"
    assert [one["purl"] for one in bill["components"]] == [purl]
    assert [one["ref"] for one in vex["vulnerabilities"][0]["affects"]] == [f"{purl}#bin/late"]
    assert spdx["packages"][1]["comment"] == "part: files that stay: 1, that are gone: 1"
    assert found_in(repo.path("build/web/image.tar")) == {("deb", "server", "1:2+3")}
    assert read_bill(repo.path("build/web/sbom.cdx.json")) == {"pkg:deb/debian/server@1:2+3?arch=all"}
    assert repo.run("web").ran == ()

    assert repo.run("clean", "web").status == 0
    assert [name for name in DOCUMENTS if repo.path(f"build/web/{name}").exists()] == []


def test_a_base_has_a_bill_of_all_that_its_package_database_names(repo: Repo) -> None:
    repo.write("images/ground/dpkg/status", STATUS)
    repo.write("images/ground/dpkg/info/server.list", "/.\n/srv\n/srv/here\n/srv/gone\n/usr/share/man/man1/gone.1\n")
    repo.write("images/ground/tree/srv/here", "here\n")
    repo.write("images/ground/tree/srv/gone", "gone\n")
    repo.append("images/ground/Dockerfile", "COPY dpkg /var/lib/dpkg\nCOPY tree /\n")
    repo.append("images/ground/image.yaml", "squash: {remove: [/srv/gone]}\n")
    made = repo.run("ground")
    assert made.status == 0 and "sbom:ground" in made.ran, made.output
    assert "1 package: 1 deb; 1 in part" in made.output
    bill, spdx = (json.loads(repo.path(f"build/ground/{name}").read_text()) for name in DOCUMENTS[:2])
    assert bill["metadata"]["component"]["version"] == repo.result("ground")["config_digest"]
    assert spdx["packages"][1]["comment"] == "part: files that stay: 1, that are gone: 1"
    assert found_in(repo.path("build/ground/image.tar")) == {("deb", "server", "1:2+3")}
    assert read_bill(repo.path("build/ground/sbom.cdx.json")) == {"pkg:deb/debian/server@1:2+3?arch=all"}
    assert repo.run("ground").ran == ()

    for layer in repo.path("build/layers").iterdir():
        layer.unlink()
    for name in DOCUMENTS[:2]:
        repo.path(f"build/ground/{name}").unlink()
    assert repo.run("ground").ran == ("sbom:ground",)
    assert bill == json.loads(repo.path("build/ground/sbom.cdx.json").read_text())
