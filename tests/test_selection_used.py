"""What the trace and the closure keep."""

from dataclasses import replace

import pytest
from small_trees import accesses, dump, entries, files, rule

from slimtasks.records import ImagePath, Package, Selected
from slimtasks.selection import Inputs, select

TREE = """
/bin -> usr/bin
/sbin -> usr/sbin
/lib -> usr/lib
/lib64 -> usr/lib64
/etc/passwd package=base-passwd
/etc/nginx/nginx.conf
/etc/nginx/unused.conf
/etc/localtime -> /usr/share/zoneinfo/Etc/UTC
/etc/dangling -> /nowhere
/etc/hosts
/usr/share/zoneinfo/Etc/UTC
/usr/sbin/nginx elf interpreter=/lib64/ld-linux-x86-64.so.2 needed=libz.so.1,libc.so.6
/usr/lib64/ld-linux-x86-64.so.2 -> ../lib/x86_64-linux-gnu/ld.so
/usr/lib/x86_64-linux-gnu/ld.so elf soname=ld-linux-x86-64.so.2
/usr/lib/x86_64-linux-gnu/libc.so.6 elf soname=libc.so.6 interpreter=/lib64/ld-linux-x86-64.so.2 package=libc6
/usr/lib/x86_64-linux-gnu/libz.so.1 -> libz.so.1.2
/usr/lib/x86_64-linux-gnu/libz.so.1.2 elf soname=libz.so.1 needed=libc.so.6 package=zlib1g
/usr/lib/x86_64-linux-gnu/libunused.so elf
/var/log/nginx/
/var/log/nginx/old.log
/var/log/nginx/access.log -> /dev/stdout
/run/
/usr/bin/
/tmp/ mode=1777
"""


def chosen(trace: str, tree: str = TREE, **more: object) -> tuple[Selected, ...]:
    values: dict[str, object] = {"granularity": "file", "metadata": "none", "unowned": "traced", **more}
    return select(Inputs(entries(tree), accesses(trace), **values)).selected  # type: ignore[arg-type]


def kept(trace: str, tree: str = TREE, **more: object) -> str:
    return files(chosen(trace, tree, **more), entries(tree))


def test_a_traced_program_with_all_that_it_needs() -> None:
    assert dump(chosen("exec@fanotify /usr/sbin/nginx\nread /etc/nginx/nginx.conf\nwrite /run/nginx.pid")) == (
        """\
/: needed: WorkingDir of the image config
/etc: needed: parent of /etc/nginx/nginx.conf
/etc/nginx: needed: parent of /etc/nginx/nginx.conf
/etc/nginx/nginx.conf: traced: opened (strace)
/lib: needed: symlink on the way to /usr/lib/x86_64-linux-gnu/libc.so.6; """
        """needed: symlink on the way to /usr/lib/x86_64-linux-gnu/libz.so.1.2
/lib64: needed: symlink on the way to /usr/lib/x86_64-linux-gnu/ld.so
/run: needed: the run wrote in /run
/tmp: needed: temporary files
/usr: needed: parent of /usr/lib/x86_64-linux-gnu/ld.so
/usr/lib: needed: parent of /usr/lib/x86_64-linux-gnu/ld.so
/usr/lib/x86_64-linux-gnu: needed: parent of /usr/lib/x86_64-linux-gnu/ld.so
/usr/lib/x86_64-linux-gnu/ld.so: needed: ELF interpreter of /usr/lib/x86_64-linux-gnu/libc.so.6; """
        """needed: ELF interpreter of /usr/sbin/nginx
/usr/lib/x86_64-linux-gnu/libc.so.6: needed: by /lib/x86_64-linux-gnu/libz.so.1 as libc.so.6; """
        """needed: by /usr/sbin/nginx as libc.so.6
/usr/lib/x86_64-linux-gnu/libz.so.1: needed: symlink on the way to /usr/lib/x86_64-linux-gnu/libz.so.1.2
/usr/lib/x86_64-linux-gnu/libz.so.1.2: needed: by /usr/sbin/nginx as libz.so.1
/usr/lib64: needed: parent of /usr/lib64/ld-linux-x86-64.so.2
/usr/lib64/ld-linux-x86-64.so.2: needed: symlink on the way to /usr/lib/x86_64-linux-gnu/ld.so
/usr/sbin: needed: parent of /usr/sbin/nginx
/usr/sbin/nginx: traced: executed (fanotify)"""
    )


