"""Package metadata, licence texts and os-release of what stays."""

from small_trees import accesses, entries, files, rule

from slimtasks.records import ImagePath, Package, Selected
from slimtasks.selection import Inputs, select

TREE = """
/etc/os-release -> ../usr/lib/os-release
/usr/lib/os-release package=base-files
/usr/lib/libz.so.1 elf package=zlib1g
/usr/lib/other package=other
/usr/share/doc/zlib1g -> zlib-doc
/usr/share/doc/zlib-doc/copyright package=zlib-doc
/usr/share/doc/other/copyright package=other
/usr/share/common-licenses/GPL -> GPL-3
/usr/share/common-licenses/GPL-3 package=base-files
/usr/share/common-licenses/Artistic package=base-files
/var/lib/dpkg/status
/var/lib/dpkg/info/zlib1g.list
"""
STATUS = """\
Package: zlib1g
Status: install ok installed
Version: 1.2

Package: other
Status: install ok installed
Version: 3
"""
CAPTURED = {
    "/var/lib/dpkg/status": STATUS,
    "/var/lib/dpkg/info/zlib1g.md5sums": "00  usr/lib/libz.so.1\n11  usr/lib/gone\n",
    "/usr/share/doc/zlib-doc/copyright": "see /usr/share/common-licenses/GPL.",
}


def selected(trace: str, **more: object) -> tuple[Selected, ...]:
    inputs = Inputs(
        entries(TREE),
        accesses(trace),
        packages=[Package(f"deb/{name}", "1") for name in ("zlib1g", "other", "base-files", "zlib-doc")],
        captured={ImagePath(path): text.encode() for path, text in CAPTURED.items()},
        granularity="file",
        unowned="traced",
        **more,  # type: ignore[arg-type]
    )
    return select(inputs).selected


def test_metadata_of_packages_of_which_a_file_stays() -> None:
    found = selected("read /usr/lib/libz.so.1")
    assert files(found, entries(TREE)).split() == [
        "/etc/os-release",
        "/usr/lib/libz.so.1",
        "/usr/lib/os-release",
        "/usr/share/common-licenses/GPL",
        "/usr/share/common-licenses/GPL-3",
        "/usr/share/doc/zlib-doc/copyright",
        "/usr/share/doc/zlib1g",
        "/var/lib/dpkg/status.d",
        "/var/lib/dpkg/status.d/zlib1g",
        "/var/lib/dpkg/status.d/zlib1g.md5sums",
    ]
    content = {item.path: item.content for item in found if item.content}
    assert content == {
        "/var/lib/dpkg/status.d/zlib1g": "Package: zlib1g\nStatus: install ok installed\nVersion: 1.2\n",
        "/var/lib/dpkg/status.d/zlib1g.md5sums": "00  usr/lib/libz.so.1\n",
    }


def test_an_app_that_reads_status_gets_it_cut_down() -> None:
    found = selected("read /usr/lib/libz.so.1\nread /var/lib/dpkg/status")
    assert {item.path: item.content for item in found if item.content} == {
        "/var/lib/dpkg/status": "Package: zlib1g\nStatus: install ok installed\nVersion: 1.2\n"
    }


def test_none() -> None:
    assert files(selected("read /usr/lib/libz.so.1", metadata="none"), entries(TREE)) == "/usr/lib/libz.so.1"


def test_drop_beats_metadata() -> None:
    rules = [rule("/var/lib/dpkg"), rule("/usr/share/doc/**"), rule("/usr/lib/os*")]
    found = selected("read /usr/lib/libz.so.1", drop=rules)
    assert "/usr/lib/libz.so.1" in files(found, entries(TREE)).split()
    assert not [item.path for item in found if item.path.startswith(("/var/lib/dpkg", "/usr/share/doc"))]


def test_metadata_of_a_languages_package_at_granularity_file() -> None:
    site = "/app/lib/python3.11/site-packages"
    tree = entries(
        f"""
        {site}/used.py
        {site}/used-1.dist-info/METADATA
        {site}/used-1.dist-info/RECORD
        {site}/used-1.dist-info/LICENSE
        {site}/used-1.dist-info/WHEEL
        {site}/other.py
        {site}/other-1.dist-info/METADATA
        {site}/other-1.dist-info/RECORD
        /app/node_modules/a/package.json
        /app/node_modules/a/MIT-LICENSE
        /app/node_modules/a/i.js
        /app/node_modules/a/README.md
        /app/node_modules/b/package.json
        """
    )
    captured = {
        ImagePath(f"{site}/used-1.dist-info/RECORD"): b"used.py,,\nused-1.dist-info/METADATA,,\n",
        ImagePath(f"{site}/other-1.dist-info/RECORD"): b"other.py,,\n",
    }
    trace = accesses(f"read {site}/used.py\nread /app/node_modules/a/i.js")
    found = select(Inputs(tree, trace, captured=captured, granularity="file", unowned="traced")).selected
    assert files(found, tree).split() == [
        f"{site}/used-1.dist-info/LICENSE",
        f"{site}/used-1.dist-info/METADATA",
        f"{site}/used-1.dist-info/RECORD",
        f"{site}/used.py",
        "/app/node_modules/a/MIT-LICENSE",
        "/app/node_modules/a/i.js",
        "/app/node_modules/a/package.json",
    ]
