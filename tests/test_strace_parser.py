from __future__ import annotations

import pytest

from slimtasks.trace.strace import Parser
from slimtasks.trace.strace_line import Call, parse_call, unescaped
from slimtasks.trace.uses import absolute, outcome, tidied

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
    assert not parser.meanings.problems
    return sorted({f"{use.how} {use.path}" for use in parser.meanings.uses})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # open and its flags
        ('openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>', ["read /etc/passwd"]),
        ('openat(AT_FDCWD</usr>, "lib", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = 5</usr/lib>', ["list /usr/lib"]),
        ('openat(3</usr>, "x", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 4</usr/x>', ["create /usr/x", "write /usr/x"]),
        ('openat(AT_FDCWD</>, "/x", O_RDWR|O_CREAT, 0666) = 4</x>', ["create /x", "read /x", "write /x"]),
        ('openat(AT_FDCWD</>, "/x", O_RDONLY|O_PATH) = 4</x>', ["stat /x"]),
        ('openat(AT_FDCWD</>, "/tmp", O_RDWR|O_EXCL|O_TMPFILE, 0600) = 4</tmp/#12 (deleted)>', ["stat /tmp"]),
        ('openat2(AT_FDCWD</a>, "x", {flags=O_RDONLY, resolve=RESOLVE_BENEATH}, 24) = 3</a/x>', ["read /a/x"]),
        ('openat2(3</a>, "/../x", {flags=O_RDONLY, resolve=RESOLVE_IN_ROOT}, 24) = 4</a/x>', ["read /a/x"]),
        ('open("x", O_RDONLY)         = 3</work/x>', ["read /work/x"]),
        ('creat("/x", 0644)           = 3</x>', ["create /x", "write /x"]),
        # what went wrong
        ('openat(AT_FDCWD</>, "/no", O_RDONLY) = -1 ENOENT (No such file or directory)', ["miss /no"]),
        ('access("/a/b", R_OK)              = -1 ENOTDIR (Not a directory)', ["miss /a/b"]),
        ('mkdir("/etc", 0777)               = -1 EEXIST (File exists)', ["stat /etc"]),
        ('mkdir("/a/b", 0777)               = -1 ENOENT (No such file or directory)', ["miss /a/b"]),
        ('openat(AT_FDCWD</>, "/x", O_RDONLY) = -1 EACCES (Permission denied)', ["stat /x"]),
        ('readlink("/x", 0x7ffd, 4096)      = -1 EINVAL (Invalid argument)', ["readlink /x"]),
        ("stat(0x10, 0x7ffd)                = -1 EFAULT (Bad address)", []),
        ('newfstatat(99, "x", 0x7ffd, 0)    = -1 EBADF (Bad file descriptor)', []),
        ('openat(AT_FDCWD</>, "/x", O_RDONLY) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)', ["read /x"]),
        # looking
        ('newfstatat(AT_FDCWD</tmp>, "nope", {st_mode=S_IFDIR|0755, st_size=4096, ...}, 0) = 0', ["stat /tmp/nope"]),
        ('newfstatat(3</etc/passwd>, "", {st_mode=S_IFREG|0644, st_size=839, ...}, AT_EMPTY_PATH) = 0', []),
        ('statx(AT_FDCWD</usr>, "n", AT_STATX_SYNC_AS_STAT, STATX_MODE, {stx_mask=STATX_ALL}) = 0', ["stat /usr/n"]),
        ('readlink("/bin", "usr/bin", 4096) = 7', ["readlink /bin"]),
        ('readlinkat(AT_FDCWD</w>, "l", "to, \\"x\\")", 4096) = 8', ["readlink /w/l"]),
        ('access("x\\"y", R_OK)              = 0', ['access /work/x"y']),
        ("getdents64(5</usr/lib>, 0x562e9ba04ba0 /* 67 entries */, 32768) = 2080", ["list /usr/lib"]),
        ('getcwd("/usr", 1024)              = 5', []),
        ('inotify_add_watch(4<anon_inode:inotify>, "x", IN_MODIFY) = 1', ["stat /work/x"]),
        ('setxattr("/x", "user.a", "v, \\1\\"", 4, 0) = 0', ["write /x"]),
        ("utimensat(3</x>, NULL, NULL, 0)   = 0", []),
        # exec
        ('execve("/usr/bin/cat", ["cat", "/etc/passwd"], 0x559ef /* 5 vars */) = 0', ["exec /usr/bin/cat"]),
        ('execve("/sbin/cat", ["cat"], 0x559ef /* 5 vars */) = -1 ENOENT (No such file)', ["miss /sbin/cat"]),
        ('execveat(3</bin>, "cat", ["cat"], 0x559ef /* 1 var */, 0) = 0', ["exec /bin/cat"]),
        # changing
        ('rename("/a", "b")                 = 0', ["rename /a", "rename /work/b"]),
        ('renameat2(3</p>, "a", AT_FDCWD</q>, "b", 0) = 0', ["rename /p/a", "rename /q/b"]),
        ('link("/a", "/b")                  = 0', ["create /b", "stat /a"]),
        ('symlink("../to", "/b")            = 0', ["create /b"]),
        ('symlinkat("../to", 3</p>, "b")    = 0', ["create /p/b"]),
        ('unlinkat(3</p>, "a", AT_REMOVEDIR) = 0', ["remove /p/a"]),
        ('mknodat(AT_FDCWD</>, "/f", S_IFIFO|0644) = 0', ["create /f"]),
        ('mount("/a", "/b", NULL, MS_BIND, NULL) = 0', ["stat /a", "stat /b"]),
        ('mount("a", "/b", NULL, MS_MOVE, NULL) = 0', ["stat /b", "stat /work/a"]),
        ('mount("/dev/sda", "/b", "ext4", 0, NULL) = 0', ["stat /b", "stat /dev/sda"]),
        ('mount("none", "/b", "tmpfs", 0, NULL) = 0', ["stat /b"]),
        ('mount("/a", "/b", NULL, MS_RDONLY|MS_REMOUNT|MS_BIND, NULL) = 0', ["stat /b"]),
        # sockets
        ('bind(5<socket:[5]>, {sa_family=AF_UNIX, sun_path="/run/s"}, 13) = 0', ["bind /run/s"]),
        ('bind(5<socket:[5]>, {sa_family=AF_UNIX, sun_path="s"}, 13) = 0', ["bind /work/s"]),
        ('bind(7<socket:[5]>, {sa_family=AF_UNIX, sun_path=@"abs1"}, 7) = 0', []),
        ('bind(7<socket:[5]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = 0', []),
        ('connect(6<socket:[5]>, {sa_family=AF_UNIX, sun_path="/run/n"}, 12) = -1 ENOENT (No)', ["miss /run/n"]),
        # names
        ('open("/a<b>c\\303\\251\\n\\0011", O_RDONLY) = 3</a\\74b\\76c\\303\\251\\n\\0011>', ["read /a<b>cé\n\x011"]),
        ('stat("/\\377", {st_mode=S_IFREG|0644, st_size=0, ...}) = 0', ["stat /\udcff"]),
        ('stat("/a) = -1 ENOENT (x", {st_mode=S_IFREG|0644, ...}) = 0', ["stat /a) = -1 ENOENT (x"]),
        ('openat(3</a\\74, b\\76>, "c", O_RDONLY) = 4</a\\74, b\\76/c>', ["read /a<, b>/c"]),
        ('stat("/a//b/./c/", {st_mode=S_IFDIR|0755, ...}) = 0', ["stat /a/b/c"]),
        ('stat("/a/../b", {st_mode=S_IFDIR|0755, ...}) = 0', ["stat /a/../b"]),
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
        (['chdir("/tmp") = 0', STAT], ["stat /tmp", "miss /tmp/x"]),
        (['chdir("sub") = 0', 'chdir("..") = 0', STAT], ["stat /work/sub", "stat /work/sub/..", "miss /work/sub/../x"]),
        (['chdir("/no") = -1 ENOENT (No such file or directory)', STAT], ["miss /no", "miss /work/x"]),
        (["fchdir(4</usr>) = 0", STAT], ["miss /usr/x"]),
        # a child has its parent's directory, and its own from then on
        ([f"fork() {CHILD}", '20 chdir("/c") = 0', f"20 {STAT}", STAT], ["stat /c", "miss /c/x", "miss /work/x"]),
        (
            [f"clone(child_stack=NULL, flags=CLONE_FS|CLONE_VM|SIGCHLD) {CHILD}", '20 chdir("/c") = 0', STAT],
            ["stat /c", "miss /c/x"],
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
            ["clone(child_stack=NULL, flags=SIGCHLD) = 8", '20 chdir("sub") = 0', f"20 {STAT}", STAT],
            ["stat /work/sub", "miss /work/sub/x", "miss /work/x"],
        ),
        # one that ended before its fork returned can only be that one, and a thread moves its sibling
        (
            [
                "clone(child_stack=NULL, flags=CLONE_FS|SIGCHLD <unfinished ...>",
                '20 chdir("sub") = 0',
                f"20 {STAT}",
                "20 +++ exited with 0 +++",
                "<... clone resumed>) = 8",
                STAT,
            ],
            ["stat /work/sub", "miss /work/sub/x"],
        ),
        # chroot
        (
            ['chroot("jail") = 0', 'stat("/x", 0x7f) = 0', 'stat("x", 0x7f) = 0', 'stat("/../y", 0x7f) = 0'],
            ["stat /work/jail", "stat /work/jail/x", "stat /work/jail/y", "stat /work/x"],
        ),
        (
            ['chroot("/j") = 0', 'openat(3</j/d>, "f", O_RDONLY) = 4</j/d/f>', 'chdir("/") = 0', STAT],
            ["stat /j", "miss /j/x", "read /j/d/f"],
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
            ["read /x", "stat /usr/bin/head"],
        ),
        (
            ['execve("/bin/ls", ["ls"], 0x5 /* 5 vars */ <unfinished ...>', "<... execve resumed>)             = 0"],
            ["exec /bin/ls"],
        ),
        # killed within a call
        (['openat(AT_FDCWD</>, "/x", O_RDONLY <unfinished ...>', "+++ killed by SIGKILL +++"], ["read /x"]),
        (['openat(AT_FDCWD</>, "/x", O_RDONLY <unfinished ...>'], ["read /x"]),
        (
            ['stat("/x",  <unfinished ...>', "<... stat resumed> <unfinished ...>) = ?", "+++ killed by SIGKILL +++"],
            ["stat /x"],
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
        (
            [
                f"clone(flags=CLONE_FS|CLONE_THREAD) {CHILD}",
                '20 execve("/x", ["x"], 0x5 /* 1 var */ <pid changed to 10 ...>',
                "+++ superseded by execve in pid 20 +++",
                "<... execve resumed>)  = 0",
                STAT,
            ],
            ["exec /x", "miss /work/x"],
        ),
        # and the one that started it may still be about to return from that
        (
            [
                "clone(flags=CLONE_FS|CLONE_THREAD <unfinished ...>",
                '20 execve("/x", ["x"], 0x5 /* 1 var */ <unfinished ...>',
                "<... clone resumed>)     = ? <unavailable>",
                "+++ superseded by execve in pid 20 +++",
                "<... execve resumed>)  = 0",
                STAT,
            ],
            ["exec /x", "miss /work/x"],
        ),
        # the number of a process that ended may come again
        (
            [f"fork() {CHILD}", '20 chdir("/c") = 0', "20 +++ exited with 0 +++", f"20 {STAT}", f"fork() {CHILD}"],
            ["stat /c", "miss /work/x"],
        ),
    ],
)
def test_where_a_process_is(lines: list[str], expected: list[str]) -> None:
    assert dump(parse(*lines)) == sorted(expected)


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
        (
            ["unshare(CLONE_NEWNS) = 0", 'open_tree(AT_FDCWD</>, "/a", OPEN_TREE_CLONE) = 3</a>'],
            "another tree of mounts",
        ),
        (["setns(4<mnt:[4026]>, CLONE_NEWNS) = 0"], "another tree of mounts"),
        (['99 stat("x", 0x7f) = 0'], "parent was not seen"),
        (["io_uring_setup(8, {flags=0}) = 3<anon_inode:[io_uring]>"], "io_uring"),
        (["ptrace(PTRACE_TRACEME) = -1 EPERM (Operation not permitted)"], "wants to be traced"),
        # a thread that nobody knows moved others, was moved by them, or may have moved a third
        (["clone(flags=CLONE_FS) = 8", '20 chdir("sub") = 0', STAT], "moved the working directory"),
        (["clone(flags=CLONE_FS) = 8", '20 stat("x", 0x7f) = 0', 'chdir("/tmp") = 0'], "moved the working directory"),
        (
            [
                f"clone(flags=CLONE_FS) {CHILD}",
                '21 chdir("sub") = 0',
                f"clone(flags=CLONE_FS) {CHILD.replace('20', '21')}",
            ],
            "moved the working directory",
        ),
    ],
)
def test_what_may_be_missing_is_said(lines: list[str], problem: str) -> None:
    assert [found for found in parse(*lines).meanings.problems if problem in found]


