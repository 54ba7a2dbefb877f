from small_trees import entries

from slimtasks.packages.dpkg import checksums, licences_named, packages, stanzas
from slimtasks.packages.installed import captured, owners
from slimtasks.records import ImagePath
from slimtasks.rootfs import Tree

STATUS = """\
Package: coreutils
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 9.1-1
Pre-Depends: libc6 (>= 2.34), libselinux1 (>= 3.1~) | libselinux-stub

Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+deb12u9
Provides: libc6-compat (= 2.36), libc:any

Package: libc6
Status: install ok installed
Architecture: i386
Source: glibc
Version: 2.36-9+deb12u9

Package: dash
Status: install ok installed
Architecture: amd64
Version: 0.5.12-2
Description: POSIX-compliant shell
 Field: not one

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21
"""
FILES = {
    "/var/lib/dpkg/status": STATUS,
    "/var/lib/dpkg/info/coreutils.list": "/bin\n/bin/ls\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/coreutils\n",
    "/var/lib/dpkg/info/coreutils.md5sums": "0123  bin/ls\n4567 *usr/share/doc/coreutils/x\n",
    "/var/lib/dpkg/info/libc6:amd64.list": "/.\n/lib\n/lib/libc.so.6\n/usr\n/usr/share\n/usr/share/doc\n",
    "/var/lib/dpkg/info/libc6:i386.list": "/.\n/lib\n/lib/i386\n/lib/i386/libc.so.6\n",
    "/var/lib/dpkg/info/dash.list": "/.\n/bin\n/bin/dash\n/bin/sh\n",
    "/var/lib/dpkg/info/gone.list": "/etc/gone.conf\n",
    "/var/lib/dpkg/info/dpkg.list": "/.\n",
    "/var/lib/dpkg/diversions": "/bin/sh\n/bin/sh.distrib\nbash\n/bin/ls\n/bin/ls.real\n:\n",
}
TREE = """
/bin -> usr/bin
/lib -> usr/lib
/usr/bin/ls
/usr/bin/ls.real
/usr/bin/dash
/usr/bin/sh
/usr/bin/sh.distrib
/usr/lib/libc.so.6
/usr/lib/i386/libc.so.6
/usr/share/doc/coreutils/
/etc/gone.conf
"""


def files(texts: dict[str, str]) -> dict[ImagePath, bytes]:
    return {ImagePath(path): text.encode() for path, text in texts.items()}


def test_packages_of_a_status_file() -> None:
    lines = [
        f"{p.name} {p.version} {p.architecture} {p.source} {' '.join('|'.join(d) for d in p.depends)}"
        f" {','.join(p.provides)}".rstrip()
        for p in packages(files(FILES))
    ]
    assert lines == [
        "deb/coreutils 9.1-1 amd64 coreutils libc6 libselinux1|libselinux-stub",
        "deb/dash 0.5.12-2 amd64 dash",
        "deb/dpkg 1.21 amd64 dpkg",
        "deb/libc6 2.36-9+deb12u9 amd64 glibc  libc6-compat,libc",
        "deb/libc6:i386 2.36-9+deb12u9 i386 glibc",
    ]


def test_diversions_move_what_others_ship() -> None:
    by_name = {package.name: package.paths for package in packages(files(FILES))}
    assert by_name["deb/dash"] == ("/bin", "/bin/dash", "/bin/sh.distrib")
    assert by_name["deb/coreutils"][:2] == ("/bin", "/bin/ls.real")


def test_owners_go_through_usrmerge_and_leave_shared_directories_alone() -> None:
    owned = owners(packages(files(FILES)), Tree(entries(TREE)))
    assert sorted(owned.items()) == [
        ("/usr/bin/dash", "deb/dash"),
        ("/usr/bin/ls.real", "deb/coreutils"),
        ("/usr/bin/sh.distrib", "deb/dash"),
        ("/usr/lib/i386", "deb/libc6:i386"),
        ("/usr/lib/i386/libc.so.6", "deb/libc6:i386"),
        ("/usr/lib/libc.so.6", "deb/libc6"),
        ("/usr/share/doc/coreutils", "deb/coreutils"),
    ]


def test_distroless_layout() -> None:
    database = files(
        {
            "/var/lib/dpkg/status.d/base": "Package: base-files\nVersion: 12\nArchitecture: amd64\n",
            "/var/lib/dpkg/status.d/base.md5sums": "00  etc/debian_version\n",
        }
    )
    (package,) = packages(database)
    assert (package.name, package.version, package.paths) == ("deb/base-files", "12", ("/etc/debian_version",))
    assert owners([package], Tree(entries("/etc/debian_version"))) == {"/etc/debian_version": "deb/base-files"}


def test_stanzas_and_checksums() -> None:
    assert stanzas(files(FILES))["deb/dash"].endswith("shell\n Field: not one\n")
    assert checksums(files(FILES), {"deb/coreutils"}) == {
        "deb/coreutils": (("0123", "/bin/ls"), ("4567", "/usr/share/doc/coreutils/x"))
    }


def test_no_database_no_packages() -> None:
    assert packages({}) == ()


def test_licences_named() -> None:
    where = "/usr/share/common-licenses"
    text = f"see {where}/GPL-2.\n`{where}/Apache-2.0', {where}/GPL".encode()
    assert licences_named(text) == ("Apache-2.0", "GPL", "GPL-2")


def test_captured() -> None:
    wanted = """/var/lib/dpkg/status /var/lib/dpkg/status.d/libc6 /var/lib/dpkg/info/libc6:amd64.md5sums
        /etc/ld.so.cache /etc/ld.so.conf.d/x.conf /etc/ld-musl-x86_64.path /etc/nsswitch.conf /etc/passwd
        /usr/lib/os-release /usr/share/doc/libc6/copyright"""
    others = "/var/lib/dpkg/info/libc6.postinst /etc/shadow /usr/share/doc/libc6/changelog.gz /data/etc/passwd"
    assert [path for path in f"{wanted} {others}".split() if captured(path)] == wanted.split()
