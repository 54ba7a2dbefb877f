"""What stays of a base: small Debian trees in, paths out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from slimtasks.errors import SpecError
from slimtasks.packages import dpkg
from slimtasks.records import Entry, ImagePath
from slimtasks.spec import Rule
from slimtasks.squash import Squashed, squash


def rules(*texts: str) -> tuple[Rule, ...]:
    return tuple(Rule(text, "images/base/image.yaml:5:3") for text in texts)


PACKAGES = {
    "dash": ("Depends: libc6 (>= 2), dpkg", "/bin/sh -> dash", "/bin/dash", "/usr/share/doc/dash/copyright"),
    "dpkg": ("Depends: tar", "/usr/bin/dpkg", "/var/lib/dpkg/info/", "/usr/share/doc/dpkg/copyright"),
    "libc6": ("Depends: libgcc-s1", "/lib/x86/libc.so", "/usr/share/doc/libc6/copyright"),
    "libgcc-s1": ("Depends: libc6, gcc-base", "/lib/x86/libgcc_s.so", "/usr/share/doc/libgcc-s1 -> gcc-base"),
    "gcc-base": ("", "/usr/share/doc/gcc-base/copyright", "/usr/share/doc/gcc-base/README"),
    "tar": ("", "/bin/tar", "/usr/share/man/man1/tar.1.gz"),
    "mawk": ("Pre-Depends: libc6\nProvides: awk", "/usr/bin/mawk"),
    "perl": ("Depends: libc6", "/usr/bin/perl", "/usr/lib/perl/x.pm", "/usr/share/man/man1/perl.1.gz"),
    "base-files": ("Depends: gawk | awk", "/etc/debian_version", "/tmp/", "/usr/lib/os-release"),
    "editor": ("Depends: perl, dash", "/usr/bin/nano", "/etc/nanorc"),
}
UNOWNED = (
    *(
        "/etc/passwd",
        "/etc/group",
        "/etc/hostname",
        "/etc/ld.so.cache",
        "/etc/machine-id",
        "/root/.profile",
        "/opt/mine",
    ),
    *("/bin -> usr/bin", "/lib -> usr/lib", "/etc/os-release -> ../usr/lib/os-release"),
    *("/etc/alternatives/awk -> /usr/bin/mawk", "/usr/bin/awk -> /etc/alternatives/awk"),
    *("/etc/alternatives/pico -> /usr/bin/nano", "/usr/bin/pico -> /etc/alternatives/pico"),
    *("/etc/mtab -> /proc/mounts", "/var/tmp/", "/var/lib/dpkg/info/format", "/usr/share/common-licenses/GPL-2"),
    *("/usr/share/doc/loose/copyright", "/usr/share/zoneinfo/UTC"),
)


class Base:
    """A Debian tree with these packages."""

    def __init__(self, names: Sequence[str] = tuple(PACKAGES)) -> None:
        self.files: dict[ImagePath, bytes] = {}
        self.paths: dict[str, Entry] = {}
        paragraphs = []
        for name in names:
            fields, *listed = PACKAGES[name]
            arch = "amd64" if name.startswith("lib") else "all"
            paragraphs.append(
                f"Package: {name}\nStatus: install ok installed\nArchitecture: {arch}\nVersion: 1\n{fields}".strip()
            )
            stem = f"{name}:amd64" if arch == "amd64" else name
            for ending in ("list", "md5sums"):
                self.add(f"/var/lib/dpkg/info/{stem}.{ending}")
            text = "".join(path.partition(" ")[0].rstrip("/") + "\n" for path in listed)
            self.files[ImagePath(f"/var/lib/dpkg/info/{stem}.list")] = text.encode()
            for path in listed:
                self.add(path.replace("/bin/", "/usr/bin/", 1) if path.startswith("/bin/") else path)
        for path in UNOWNED:
            self.add(path)
        self.add("/var/lib/dpkg/status")
        self.files[dpkg.STATUS] = "".join(f"{paragraph}\n\n" for paragraph in paragraphs).encode()

    def add(self, line: str) -> None:
        path, _, target = line.partition(" -> ")
        path = path.replace("/lib/x86", "/usr/lib/x86", 1) if path.startswith("/lib/") else path
        kind = "link" if target else "dir" if path.endswith("/") else "file"
        path = path.rstrip("/")
        self.paths[path] = Entry(ImagePath(path), kind, 0o755, target=target)  # type: ignore[arg-type]

    def squash(
        self,
        remove: Sequence[str] = (),
        purge: Sequence[str] = (),
        only: Sequence[str] = (),
        metadata: str = "keep",
    ) -> Squashed:
        entries = [self.paths[path] for path in sorted(self.paths)]
        return squash(
            entries,
            dpkg.packages(self.files),
            self.files,
            remove=rules(*remove),
            purge=rules(*purge),
            only_packages=rules(*only),
            metadata=metadata,
        )

    def gone(self, squashed: Squashed, *, info: bool = False) -> list[str]:
        """The paths that were named and did not stay."""
        paths = (path for path in sorted(self.paths) if path not in squashed.paths)
        return [path for path in paths if info or not path.startswith("/var/lib/dpkg/info/")]


@pytest.fixture
def base() -> Base:
    return Base()


def test_nothing_asked_everything_stays(base: Base) -> None:
    squashed = base.squash()
    assert base.gone(squashed, info=True) == []
    assert (squashed.contents, squashed.notes) == ((), ())
    assert squashed.packages == tuple(sorted(f"deb/{name}" for name in PACKAGES))


def test_remove_spares_licence_texts_and_the_links_to_them(base: Base) -> None:
    squashed = base.squash(
        remove=["/usr/share/doc", "/usr/share/man/", "/usr/share/common-licenses", "/usr/share/zone*"]
    )
    assert base.gone(squashed) == [
        "/usr/share/doc/gcc-base/README",
        "/usr/share/man/man1/perl.1.gz",
        "/usr/share/man/man1/tar.1.gz",
        "/usr/share/zoneinfo/UTC",
    ]
    assert not {"/usr/share/man", "/usr/share/man/man1", "/usr/share/zoneinfo"} & squashed.paths
    assert "/usr/share/doc/gcc-base" in squashed.paths


def test_without_metadata_licence_texts_go_too(base: Base) -> None:
    squashed = base.squash(remove=["/usr/share/doc"], metadata="none")
    assert {path for path in base.paths if "/doc/" in path} == set(base.gone(squashed))
    assert "/var/lib/dpkg/status" in squashed.paths


def test_without_metadata_the_database_stays_only_for_dpkg() -> None:
    squashed = Base(["tar", "gcc-base"]).squash(metadata="none")
    assert not any(path.startswith("/var/lib/dpkg") for path in squashed.paths)


def test_purge_takes_what_only_the_package_owns(base: Base) -> None:
    squashed = base.squash(purge=["editor"])
    assert base.gone(squashed, info=True) == [
        "/etc/alternatives/pico",
        "/etc/nanorc",
        "/usr/bin/nano",
        "/usr/bin/pico",
        "/var/lib/dpkg/info/editor.list",
        "/var/lib/dpkg/info/editor.md5sums",
    ]
    ((path, status),) = squashed.contents
    assert path == dpkg.STATUS
    assert b"Package: editor" not in status and status.count(b"Package: ") == len(PACKAGES) - 1
    assert status.endswith(b"\n\n") and b"\n\n\n" not in status
    assert squashed.notes == ()


def test_purge_takes_directories_that_are_left_empty(base: Base) -> None:
    base.files[ImagePath("/var/lib/dpkg/info/perl.list")] += b"/usr/lib\n/usr/lib/perl\n/usr/share/man/man1\n"
    base.add("/usr/lib/perl/")
    squashed = base.squash(purge=["perl"])
    assert "/usr/lib/perl" not in squashed.paths
    assert {"/usr/lib", "/usr/share/man/man1"} <= squashed.paths
    assert squashed.notes == ("deb/editor stays without perl, which it depends on",)


def test_a_purged_packages_directory_with_others_files_stays(base: Base) -> None:
    base.files[ImagePath("/var/lib/dpkg/info/perl.list")] += b"/usr/lib/perl\n"
    base.add("/usr/lib/perl/")
    base.add("/usr/lib/perl/local.pm")
    assert {"/usr/lib/perl", "/usr/lib/perl/local.pm"} <= base.squash(purge=["perl"]).paths


def test_a_file_of_two_packages_stays_with_one(base: Base) -> None:
    base.files[ImagePath("/var/lib/dpkg/info/tar.list")] += b"/usr/bin/perl\n"
    assert "/usr/bin/perl" in base.squash(purge=["perl"]).paths


def test_only_packages_keeps_them_and_what_they_need(base: Base) -> None:
    squashed = base.squash(only=["dash"])
    assert squashed.packages == ("deb/dash", "deb/dpkg", "deb/gcc-base", "deb/libc6", "deb/libgcc-s1", "deb/tar")
    assert base.gone(squashed) == [
        "/etc/alternatives/awk",
        "/etc/alternatives/pico",
        "/etc/debian_version",
        "/etc/hostname",
        "/etc/machine-id",
        "/etc/mtab",
        "/etc/nanorc",
        "/opt/mine",
        "/root/.profile",
        "/usr/bin/awk",
        "/usr/bin/mawk",
        "/usr/bin/nano",
        "/usr/bin/perl",
        "/usr/bin/pico",
        "/usr/lib/perl/x.pm",
        "/usr/share/common-licenses/GPL-2",
        "/usr/share/doc/loose/copyright",
        "/usr/share/man/man1/perl.1.gz",
        "/usr/share/zoneinfo/UTC",
    ]
    assert {"/tmp", "/bin", "/lib", "/etc/os-release", "/var/tmp", "/var/lib/dpkg/info/format"} <= squashed.paths
    info = {path.rpartition("/")[2] for path in squashed.paths if path.endswith(".list")}
    assert info == {"dash.list", "dpkg.list", "gcc-base.list", "libc6:amd64.list", "libgcc-s1:amd64.list", "tar.list"}
    assert dict(squashed.contents)[dpkg.STATUS].count(b"Package: ") == 6


def test_only_packages_follows_alternatives_and_provides(base: Base) -> None:
    squashed = base.squash(only=["base-files"])
    assert "deb/mawk" in squashed.packages
    assert {"/usr/bin/awk", "/etc/alternatives/awk", "/usr/bin/mawk"} <= squashed.paths
    assert "/usr/bin/pico" not in squashed.paths


def test_only_packages_keeps_the_licences_that_theirs_name(base: Base) -> None:
    base.files[ImagePath("/usr/share/doc/dash/copyright")] = b"see /usr/share/common-licenses/GPL."
    base.add("/usr/share/common-licenses/GPL -> GPL-2")
    base.add("/usr/share/common-licenses/BSD")
    paths = base.squash(only=["dash"]).paths
    kept = {path for path in paths if path.startswith("/usr/share/common-licenses/")}
    assert kept == {"/usr/share/common-licenses/GPL", "/usr/share/common-licenses/GPL-2"}
    assert "/usr/share/common-licenses" not in base.squash(only=["dash"], metadata="none").paths


def test_only_packages_with_a_purge_forces_it(base: Base) -> None:
    squashed = base.squash(only=["dash"], purge=["tar"])
    assert "deb/tar" not in squashed.packages
    assert squashed.notes == ("deb/dpkg stays without tar, which it depends on",)


@pytest.mark.parametrize("name", ["libc6", "libc6:amd64"])
def test_packages_may_be_named_with_their_architecture(name: str, base: Base) -> None:
    assert "/usr/lib/x86/libc.so" in base.gone(base.squash(purge=[name]))


def test_every_rule_that_matches_nothing_is_named(base: Base) -> None:
    with pytest.raises(SpecError) as error:
        base.squash(remove=["/usr/share/dox", "/usr/shar/man", "/usr/share/m*n", "/x?"], purge=["pearl"], only=["zsh"])
    where = "images/base/image.yaml:5:3"
    assert error.value.what.splitlines() == [
        f"{where}: /usr/share/dox matches no path of the base; the nearest is /usr/share/doc",
        f"{where}: /usr/shar/man matches no path of the base; the nearest is /usr/share/man",
        f"{where}: /x? matches no path of the base; / has bin, etc, lib, ...",
        f"{where}: the base has no package pearl; the nearest is perl",
        f"{where}: the base has no package zsh",
    ]


def test_a_path_behind_a_link_is_removed_where_it_is(base: Base) -> None:
    assert base.gone(base.squash(remove=["/lib/x86"])) == ["/usr/lib/x86/libc.so", "/usr/lib/x86/libgcc_s.so"]
    assert base.gone(base.squash(remove=["/lib"])) == ["/lib"]