def test_a_line_without_a_number_is_a_problem() -> None:
    parser = Parser()
    parser.feed("strace: something")
    assert parser.meanings.problems == {"a line of strace that cannot be read: strace: something"}


@pytest.mark.parametrize(
    "line", ["unshare(CLONE_NEWNS) = 0", "clone(flags=CLONE_NEWNS|SIGCHLD) = 9 /* 9 in strace's PID NS */"]
)
def test_new_mount_namespaces_are_noticed(line: str) -> None:
    assert parse(line).meanings.new_mount_namespaces
    assert not parse(STAT).meanings.new_mount_namespaces


def test_what_was_mounted_at_another_place() -> None:
    flags = ("MS_BIND", "MS_REC|MS_BIND", "MS_MOVE", "MS_REMOUNT|MS_BIND", "MS_RDONLY")
    lines = [f'mount("/{number}", "to{number}", NULL, {flag}, NULL) = 0' for number, flag in enumerate(flags)]
    lines.append('mount("/5", "to5", NULL, MS_BIND, NULL) = -1 EPERM (No)')
    assert parse(*lines).meanings.mounts == {("/work/to0", "/0"), ("/work/to1", "/1"), ("/work/to2", "/2")}


def test_the_same_name_from_two_directories() -> None:
    lines = [STAT, 'chdir("/a") = 0', STAT, 'chdir("/b") = 0', STAT]
    assert dump(parse(*lines)) == ["miss /a/x", "miss /b/x", "miss /work/x", "stat /a", "stat /b"]


