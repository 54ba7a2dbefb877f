"""The bill of materials of a small image: its packages, what of them is gone, and what a scanner makes of both."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from small_bill import SITE, Bill, jar, small_bill
from syft import found_in, purls, read_bill, scan
from tars import d, f, tar

from slimtasks.packages.java import Artifact
from slimtasks.records import ImagePath
from slimtasks.sbom import cyclonedx, spdx
from slimtasks.sbom.contents import read_contents
from slimtasks.sbom.purl import of_language, purl

pytest_plugins = ("small_bill",)

DEBIAN = "?arch=amd64&distro=debian-12"


def line(bill: Bill, name: str) -> str:
    """'part 1 of 2 -/path' of the component."""
    one = next(one for one in bill.components if one.name == name)
    return " ".join((one.stays, str(one.kept), "of", str(one.kept + one.gone), *(f"-{path}" for path in one.code_gone)))


def test_packages_of_which_a_file_stays(bill: Bill) -> None:
    assert [one.reference for one in bill.components] == [
        "pkg:cpan/Foo%3A%3ABar",
        f"pkg:deb/debian/libwhole@1:1.2%2Bb1{DEBIAN}",
        f"pkg:deb/debian/python3-packed@1:1.2%2Bb1{DEBIAN}",
        f"pkg:deb/debian/zlib1g@1:1.2%2Bb1{DEBIAN}&upstream=zlib%401:1.2",
        "pkg:gem/rack@2.2",
        "pkg:generic/python",
        "maven:/app/plain.jar:plain@6.0",
        "pkg:maven/org.x/demo@5.0",
        "pkg:npm/%40a/b@3.0.0",
        "pkg:npm/app@8.0.0",
        "pkg:npm/c@4.0.0",
        "pkg:pypi/flask@2.0%2Bx",
        "pkg:pypi/packed@7",
    ]


def test_whole_and_part(bill: Bill) -> None:
    told = {one.name: line(bill, one.name) for one in bill.components}
    assert told == {
        "Foo::Bar": "whole 2 of 2",
        "libwhole": "whole 1 of 1",
        "python3-packed": "part 2 of 3 -/usr/lib/python3/dist-packages/lost.py",
        "packed": "part 2 of 3 -/usr/lib/python3/dist-packages/lost.py",
        "app": "part 4 of 5 -/app/late.js",
        "zlib1g": "part 2 of 4 -/usr/bin/zpipe",  # zalias is gone, and its code is there as zrun
        "rack": "part 3 of 4",
        "python": "part 1 of 2 -/usr/local/lib/python3.11/this.py",
        "plain": "whole 1 of 1",
        "demo": "whole 1 of 1",
        "@a/b": "whole 3 of 3",
        "c": "whole 2 of 2",
        "flask": f"part 4 of 6 -{SITE}/flask/more.py",
    }


def test_metadata_stays_with_any_file_at_granularity_file(bill: Bill) -> None:
    paths = {choice.path for choice in bill.selected if choice.reasons[0].kind == "metadata"}
    assert {path for path in paths if not path.startswith(("/var", "/usr/share/doc", "/etc"))} == {
        "/usr/lib/python3/dist-packages/packed-7.egg-info",
        "/usr/share/common-licenses/GPL-3",
        f"{SITE}/Flask-2.0+x.dist-info/METADATA",
        f"{SITE}/Flask-2.0+x.dist-info/RECORD",
        f"{SITE}/Flask-2.0+x.dist-info/LICENSE.rst",
        "/app/node_modules/@a/b/package.json",
        "/app/node_modules/@a/b/LICENSE",
        "/app/node_modules/c/package.json",
        "/gems/gems/rack-2.2/MIT-LICENSE",
        "/gems/specifications/rack-2.2.gemspec",
        "/usr/share/perl5/auto/Foo/Bar/.packlist",
    }


def test_syft_finds_the_same(bill: Bill) -> None:
    """Perl's and the runtimes it does not look for."""
    ours = {(one.type, one.name, one.version) for one in bill.components}
    assert found_in(bill.archive) == ours - {("cpan", "Foo::Bar", ""), ("generic", "python", "")}


def test_syft_names_debian_packages_the_same(bill: Bill) -> None:
    theirs = purls(one for one in scan(bill.archive) if one["type"] == "deb")
    assert theirs == {unquote(one.purl) for one in bill.components if one.type == "deb"}