@pytest.mark.parametrize(
    ("access", "stays"),
    [
        ("read /etc/passwd", "/etc/passwd"),
        ("stat /etc/passwd", "/etc/passwd"),
        ("miss /etc/passwd", ""),
        ("read /etc/absent", ""),
        ("write /etc/passwd", "/etc/passwd"),
        ("write /etc/new", ""),
        ("list /etc/nginx", ""),
        ("read /etc/localtime", "/etc/localtime /usr/share/zoneinfo/Etc/UTC"),
        ("read /etc/../bin/../../etc/passwd", "/bin /etc/passwd"),
        ("stat /etc/dangling", "/etc/dangling"),
        ("miss /etc/dangling", ""),
        ("read /etc/hosts", ""),
        ("write /var/log/nginx/access.log", "/var/log/nginx/access.log"),
    ],
)
def test_what_an_access_keeps(access: str, stays: str) -> None:
    assert " ".join(kept(access).split()) == stays


def test_a_listed_directory_stays_without_its_entries() -> None:
    assert [item.path for item in chosen("list /etc/nginx")] == ["/", "/etc", "/etc/nginx", "/tmp"]


def test_a_directory_that_a_path_only_passes_through_stays() -> None:
    found = {item.path: item.reasons for item in chosen("read /var/log/nginx/../../../etc/passwd")}
    assert [reason.detail for reason in found[ImagePath("/var/log/nginx")]] == ["on the way to /etc/passwd"]


@pytest.mark.parametrize("how", ["write", "bind"])
def test_the_directory_of_what_the_run_made_stays(how: str) -> None:
    assert "/var/log/nginx" in [item.path for item in chosen(f"{how} /var/log/nginx/deep/er.log")]


def test_a_source_without_lookups_keeps_every_symlink_to_what_is_kept() -> None:
    resolved = "read@fanotify /usr/lib/x86_64-linux-gnu/libz.so.1.2\nread@fanotify /usr/share/zoneinfo/Etc/UTC"
    assert {"/etc/localtime", "/var/log/nginx/access.log"} <= set(kept(resolved).split())
    assert "/etc/localtime" not in kept(resolved + "\nstat /etc/passwd").split()


def test_of_what_was_open_when_a_recording_began_every_symlink_stays() -> None:
    recorded = "read@a.jsonl:proc /usr/share/zoneinfo/Etc/UTC\nread@a.jsonl:ebpf /etc/passwd\nstat /etc/hosts"
    links = {"/etc/localtime", "/var/log/nginx/access.log"}
    assert links & set(kept(recorded).split()) == {"/etc/localtime"}
    alone = recorded.replace("ebpf", "fanotify")
    assert links <= set(kept(alone).split())


def test_what_add_writes_is_not_kept_too() -> None:
    assert kept("read /etc/passwd\nread /etc/nginx/nginx.conf", added=("/etc/nginx/nginx.conf",)) == "/etc/passwd"


def test_scripts_need_their_interpreters() -> None:
    tree = """
/bin -> usr/bin
/usr/bin/env
/usr/bin/python3 -> python3.11
/usr/bin/python3.11
/usr/local/bin/tool script="/usr/bin/env -S VAR=1 python3 -u"
/usr/local/bin/start script="/bin/sh -e"
/usr/bin/sh -> dash
/usr/bin/dash
"""
    assert kept("exec /usr/local/bin/tool", tree).split() == [
        "/usr/bin/env", "/usr/bin/python3", "/usr/bin/python3.11", "/usr/local/bin/tool",
    ]  # fmt: skip
    assert kept("exec /usr/local/bin/start", tree).split() == [
        "/bin", "/usr/bin/dash", "/usr/bin/sh", "/usr/local/bin/start",
    ]  # fmt: skip
    assert kept("read /usr/local/bin/start\nstat /usr/local/bin/tool", tree).split() == [
        "/usr/local/bin/start", "/usr/local/bin/tool",
    ]  # fmt: skip
    assert "/usr/bin/dash" in kept("read /usr/local/bin/start", tree, keep=[rule("/usr/local/bin/start")]).split()


LIBC = """
/etc/nsswitch.conf
/etc/ld.so.cache
/usr/bin/app elf interpreter=/usr/lib/ld.so needed=libc.so.6 cancels
/usr/lib/ld.so elf
/usr/lib/libc.so.6 elf soname=libc.so.6 package=libc6
/usr/lib/libgcc_s.so.1 elf needed=libc.so.6
/usr/lib/libnss_files.so.2 elf
/usr/lib/libnss_dns.so.2 elf
/usr/lib/libnss_mymachines.so.2 elf needed=libcap.so.2
/usr/lib/libcap.so.2 elf
/usr/lib/plugin.so elf needed=libcap.so.2
/usr/lib/glibc-hwcaps/x86-64-v3/plugin.so elf
/usr/lib/libggml-cpu-haswell.so elf
/usr/lib/libggml-cpu-x64.so elf
/usr/lib/libggml-base.so elf
"""
SWITCH = b"# x: nis\npasswd: files\nhosts: files mymachines [NOTFOUND=return] dns\n"
NSSWITCH = {ImagePath("/etc/nsswitch.conf"): SWITCH}


