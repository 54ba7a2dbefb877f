from __future__ import annotations

import pytest

from slimtasks.trace.strace import Parser, tidied
from slimtasks.trace.strace_line import Call, parse_call, unescaped

GATE = 'openat(AT_FDCWD</work>, "/.slimtasks-gate", O_RDONLY|O_CLOEXEC) = 3</.slimtasks-gate>'


def parse(*lines: str) -> Parser:
    """Lines of process 1, which starts in /work, unless they begin with a number."""
    parser = Parser()
    parser.feed(f"1 {GATE}")
    for line in lines:
        parser.feed(line if line[0].isdigit() else f"1 {line}")
    parser.close()
    return parser


def dump(parser: Parser) -> list[str]:
    assert not parser.problems
    return sorted(f"{access.how} {access.path}" for access in parser.accesses)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # open and its flags
        ('openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>', ["open /etc/passwd"]),
        ('openat(AT_FDCWD</usr>, "lib", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = 5</usr/lib>', ["list /usr/lib"]),
        ('openat(3</usr>, "x", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 4</usr/x>', ["write /usr/x"]),
        ('openat(AT_FDCWD</>, "/x", O_RDWR|O_CREAT, 0666) = 4</x>', ["open /x", "write /x"]),
        ('openat(AT_FDCWD</>, "/x", O_RDONLY|O_PATH) = 4</x>', ["look /x"]),
        ('openat(AT_FDCWD</>, "/tmp", O_RDWR|O_EXCL|O_TMPFILE, 0600) = 4</tmp/#12 (deleted)>', ["look /tmp"]),
        ('openat2(AT_FDCWD</a>, "x", {flags=O_RDONLY, resolve=RESOLVE_BENEATH}, 24) = 3</a/x>', ["open /a/x"]),
        ('open("x", O_RDONLY)         = 3</work/x>', ["open /work/x"]),
        ('creat("/x", 0644)           = 3</x>', ["write /x"]),
        # what went wrong
        ('openat(AT_FDCWD</>, "/no", O_RDONLY) = -1 ENOENT (No such file or directory)', ["miss /no"]),
        ('access("/a/b", R_OK)              = -1 ENOTDIR (Not a directory)', ["miss /a/b"]),
        ('mkdir("/etc", 0777)               = -1 EEXIST (File exists)', ["look /etc"]),
        ('mkdir("/a/b", 0777)               = -1 ENOENT (No such file or directory)', ["miss /a/b"]),
        ('openat(AT_FDCWD</>, "/x", O_RDONLY) = -1 EACCES (Permission denied)', ["look /x"]),
        ('readlink("/x", 0x7ffd, 4096)      = -1 EINVAL (Invalid argument)', ["look /x"]),
        ("stat(0x10, 0x7ffd)                = -1 EFAULT (Bad address)", []),
        ('newfstatat(99, "x", 0x7ffd, 0)    = -1 EBADF (Bad file descriptor)', []),
        ('openat(AT_FDCWD</>, "/x", O_RDONLY) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)', ["open /x"]),
        # looking
        ('newfstatat(AT_FDCWD</tmp>, "nope", {st_mode=S_IFDIR|0755, st_size=4096, ...}, 0) = 0', ["look /tmp/nope"]),
        ('newfstatat(3</etc/passwd>, "", {st_mode=S_IFREG|0644, st_size=839, ...}, AT_EMPTY_PATH) = 0', []),
        ('statx(AT_FDCWD</usr>, "n", AT_STATX_SYNC_AS_STAT, STATX_MODE, {stx_mask=STATX_ALL}) = 0', ["look /usr/n"]),
        ('readlink("/bin", "usr/bin", 4096) = 7', ["look /bin"]),
        ('readlinkat(AT_FDCWD</w>, "l", "to, \\"x\\")", 4096) = 8', ["look /w/l"]),
        ('access("x\\"y", R_OK)              = 0', ['look /work/x"y']),
        ("getdents64(5</usr/lib>, 0x562e9ba04ba0 /* 67 entries */, 32768) = 2080", ["list /usr/lib"]),
        ('getcwd("/usr", 1024)              = 5', []),
        ('inotify_add_watch(4<anon_inode:inotify>, "x", IN_MODIFY) = 1', ["look /work/x"]),
        ('setxattr("/x", "user.a", "v, \\1\\"", 4, 0) = 0', ["look /x"]),
        ("utimensat(3</x>, NULL, NULL, 0)   = 0", []),
        # exec
        ('execve("/usr/bin/cat", ["cat", "/etc/passwd"], 0x559ef /* 5 vars */) = 0', ["exec /usr/bin/cat"]),
        ('execve("/sbin/cat", ["cat"], 0x559ef /* 5 vars */) = -1 ENOENT (No such file)', ["miss /sbin/cat"]),
        ('execveat(3</bin>, "cat", ["cat"], 0x559ef /* 1 var */, 0) = 0', ["exec /bin/cat"]),
        # changing
        ('rename("/a", "b")                 = 0', ["write /a", "write /work/b"]),
        ('renameat2(3</p>, "a", AT_FDCWD</q>, "b", 0) = 0', ["write /p/a", "write /q/b"]),
        ('link("/a", "/b")                  = 0', ["look /a", "write /b"]),
        ('symlink("../to", "/b")            = 0', ["write /b"]),
        ('symlinkat("../to", 3</p>, "b")    = 0', ["write /p/b"]),
        ('unlinkat(3</p>, "a", AT_REMOVEDIR) = 0', ["write /p/a"]),
        ('mknodat(AT_FDCWD</>, "/f", S_IFIFO|0644) = 0', ["write /f"]),
        ('mount("/a", "/b", NULL, MS_BIND, NULL) = 0', ["look /b"]),
        # sockets
        ('bind(5<socket:[5]>, {sa_family=AF_UNIX, sun_path="/run/s"}, 13) = 0', ["bind /run/s"]),
        ('bind(5<socket:[5]>, {sa_family=AF_UNIX, sun_path="s"}, 13) = 0', ["bind /work/s"]),
        ('bind(7<socket:[5]>, {sa_family=AF_UNIX, sun_path=@"abs1"}, 7) = 0', []),
        ('bind(7<socket:[5]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = 0', []),
        ('connect(6<socket:[5]>, {sa_family=AF_UNIX, sun_path="/run/n"}, 12) = -1 ENOENT (No)', ["miss /run/n"]),
        # names
        ('open("/a<b>c\\303\\251\\n\\0011", O_RDONLY) = 3</a\\74b\\76c\\303\\251\\n\\0011>', ["open /a<b>cé\n\x011"]),
        ('stat("/\\377", {st_mode=S_IFREG|0644, st_size=0, ...}) = 0', ["look /\udcff"]),
        ('stat("/a) = -1 ENOENT (x", {st_mode=S_IFREG|0644, ...}) = 0', ["look /a) = -1 ENOENT (x"]),
        ('openat(3</a\\74, b\\76>, "c", O_RDONLY) = 4</a\\74, b\\76/c>', ["open /a<, b>/c"]),
        ('stat("/a//b/./c/", {st_mode=S_IFDIR|0755, ...}) = 0', ["look /a/b/c"]),
        ('stat("/a/../b", {st_mode=S_IFDIR|0755, ...}) = 0', ["look /a/../b"]),
        # ours
        ('access("/.slimtasks-gate", R_OK)  = 0', []),
    ],
)  # fmt: skip
def test_one_line(line: str, expected: list[str]) -> None:
    assert dump(parse(line)) == expected