@pytest.mark.parametrize(("form", "name"), [(cyclonedx.bill, "bill.cdx.json"), (spdx.bill, "bill.spdx.json")])
def test_syft_reads_the_bills(bill: Bill, tmp_path: Path, form: object, name: str) -> None:
    assert callable(form)
    (tmp_path / name).write_text(json.dumps(form(bill.subject)))
    assert read_bill(tmp_path / name) >= {unquote(one.purl) for one in bill.components if one.purl}


def test_bills_mark_whole_and_part(bill: Bill) -> None:
    told = {one["name"]: one["properties"][0] for one in cyclonedx.bill(bill.subject)["components"][1:]}
    assert told["zlib1g"] == {"name": "slimtasks:stays", "value": "part"}
    assert told["libwhole"] == {"name": "slimtasks:stays", "value": "whole"}
    comments = {one["name"]: one.get("comment") for one in spdx.bill(bill.subject)["packages"]}
    assert comments["zlib1g"] == "part: files that stay: 2, that are gone: 2"


def test_what_is_gone_affects_files_and_no_package(bill: Bill) -> None:
    told = cyclonedx.exploitability(bill.subject)
    references = {one["bom-ref"] for part in told["components"] for one in part["components"]}
    affected = [one["ref"] for statement in told["vulnerabilities"] for one in statement["affects"]]
    assert set(affected) == references and len(affected) == 6
    assert f"pkg:deb/debian/zlib1g@1:1.2%2Bb1{DEBIAN}&upstream=zlib%401:1.2#usr/bin/zpipe" in affected
    assert {one["analysis"]["justification"] for one in told["vulnerabilities"]} == {"code_not_present"}


def test_the_same_image_gives_the_same_documents(bill: Bill, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    again = small_bill(tmp_path / "again").subject
    for form in (cyclonedx.bill, cyclonedx.exploitability, spdx.bill):
        assert json.dumps(form(bill.subject)) == json.dumps(form(again))
    assert cyclonedx.bill(again)["metadata"]["timestamp"] == "1970-01-02T00:00:00Z"
    assert cyclonedx.bill(again)["serialNumber"] != cyclonedx.exploitability(again)["serialNumber"]


def test_without_metadata_the_bill_tells_what_no_scanner_finds(tmp_path: Path) -> None:
    bill = small_bill(tmp_path, metadata="none")
    assert {one.name for one in bill.components} >= {"zlib1g", "flask", "@a/b", "rack"}
    told = {name for kind, name, _ in found_in(bill.archive) if kind != "maven"}
    assert told == {"app"}  # whose package.json the run has read


def test_a_later_layer_takes_away(tmp_path: Path) -> None:
    package = "app/node_modules/c/package.json"
    lower = tar(d("app"), f(package, "{}"), f("app/x.jar", "no archive"), d("old"), f("old/y"))
    upper = tar(f("app/node_modules/.wh.c"), f("old/.wh..wh..opq"), f("app/broken.egg-info", "Name: x\nVersion: 1\n"))
    for name, content in (("lower", lower), ("upper", upper)):
        (tmp_path / name).write_bytes(content)
    found = read_contents([tmp_path / "lower", tmp_path / "upper"])
    assert sorted(found.paths) == ["/app", "/app/broken.egg-info", "/app/x.jar", "/old"]
    assert list(found.files) == [ImagePath("/app/broken.egg-info")]
    assert found.archives == {ImagePath("/app/x.jar"): ()}


def test_artifacts_in_one_another(tmp_path: Path) -> None:
    pom: dict[str, str | bytes] = {"META-INF/maven/g/inner/pom.properties": "groupId=g\nartifactId=inner\nversion=1\n"}
    outer: dict[str, str | bytes] = {"BOOT-INF/lib/inner.jar": jar("", **pom)}
    (tmp_path / "layer").write_bytes(tar(f("app/outer-2.0.jar", jar("", **outer))))
    found = read_contents([tmp_path / "layer"]).archives
    assert found == {ImagePath("/app/outer-2.0.jar"): (Artifact("", "outer", "2.0"), Artifact("g", "inner", "1"))}


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (of_language("npm", "@a/b", "1"), "pkg:npm/%40a/b@1"),
        (of_language("cpan", "Foo::Bar", ""), "pkg:cpan/Foo%3A%3ABar"),
        (
            purl("deb", "libstdc++6", "1:2~3-4+b1", "debian", arch="amd64"),
            "pkg:deb/debian/libstdc%2B%2B6@1:2~3-4%2Bb1?arch=amd64",
        ),
    ],
)
def test_package_urls(url: str, wanted: str) -> None:
    assert url == wanted
