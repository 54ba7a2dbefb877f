import struct

import pytest
from small_trees import elf, entries

from slimtasks.ldso import Loaded, Search, parse_cache
from slimtasks.records import ImagePath
from slimtasks.rootfs import Tree

GLIBC = """
/lib -> usr/lib
/usr/lib/x86_64-linux-gnu/libc.so.6 elf
/usr/lib/x86_64-linux-gnu/libz.so.1 -> libz.so.1.2
/usr/lib/x86_64-linux-gnu/libz.so.1.2 elf
/usr/lib/x86_64-linux-gnu/libwrong.so elf machine=183
/usr/lib/libwrong.so elf
/usr/lib/i386-linux-gnu/libc.so.6 elf machine=3 bits=32
/usr/lib/x86_64-linux-gnu/libfast.so elf
/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v2/libfast.so elf
/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libfast.so elf
/usr/lib/x86_64-linux-gnu/haswell/avx512_1/libold.so elf
/usr/lib/x86_64-linux-gnu/libold.so elf
/usr/local/lib/liblocal.so elf
/opt/app/bin/app elf
/opt/app/lib/libown.so elf
/opt/app/lib/libz.so.1 elf
/opt/app/lib/x86_64-linux-gnu/libtoken.so elf
/opt/haswell/libplat.so elf
/env/libz.so.1 elf
/usr/lib/x86_64-linux-gnu/libtext.so
/usr/lib/x86_64-linux-gnu/libhard2.so hardlink=/usr/lib/x86_64-linux-gnu/libc.so.6
"""


def search(captured: dict[str, bytes] | None = None, tree: str = GLIBC, **environment: str) -> Search:
    return Search(Tree(entries(tree)), {ImagePath(p): data for p, data in (captured or {}).items()}, environment)


def loaded(path: str = "/opt/app/bin/app", **values: str) -> Loaded:
    return Loaded(ImagePath(path), elf(values))


def cache(*rows: tuple[str, str, int], order: str = "<", old: bytes = b"") -> bytes:
    """An ld.so.cache of glibc's format 1.1 with a hardware capabilities extension."""
    flags = {"<": 2, ">": 3}[order]
    start = 48 + 24 * len(rows)
    strings, table = b"", b""
    for name, path, hwcap in rows:
        at = start + len(strings)
        strings += name.encode() + b"\0" + path.encode() + b"\0"
        table += struct.pack(order + "iIIIQ", 0x303, at, at + len(name) + 1, 0, hwcap)
    head = b"glibc-ld.so.cache1.1" + struct.pack(order + "IIB3xI12x", len(rows), len(strings), flags, 0)
    return old + head + table + strings


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("libz.so.1", {}, "/lib/x86_64-linux-gnu/libz.so.1"),
        ("libc.so.6", {"machine": "3", "bits": "32"}, "/lib/i386-linux-gnu/libc.so.6"),
        ("libwrong.so", {}, "/lib/libwrong.so"),
        ("libtext.so", {}, ""),
        ("libhard2.so", {}, "/lib/x86_64-linux-gnu/libhard2.so"),
        ("liblocal.so", {}, ""),
        ("libown.so", {"runpath": "$ORIGIN/../lib"}, "/opt/app/bin/../lib/libown.so"),
        ("libown.so", {"rpath": "/nowhere:${ORIGIN}/../lib"}, "/opt/app/bin/../lib/libown.so"),
        ("libown.so", {"rpath": "/opt/app/lib", "runpath": "/nowhere"}, ""),
        ("libtoken.so", {"runpath": "/opt/app/$LIB"}, "/opt/app/lib/x86_64-linux-gnu/libtoken.so"),
        ("libplat.so", {"runpath": "/opt/${PLATFORM}"}, "/opt/haswell/libplat.so"),
        ("/usr/local/lib/liblocal.so", {}, "/usr/local/lib/liblocal.so"),
    ],
)
def test_search(name: str, values: dict[str, str], found: str) -> None:
    assert " ".join(search().candidates(name, (loaded(**values),))) == found


def test_rpath_is_inherited_and_runpath_is_not() -> None:
    library = loaded("/opt/app/lib/libown.so")
    assert search().candidates("libown.so", (library, loaded(rpath="/opt/app/lib"))) == ("/opt/app/lib/libown.so",)
    assert search().candidates("libown.so", (library, loaded(runpath="/opt/app/lib"))) == ()


def test_a_runpath_of_its_own_ends_the_inheritance() -> None:
    library = loaded("/opt/app/lib/libown.so", runpath="/nowhere")
    assert search().candidates("libown.so", (library, loaded(rpath="/opt/app/lib"))) == ()