def test_a_thread_that_shares_no_directory_moves_nobody() -> None:
    """Though it did so before its clone returned, while a third may have been at work."""
    thread = "clone(flags=CLONE_FS|CLONE_THREAD)"
    lines = [f"{thread} {CHILD}", "21 unshare(CLONE_FS) = 0", '21 chdir("/a") = 0', f"21 {STAT}"]
    assert dump(parse(*lines, f"{thread} {CHILD.replace('20', '21')}", f"20 {STAT}")) == [
        "miss /a/x",
        "miss /work/x",
        "stat /a",
    ]
    shared = [f"{thread} {CHILD}", "20 unshare(CLONE_NEWUTS) = 0", '20 chdir("/a") = 0', STAT]
    assert dump(parse(*shared)) == ["miss /a/x", "stat /a"]


def test_lines_of_unknown_processes_do_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slimtasks.trace.strace.MOST_WAITING", 10)
    parser = parse(*[f"99 {STAT}"] * 25)
    assert "too many lines of processes whose parent was not seen" in parser.meanings.problems


def test_calls() -> None:
    assert parse_call("fork() = 7") == Call("fork", ("",), "7")
    assert parse_call('f("a, b", [c, {d, e}], 1<<3)  = -1 EPERM (x)') == Call(
        "f", ('"a, b"', "[c, {d, e}]", "1<<3"), error="EPERM"
    )
    assert parse_call('open("/x", O_RDONLY) = 3</x>(deleted)') == Call(
        "open", ('"/x"', "O_RDONLY"), "3", descriptor="/x"
    )
    assert parse_call("--- SIGCHLD {si_signo=SIGCHLD} ---") is None