@pytest.mark.parametrize(
    ("version", "extra"),
    [("2.36-9", set()), ("2.31-13", {"/usr/lib/libnss_files.so.2", "/usr/lib/libnss_dns.so.2"})],
)
def test_what_glibc_opens_by_itself(version: str, extra: set[str]) -> None:
    stays = kept("exec /usr/bin/app", LIBC, captured=NSSWITCH, packages=(Package("deb/libc6", version),)).split()
    assert set(stays) == extra | {
        "/etc/ld.so.cache", "/etc/nsswitch.conf", "/usr/bin/app", "/usr/lib/ld.so", "/usr/lib/libc.so.6",
        "/usr/lib/libgcc_s.so.1", "/usr/lib/libnss_mymachines.so.2", "/usr/lib/libcap.so.2",
    }  # fmt: skip


def test_no_libgcc_without_cancellation() -> None:
    assert "libgcc_s" not in kept("exec /usr/bin/app", LIBC.replace(" cancels", ""))


def test_a_library_that_was_dlopened_brings_its_own_and_what_other_cpus_take() -> None:
    assert kept("read /usr/lib/plugin.so", LIBC).split() == [
        "/usr/lib/glibc-hwcaps/x86-64-v3/plugin.so", "/usr/lib/libcap.so.2", "/usr/lib/plugin.so",
    ]  # fmt: skip
    assert kept("read /usr/lib/libggml-cpu-haswell.so", LIBC).split() == [
        "/usr/lib/libggml-cpu-haswell.so", "/usr/lib/libggml-cpu-x64.so",
    ]  # fmt: skip


def test_a_dlopened_library_may_rely_on_the_program_s_rpath() -> None:
    tree = """
/opt/bin/app elf interpreter=/lib/ld.so rpath=$ORIGIN/../lib
/lib/ld.so elf
/opt/lib/libdep.so elf
/opt/plugins/p.so elf needed=libdep.so
"""
    assert "/opt/lib/libdep.so" in kept("exec /opt/bin/app\nread /opt/plugins/p.so", tree).split()


def test_a_library_that_is_nowhere_is_told() -> None:
    tree = entries("/app elf interpreter=/lib/ld.so needed=libgone.so")
    assert select(Inputs(tree, accesses("exec /app"), granularity="file", unowned="traced")).notes == (
        "the fat image has no /lib/ld.so, which /app needs",
        "the fat image has no libgone.so, which /app needs",
    )


def test_a_library_that_the_program_opens_by_its_path_is_there() -> None:
    """Java's libjvm.so, in a directory that no other library's search path has."""
    tree = entries("/app elf\n/jvm/lib/libnet.so elf needed=libjvm.so\n/jvm/lib/server/libjvm.so elf soname=libjvm.so")
    inputs = Inputs(tree, accesses("exec /app\nread /jvm/lib/server/libjvm.so\nread /jvm/lib/libnet.so"))
    assert select(replace(inputs, granularity="file", unowned="traced")).notes == ()


def test_the_whole_image_where_it_was_made_to_be_shipped() -> None:
    tree = "/nginx\n/etc/passwd\n/lost+found/"
    inputs = Inputs(entries(tree), (), whole=True, drop=(rule("/etc/passwd"),), metadata="none")
    assert [item.path for item in select(inputs).selected] == ["/", "/etc", "/lost+found", "/nginx"]


def test_libraries_are_searched_for_as_in_each_scenario() -> None:
    tree = """
/bin/app elf interpreter=/lib/ld.so needed=liba.so,libb.so
/lib/ld.so elf soname=ld.so
/opt/a/liba.so elf soname=liba.so
/opt/b/libb.so elf soname=libb.so
"""
    environments = ((("LD_LIBRARY_PATH", "/opt/a"),), (("LD_LIBRARY_PATH", "/opt/b"),), ())
    found = kept("exec /bin/app", tree, environments=environments)
    assert found.split() == ["/bin/app", "/lib/ld.so", "/opt/a/liba.so", "/opt/b/libb.so"]