CHILD = "= 8 /* 20 in strace's PID NS */"
STAT = 'stat("x", 0x7f) = -1 ENOENT (No such file or directory)'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (['chdir("/tmp") = 0', STAT], ["look /tmp", "miss /tmp/x"]),
        (['chdir("sub") = 0', 'chdir("..") = 0', STAT], ["look /work/sub", "look /work/sub/..", "miss /work/sub/../x"]),
        (['chdir("/no") = -1 ENOENT (No such file or directory)', STAT], ["miss /no", "miss /work/x"]),
        (["fchdir(4</usr>) = 0", STAT], ["miss /usr/x"]),
        # a child has its parent's directory, and its own from then on
        ([f"fork() {CHILD}", '20 chdir("/c") = 0', f"20 {STAT}", STAT], ["look /c", "miss /c/x", "miss /work/x"]),
        (
            [f"clone(child_stack=NULL, flags=CLONE_FS|CLONE_VM|SIGCHLD) {CHILD}", '20 chdir("/c") = 0', STAT],
            ["look /c", "miss /c/x"],
        ),
        # it may be seen before the fork returns
        (
            [
                "vfork( <unfinished ...>",
                f"20 {STAT}",
                '20 execve("y", ["y"], 0x5 /* 5 vars */) = 0',
                f"<... vfork resumed>) {CHILD}",
            ],
            ["exec /work/y", "miss /work/x"],
        ),
        (
            [
                "clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88 <unfinished ...>",
                f"20 {STAT}",
                "20 +++ exited with 0 +++",
                f"<... clone3 resumed>) {CHILD}",
            ],
            ["miss /work/x"],
        ),
        # its number was not to be had: it is one of the lost
        (["clone(child_stack=NULL, flags=SIGCHLD) = 8", f"20 {STAT}"], ["miss /work/x"]),
        # which goes on from where its last line left it
        (
            ["clone(child_stack=NULL, flags=CLONE_FS|SIGCHLD) = 8", '20 chdir("sub") = 0', f"20 {STAT}"],
            ["look /work/sub", "miss /work/sub/x"],
        ),
        # chroot
        (
            ['chroot("jail") = 0', 'stat("/x", 0x7f) = 0', 'stat("x", 0x7f) = 0', 'stat("/../y", 0x7f) = 0'],
            ["look /work/jail", "look /work/jail/x", "look /work/jail/y", "look /work/x"],
        ),
        (
            ['chroot("/j") = 0', 'openat(3</j/d>, "f", O_RDONLY) = 4</j/d/f>', 'chdir("/") = 0', STAT],
            ["look /j", "miss /j/x", "open /j/d/f"],
        ),
        # calls of two processes interleaved
        (
            [
                f"fork() {CHILD}",
                'newfstatat(AT_FDCWD</usr>, "/usr/bin/head",  <unfinished ...>',
                '20 openat(AT_FDCWD</>, "/x", O_RDONLY <unfinished ...>',
                "<... newfstatat resumed>{st_mode=S_IFREG|0755, ...}, 0) = 0",
                "20 <... openat resumed>) = 3</x>",
            ],
            ["look /usr/bin/head", "open /x"],
        ),
        (
            ['execve("/bin/ls", ["ls"], 0x5 /* 5 vars */ <unfinished ...>', "<... execve resumed>)             = 0"],
            ["exec /bin/ls"],
        ),
        # killed within a call
        (['openat(AT_FDCWD</>, "/x", O_RDONLY <unfinished ...>', "+++ killed by SIGKILL +++"], ["open /x"]),
        (
            ['stat("/x",  <unfinished ...>', "<... stat resumed> <unfinished ...>) = ?", "+++ killed by SIGKILL +++"],
            ["look /x"],
        ),
        (['execve("/x", ["x"], 0x5 /* 1 var */ <unfinished ...>) = ?'], ["exec /x"]),
        (['execve("/x", ["x"], 0x5 /* 1 var */ <detached ...>'], ["exec /x"]),
        # a thread's exec becomes the leader's
        (
            [
                f"clone(flags=CLONE_FS|CLONE_THREAD) {CHILD}",
                '20 execve("/x", ["x"], 0x5 /* 1 var */ <unfinished ...>',
                "+++ superseded by execve in pid 20 +++",
                "<... execve resumed>)  = 0",
                STAT,
            ],
            ["exec /x", "miss /work/x"],
        ),
        # the number of a process that ended may come again
        (
            [f"fork() {CHILD}", '20 chdir("/c") = 0', "20 +++ exited with 0 +++", f"20 {STAT}", f"fork() {CHILD}"],
            ["look /c", "miss /work/x"],
        ),
    ],
)
def test_where_a_process_is(lines: list[str], expected: list[str]) -> None:
    assert dump(parse(*lines)) == expected


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["what is this"], "cannot be read"),
        (['openat(AT_FDCWD</>, "/x'], "cannot be read"),
        (['stat("/x", 0x7f)'], "cannot be read"),
        (["<... stat resumed>{}) = 0"], "beginning is missing"),
        (['stat("/x",  <unfinished ...>', "<... access resumed>) = 0"], "beginning is missing"),
        (["stat(0x7ff1, 0x7f) = 0"], "path of stat that cannot be read"),
        (['newcall("/x") = 0'], "not known here: newcall"),
        (['pivot_root("/a", "/b") = 0'], "another tree of mounts"),
        (["setns(4<mnt:[4026]>, CLONE_NEWNS) = 0"], "another tree of mounts"),
        (['99 stat("x", 0x7f) = 0'], "parent was not seen"),
    ],
)
def test_what_may_be_missing_is_said(lines: list[str], problem: str) -> None:
    assert [found for found in parse(*lines).problems if problem in found]