def program_of(parser: Parser) -> list[str]:
    return sorted(f"{use.how} {use.path} by {use.program}" for use in parser.meanings.uses)


EXEC = 'execve("{}", ["x"], 0x5 /* 5 vars */) = 0'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([STAT], ["miss /work/x by "]),
        ([EXEC.format("/a"), STAT], ["exec /a by ", "miss /work/x by /a"]),
        ([EXEC.format("a"), STAT], ["exec /work/a by ", "miss /work/x by /work/a"]),
        ([EXEC.format("/a"), EXEC.format("/proc/self/exe"), STAT],
         ["exec /a by ", "exec /proc/self/exe by /a", "miss /work/x by /a"]),
        ([EXEC.format("/a"), f"vfork() {CHILD}", "20 " + EXEC.format("/b"), f"20 {STAT}", STAT],
         ["exec /a by ", "exec /b by /a", "miss /work/x by /a", "miss /work/x by /b"]),
        ([EXEC.format("/a"), f"clone(flags=CLONE_FS) {CHILD}", f"20 {STAT}"], ["exec /a by ", "miss /work/x by /a"]),
        ([EXEC.format("/a"), 'execve("/b", ["b"], 0x5) = -1 ENOENT (No)', STAT],
         ["exec /a by ", "miss /b by /a", "miss /work/x by /a"]),
        # of two that nobody can tell apart nobody says which it was
        ([EXEC.format("/a"), "fork() = 8", EXEC.format("/b"), "fork() = 9", f"20 {STAT}"],
         ["exec /a by ", "exec /b by /a", "miss /work/x by "]),
    ],
)  # fmt: skip
def test_which_program_it_was(lines: list[str], expected: list[str]) -> None:
    assert program_of(parse(*lines)) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 5<socket:[7]>",
          'bind(5<socket:[7]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}, 16) = 0'],
         ["bind tcp 0.0.0.0:80"]),
        (["socket(AF_INET6, SOCK_DGRAM, IPPROTO_IP) = 5<socket:[7]>",
          'connect(5<socket:[7]>, {sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), '
          'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = -1 EINPROGRESS (Operation now in progress)'],
         ["connect udp [::1]:53"]),
        (['connect(9<socket:[8]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("1.2.3.4")}, 16) = 0'],
         ["connect ip 1.2.3.4:80"]),
        (['bind(5<socket:[5]>, {sa_family=AF_UNIX, sun_path="s"}, 13) = 0'], ["bind unix /work/s"]),
        (['bind(5<socket:[5]>, {sa_family=AF_UNIX, sun_path="s"}, 13) = -1 EADDRINUSE (x)'], []),
        (['bind(7<socket:[5]>, {sa_family=AF_UNIX, sun_path=@"abs"}, 7) = 0'], ["bind unix @abs"]),
        (['connect(6<socket:[5]>, {sa_family=AF_UNIX, sun_path="/run/n"}, 12) = -1 ENOENT (No)'], []),
        (["bind(3<socket:[5]>, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0"], ["bind netlink"]),
        (["connect(3<socket:[5]>, {sa_family=AF_UNSPEC, sa_data=\"\\0\"}, 16) = 0"], []),
        (["shmget(IPC_PRIVATE, 4096, IPC_CREAT|0600) = 3", "semget(0x1, 1, 0600) = -1 ENOENT (No)"], ["ipc sysv shm"]),
        (['mq_open("q", O_RDWR|O_CREAT, 0600, NULL) = 3</q>', 'mq_unlink("p") = 0'], ["ipc posix /p", "ipc posix /q"]),
        (['mq_unlink("p") = -1 ENOENT (No)'], []),
        (["socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 5<socket:[7]>",
          'sendto(5<socket:[7]>, "sin_port=htons(1)", 17, 0, {sa_family=AF_INET, sin_port=htons(53), '
          'sin_addr=inet_addr("1.2.3.4")}, 16) = 17'],
         ["connect udp 1.2.3.4:53"]),
        (['sendto(5<socket:[7]>, "{sa_family=AF_INET}", 17, 0, NULL, 0) = 17'], []),
        (['sendto(5<socket:[7]>, "x", 1, 0, {sa_family=AF_UNIX, sun_path="/s"}, 5) = -1 ENOENT (No)'], []),
        (['sendmsg(5<socket:[7]>, {msg_name={sa_family=AF_UNIX, sun_path="s"}, msg_namelen=4, msg_iov=[{iov_base='
          '"msg_name={sa_family=AF_UNIX, sun_path=\\"no\\"}", iov_len=9}], msg_iovlen=1, '
          'msg_controllen=0, msg_flags=0}, 0) = 9'],
         ["connect unix /work/s"]),
        (['sendmmsg(5<socket:[7]>, [{msg_hdr={msg_name={sa_family=AF_UNIX, sun_path=@"a}"}, msg_namelen=4, '
          'msg_iov=[{iov_base="x", iov_len=1}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=1}, '
          '{msg_hdr={msg_name={sa_family=AF_UNIX, sun_path="/b"}, msg_namelen=4, msg_iov=NULL, msg_iovlen=0, '
          'msg_controllen=0, msg_flags=0}}], 2, 0) = 2'],
         ["connect unix /b", "connect unix @a}"]),
    ],
)  # fmt: skip
def test_what_else_it_did(lines: list[str], expected: list[str]) -> None:
    parser = parse(*lines)
    assert not parser.meanings.problems
    assert sorted(f"{fact.kind} {fact.value}" for fact in parser.meanings.facts) == expected


