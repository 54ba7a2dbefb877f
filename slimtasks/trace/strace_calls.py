"""Which arguments of which system calls are paths, and what a call that succeeded did with them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PathArgument:
    """Where a call has a path: index of the string, and of the descriptor it starts at (-1: the working directory)."""

    string: int
    how: str  # as in records.Access; 'open' is refined by the flags
    directory: int = -1
    flags: int = -1


def _legacy(how: str, *names: str, at: int = 0) -> dict[str, tuple[PathArgument, ...]]:
    return {name: (PathArgument(at, how),) for name in names}


def _at(how: str, *names: str) -> dict[str, tuple[PathArgument, ...]]:
    return {name: (PathArgument(1, how, directory=0),) for name in names}


PATHS: dict[str, tuple[PathArgument, ...]] = {
    "open": (PathArgument(0, "open", flags=1),),
    "openat": (PathArgument(1, "open", directory=0, flags=2),),
    "openat2": (PathArgument(1, "open", directory=0, flags=2),),
    **_legacy("exec", "execve"),
    **_at("exec", "execveat"),
    **_legacy("open", "uselib"),
    **_legacy("look", "stat", "lstat", "stat64", "lstat64", "oldstat", "oldlstat", "statfs", "statfs64", "access"),
    **_legacy(
        "look", "readlink", "chmod", "chown", "lchown", "chown32", "lchown32", "utime", "utimes", "chdir", "chroot"
    ),
    **_legacy("look", "getxattr", "lgetxattr", "setxattr", "lsetxattr", "listxattr", "llistxattr"),
    **_legacy("look", "removexattr", "lremovexattr", "acct", "swapon", "swapoff", "umount", "umount2", "oldumount"),
    **_legacy("look", "inotify_add_watch", at=1),
    **_at("look", "newfstatat", "fstatat64", "statx", "faccessat", "faccessat2", "readlinkat", "fchmodat", "fchmodat2"),
    **_at("look", "fchownat", "utimensat", "utimensat_time64", "futimesat", "name_to_handle_at", "open_tree"),
    **_at("look", "mount_setattr", "open_tree_attr"),
    **_at("look", "getxattrat", "setxattrat", "listxattrat", "removexattrat", "fspick", "file_getattr", "file_setattr"),
    "fanotify_mark": (PathArgument(4, "look", directory=3),),
    "move_mount": (PathArgument(1, "look", directory=0), PathArgument(3, "look", directory=2)),
    "mount": (PathArgument(1, "look"),),
    "pivot_root": (PathArgument(0, "look"), PathArgument(1, "look")),
    **_legacy("write", "creat", "mkdir", "rmdir", "unlink", "mknod", "truncate", "truncate64"),
    **_at("write", "mkdirat", "mknodat", "unlinkat"),
    "rename": (PathArgument(0, "write"), PathArgument(1, "write")),
    "renameat": (PathArgument(1, "write", directory=0), PathArgument(3, "write", directory=2)),
    "renameat2": (PathArgument(1, "write", directory=0), PathArgument(3, "write", directory=2)),
    "link": (PathArgument(0, "look"), PathArgument(1, "write")),
    "linkat": (PathArgument(1, "look", directory=0), PathArgument(3, "write", directory=2)),
    "symlink": (PathArgument(1, "write"),),
    "symlinkat": (PathArgument(2, "write", directory=1),),
}

FORKS = frozenset({"fork", "vfork", "clone", "clone3"})
MISSED = frozenset({"ENOENT", "ENOTDIR"})
NO_LOOKUP = frozenset({"EFAULT", "ENAMETOOLONG", "EBADF", "ENOSYS"})  # the call failed before it looked anywhere


def ways_of_opening(flags: str) -> tuple[str, ...]:
    """What an open with these flags does with the file, as words of records.Access."""
    if "O_PATH" in flags or "O_TMPFILE" in flags:
        return ("look",)
    if "O_DIRECTORY" in flags:
        return ("list",)
    if "O_WRONLY" in flags:
        return ("write",)
    return ("open", "write") if "O_CREAT" in flags else ("open",)