def test_a_line_without_a_number_is_a_problem() -> None:
    parser = Parser()
    parser.feed("strace: something")
    assert parser.problems == {"a line of strace that cannot be read: strace: something"}


@pytest.mark.parametrize(
    "line", ["unshare(CLONE_NEWNS) = 0", "clone(flags=CLONE_NEWNS|SIGCHLD) = 9 /* 9 in strace's PID NS */"]
)
def test_new_mount_namespaces_are_noticed(line: str) -> None:
    assert parse(line).new_mount_namespaces
    assert not parse(STAT).new_mount_namespaces


def test_the_same_name_from_two_directories() -> None:
    lines = [STAT, 'chdir("/a") = 0', STAT, 'chdir("/b") = 0', STAT]
    assert dump(parse(*lines)) == ["look /a", "look /b", "miss /a/x", "miss /b/x", "miss /work/x"]


def test_lines_of_unknown_processes_do_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slimtasks.trace.strace.MOST_WAITING", 10)
    parser = parse(*[f"99 {STAT}"] * 25)
    assert "too many lines of processes whose parent was not seen" in parser.problems


def test_calls() -> None:
    assert parse_call("fork() = 7") == Call("fork", ("",), "7")
    assert parse_call('f("a, b", [c, {d, e}], 1<<3)  = -1 EPERM (x)') == Call(
        "f", ('"a, b"', "[c, {d, e}]", "1<<3"), error="EPERM"
    )
    assert parse_call('open("/x", O_RDONLY) = 3</x>(deleted)') == Call("open", ('"/x"', "O_RDONLY"), "3")
    assert parse_call("--- SIGCHLD {si_signo=SIGCHLD} ---") is None


def test_escapes() -> None:
    assert unescaped(r"\303\251\t\"\\\0\x41\74") == 'é\t"\\\0A<'
    assert unescaped(r"\3771") == "\udcff1"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", "/"), ("//", "/"), ("/a/", "/a"), ("/./a//b/.", "/a/b"), ("/a/../b", "/a/../b"), ("/.a/..b", "/.a/..b")],
)
def test_tidied(path: str, expected: str) -> None:
    assert tidied(path) == expected