def test_a_line_counts_for_the_step_in_which_it_ended() -> None:
    parser = Parser()
    parser.feed(f"1 {GATE}", 0)
    parser.feed("1 vfork( <unfinished ...>", 1)
    parser.feed(f"20 {STAT}", 2)
    parser.feed(f"1 <... vfork resumed>) {CHILD}", 3)
    parser.feed(f"1 {STAT}", 4)
    assert sorted(use.step for use in parser.meanings.uses) == [2, 4]


def test_absolute() -> None:
    assert absolute("x", "", "") == "/x"
    assert absolute("/../x", "", "/jail") == "/jail/x"
    assert absolute("../x", "/a") == "/a/../x"


@pytest.mark.parametrize(
    ("how", "error", "expected"),
    [("read", "", "read"), ("exec", "ENOTDIR", "miss"), ("read", "EBADF", ""), ("create", "EEXIST", "stat"),
     ("access", "EACCES", "access"), ("readlink", "EINVAL", "readlink")],
)  # fmt: skip
def test_outcomes(how: str, error: str, expected: str) -> None:
    assert outcome(how, error) == expected


def test_escapes() -> None:
    assert unescaped(r"\303\251\t\"\\\0\x41\74") == 'é\t"\\\0A<'
    assert unescaped(r"\3771") == "\udcff1"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", "/"), ("//", "/"), ("/a/", "/a"), ("/./a//b/.", "/a/b"), ("/a/../b", "/a/../b"), ("/.a/..b", "/.a/..b")],
)
def test_tidied(path: str, expected: str) -> None:
    assert tidied(path) == expected
