"""Which arguments of which system calls are paths, and what a call that succeeded did with them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PathArgument:
    """Where a call has a path: index of the string, and of the descriptor it starts at (-1: the working directory)."""

    string: int
    how: str  # as in records.Access; with flags, what those say
    directory: int = -1
    flags: int = -1


def _legacy(how: str, *names: str, at: int = 0) -> dict[str, tuple[PathArgument, ...]]:
    return {name: (PathArgument(at, how),) for name in names}


def _at(how: str, *names: str) -> dict[str, tuple[PathArgument, ...]]:
    return {name: (PathArgument(1, how, directory=0),) for name in names}


PATHS: dict[str, tuple[PathArgument, ...]] = {
    "open": (PathArgument(0, "", flags=1),),
    "openat": (PathArgument(1, "", directory=0, flags=2),),
    "openat2": (PathArgument(1, "", directory=0, flags=2),),
    "creat": (PathArgument(0, "write"), PathArgument(0, "create")),
    **_legacy("exec", "execve"),
    **_at("exec", "execveat"),
    **_legacy("read", "uselib"),
    **_legacy("stat", "stat", "lstat", "stat64", "lstat64", "oldstat", "oldlstat", "statfs", "statfs64"),
    **_legacy("stat", "chdir", "chroot", "umount", "umount2", "oldumount", "swapon", "swapoff"),
    **_legacy("stat", "getxattr", "lgetxattr", "listxattr", "llistxattr"),
    **_legacy("stat", "inotify_add_watch", at=1),
    **_at("stat", "newfstatat", "fstatat64", "statx", "name_to_handle_at", "open_tree", "open_tree_attr"),
    **_at("stat", "getxattrat", "listxattrat", "fspick", "file_getattr", "mount_setattr"),
    "fanotify_mark": (PathArgument(4, "stat", directory=3),),
    "move_mount": (PathArgument(1, "stat", directory=0), PathArgument(3, "stat", directory=2)),
    "mount": (PathArgument(1, "stat"),),
    "pivot_root": (PathArgument(0, "stat"), PathArgument(1, "stat")),
    **_legacy("access", "access"),
    **_at("access", "faccessat", "faccessat2"),
    **_legacy("readlink", "readlink"),
    **_at("readlink", "readlinkat"),
    **_legacy("write", "chmod", "chown", "lchown", "chown32", "lchown32", "utime", "utimes", "acct"),
    **_legacy("write", "truncate", "truncate64", "setxattr", "lsetxattr", "removexattr", "lremovexattr"),
    **_at("write", "fchmodat", "fchmodat2", "fchownat", "utimensat", "utimensat_time64", "futimesat"),
    **_at("write", "setxattrat", "removexattrat", "file_setattr"),
    **_legacy("create", "mkdir", "mknod"),
    **_at("create", "mkdirat", "mknodat"),
    **_legacy("remove", "rmdir", "unlink"),
    **_at("remove", "unlinkat"),
    "rename": (PathArgument(0, "rename"), PathArgument(1, "rename")),
    "renameat": (PathArgument(1, "rename", directory=0), PathArgument(3, "rename", directory=2)),
    "renameat2": (PathArgument(1, "rename", directory=0), PathArgument(3, "rename", directory=2)),
    "link": (PathArgument(0, "stat"), PathArgument(1, "create")),
    "linkat": (PathArgument(1, "stat", directory=0), PathArgument(3, "create", directory=2)),
    "symlink": (PathArgument(1, "create"),),
    "symlinkat": (PathArgument(2, "create", directory=1),),
}

FORKS = frozenset({"fork", "vfork", "clone", "clone3"})


def ways_of_opening(flags: str) -> tuple[str, ...]:
    """What an open with these flags does with the file, as words of records.Access."""
    if "O_PATH" in flags or "O_TMPFILE" in flags:
        return ("stat",)
    if "O_DIRECTORY" in flags:
        return ("list",)
    ways: tuple[str, ...] = () if "O_WRONLY" in flags else ("read",)
    ways += ("write",) if "O_WRONLY" in flags or "O_RDWR" in flags else ()
    return (*ways, "create") if "O_CREAT" in flags else ways