def test_order_rpath_environment_runpath_cache_default() -> None:
    here = {"/etc/ld.so.cache": cache(("libz.so.1", "/usr/lib/x86_64-linux-gnu/libz.so.1", 0))}
    environment = {"LD_LIBRARY_PATH": "/env"}
    app = "/opt/app/lib"
    assert search(here, **environment).candidates("libz.so.1", (loaded(rpath=app),)) == (f"{app}/libz.so.1",)
    assert search(here, **environment).candidates("libz.so.1", (loaded(runpath=app),)) == ("/env/libz.so.1",)
    assert search(here).candidates("libz.so.1", (loaded(runpath=app),)) == (f"{app}/libz.so.1",)
    assert search(here).candidates("libz.so.1", (loaded(),)) == ("/usr/lib/x86_64-linux-gnu/libz.so.1",)


def test_every_hwcaps_directory_is_a_candidate_until_a_plain_file_ends_the_search() -> None:
    found = search().find("libfast.so", (loaded(),))
    assert [(c.path.removeprefix("/usr/lib/x86_64-linux-gnu/").removeprefix("/lib/x86_64-linux-gnu/"), c.everywhere)
            for c in found] == [
        ("glibc-hwcaps/x86-64-v2/libfast.so", False),
        ("glibc-hwcaps/x86-64-v3/libfast.so", False),
        ("libfast.so", True),
    ]  # fmt: skip


def test_legacy_hwcaps_in_any_combination() -> None:
    assert search().candidates("libold.so", (loaded(),)) == (
        "/usr/lib/x86_64-linux-gnu/haswell/avx512_1/libold.so",
        "/lib/x86_64-linux-gnu/libold.so",
    )


def test_the_cache_names_directories_of_ld_so_conf_and_hwcaps() -> None:
    rows = [
        ("libfast.so", "/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libfast.so", 1 << 62),
        ("libfast.so", "/usr/lib/x86_64-linux-gnu/libfast.so", 0),
        ("liblocal.so", "/usr/local/lib/liblocal.so", 0),
    ]
    found = search({"/etc/ld.so.cache": cache(*rows)})
    assert found.candidates("liblocal.so", (loaded(),)) == ("/usr/local/lib/liblocal.so",)
    assert [c.everywhere for c in found.find("libfast.so", (loaded(),))] == [False, True]


@pytest.mark.parametrize("order", ["<", ">"])
def test_parse_cache_in_both_byte_orders_and_behind_the_old_format(order: str) -> None:
    rows = (("a.so", "/lib/a.so", 0), ("b.so", "/lib/b.so", 1 << 62))
    data = cache(*rows, order=order, old=b"ld.so-1.7.0\0" + bytes(36))
    assert parse_cache(data) == (("a.so", "/lib/a.so", False), ("b.so", "/lib/b.so", True))


def test_parse_cache_survives_damage() -> None:
    data = cache(("a.so", "/lib/a.so", 0))
    for length in range(len(data)):
        parse_cache(data[:length])
    assert parse_cache(data[:20] + b"\xff" * 8 + data[28:]) == (("a.so", "/lib/a.so", False),)


MUSL = """
/lib/ld-musl-x86_64.so.1 elf
/lib/libc.musl-x86_64.so.1 -> ld-musl-x86_64.so.1
/usr/lib/libz.so.1 elf
/usr/local/lib/libz.so.1 elf
/opt/lib/libz.so.1 elf
/opt/bin/
/lib/x86_64-linux-gnu/libgnu.so elf
"""


def test_musl() -> None:
    program = loaded("/usr/bin/app", interpreter="/lib/ld-musl-x86_64.so.1")
    found = search(tree=MUSL)
    assert found.candidates("libz.so.1", (program,)) == ("/usr/local/lib/libz.so.1",)
    assert found.candidates("libc.musl-x86_64.so.1", (program,)) == ("/lib/libc.musl-x86_64.so.1",)
    assert found.candidates("libpthread.so.0", (program,)) == ("/lib/ld-musl-x86_64.so.1",)
    assert found.candidates("libgnu.so", (program,)) == ()


def test_musl_path_file_and_inherited_runpath() -> None:
    program = loaded("/opt/bin/app", interpreter="/lib/ld-musl-x86_64.so.1", runpath="$ORIGIN/../lib")
    library = loaded("/opt/lib/libother.so")
    found = search({"/etc/ld-musl-x86_64.path": b"/lib:/usr/lib\n"}, MUSL)
    assert found.candidates("libz.so.1", (library,)) == ("/usr/lib/libz.so.1",)
    assert found.candidates("libz.so.1", (library, program)) == ("/opt/bin/../lib/libz.so.1",)
