"""What `keep-presets` takes of an image of whatever distribution, and what of that is often missed later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slimtasks.records import ImagePath, Reason
from slimtasks.rootfs import Tree, join
from slimtasks.selection.image import DEFAULT_PATH, FatImage
from slimtasks.selection.inputs import NotKept
from slimtasks.selection.kept import Kept
from slimtasks.selection.rules import quoted
from slimtasks.sizes import size_text
from slimtasks.spec import Rule

_LIBRARIES = ("/lib", "/lib64", "/lib/*-linux-*", "/usr/lib", "/usr/lib64", "/usr/lib/*-linux-*", "/usr/local/lib")
_SHELLS = ("sh", "ash", "dash")
_MANY_IN_ONE = ("busybox", "toybox", "coreutils")  # programs of which each further name is a command


@dataclass(frozen=True)
class Preset:
    """Patterns and commands; what they match stays, with what symlinks lead to and what programs need."""

    what: str
    packages: str  # that bring it, by distribution
    data: tuple[str, ...] = ()  # patterns
    commands: tuple[str, ...] = ()  # in the directories of PATH
    beside: tuple[str, ...] = ()  # patterns of what is of use only beside a file of the former
    enough: tuple[str, ...] = ()  # patterns: once a file of these stays, nobody misses the rest
    missed: bool = False  # whether to tell that the image has it, and it does not stay


PRESETS = {
    "certificates": Preset(
        "CA certificates",
        "ca-certificates",
        data=(
            "/etc/ssl/certs/**",
            "/etc/ssl/cert.pem",
            "/etc/ssl/ca-bundle.pem",
            "/etc/pki/tls/certs/**",
            "/etc/pki/tls/cert.pem",
            "/etc/pki/java/**",
            "/etc/pki/ca-trust/extracted/**",
            "/usr/share/ca-certificates/**",
            "/usr/local/share/ca-certificates/**",
            "/var/lib/ca-certificates/**",
        ),
        enough=(
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/ssl/certs/java/cacerts",
            "/etc/ssl/cert.pem",
            "/etc/ssl/ca-bundle.pem",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/pki/ca-trust/extracted/**",
            "/var/lib/ca-certificates/**",
        ),
        missed=True,
    ),
    "timezones": Preset(
        "time zones",
        "tzdata",
        data=("/usr/share/zoneinfo/**",),
        beside=("/etc/localtime", "/etc/timezone"),
        missed=True,
    ),
    "locales": Preset(
        "locales",
        "locales in Debian, glibc-langpack-* in Fedora, musl-locales in Alpine",
        data=(
            "/usr/lib/locale/**",
            "/usr/share/locale/**",
            "/usr/share/i18n/locales/musl/**",
        ),
        beside=("/usr/lib/gconv/**", "/usr/lib64/gconv/**", "/usr/lib/*-linux-*/gconv/**"),
        missed=True,
    ),
    "nss": Preset(
        "name services",
        "libc6 in Debian, glibc in Fedora",
        data=(*(f"{folder}/libnss_*.so*" for folder in _LIBRARIES), "/etc/nsswitch.conf", "/etc/passwd", "/etc/group"),
        beside=(
            "/etc/host.conf",
            "/etc/gai.conf",
            "/etc/services",
            "/etc/protocols",
            "/etc/networks",
            "/etc/rpc",
            "/etc/ethers",
            "/etc/netgroup",
        ),
    ),
    "shell": Preset("shells", "dash in Debian, bash in Fedora, busybox in Alpine", commands=_SHELLS),
    "debug": Preset(
        "commands to look around with",
        "coreutils, procps and the like, or busybox",
        commands=(
            *(*_SHELLS, "bash", *_MANY_IN_ONE),
            *("[", "base64", "basename", "cat", "chmod", "chown", "clear", "cp", "cut", "date", "dd", "df", "diff"),
            *("dirname", "du", "echo", "env", "expr", "false", "file", "find", "grep", "egrep", "fgrep", "groups"),
            *("gunzip", "gzip", "head", "hexdump", "hostname", "id", "ldd", "less", "ln", "ls", "md5sum", "mkdir"),
            *("mktemp", "more", "mount", "mv", "nproc", "od", "printenv", "printf", "pwd", "readlink", "realpath"),
            *("rm", "rmdir", "sed", "awk", "mawk", "gawk", "seq", "sha256sum", "sleep", "sort", "stat", "strings"),
            *("sync", "tail", "tar", "tee", "test", "timeout", "touch", "tput", "tr", "true", "tty", "umount", "uname"),
            *("uniq", "vi", "wc", "which", "whoami", "xargs", "xxd", "zcat"),
            *("free", "kill", "lsof", "pgrep", "pidof", "pkill", "ps", "strace", "top", "uptime", "vmstat"),
            *("curl", "dig", "getent", "host", "ip", "nc", "netstat", "nslookup", "openssl", "ping", "ss", "wget"),
        ),
        beside=(
            "/lib/terminfo/**",
            "/usr/lib/terminfo/**",
            "/etc/terminfo/**",
            *(f"/usr/share/terminfo/{name[0]}/{name}*" for name in ("ansi", "dumb", "linux", "screen", "tmux")),
            *(f"/usr/share/terminfo/{name[0]}/{name}*" for name in ("vt100", "vt220", "xterm")),
        ),
    ),
}


def keep_presets(key: str, rules: Iterable[Rule], image: FatImage, kept: Kept, errors: list[str]) -> None:
    """Keeps what the presets take; one of which the fat image has nothing is an error."""
    for rule in rules:
        preset, reason = PRESETS[rule.text], Reason("kept", f"preset {rule.text}")
        paths = taken_by(rule.text, image)
        if not any(_is_file(path, image.tree) for path in paths):
            absent = f"the fat image has no {preset.what}; they come with {preset.packages}"
            errors.append(f"{quoted(key, rule)}: {absent}")
            continue
        for path in (*paths, *_matches(preset.beside, image.tree)):
            kept.follow(path, reason)
            kept.keep(path, reason)


def taken_by(name: str, image: FatImage) -> tuple[ImagePath, ...]:
    """What the preset takes, less what is of use only beside that."""
    preset = PRESETS[name]
    return tuple(dict.fromkeys([*_matches(preset.data, image.tree), *_commands(preset, image)]))


def not_kept(tree: Tree, kept: Kept) -> tuple[NotKept, ...]:
    """What is often missed later, is there and does not stay, though no rule drops it."""
    found = []
    for name, preset in PRESETS.items():
        if not preset.missed or any(path in kept for path in _matches(preset.enough, tree) if _is_file(path, tree)):
            continue
        gone = {path for path in _matches(preset.data, tree) if path not in kept and path not in kept.dropped}
        entries = [entry for path in gone if (entry := tree.lookup(path)) is not None and entry.type != "dir"]
        if entries:
            inodes = {entry.hardlink or entry.path: entry.size for entry in entries}
            size = sum(size for path, size in inodes.items() if path not in kept)
            found.append(NotKept(name, preset.what, len(entries), size))
    return tuple(found)


def not_kept_note(missed: Iterable[NotKept]) -> tuple[str, ...]:
    """The line that tells of it, with the presets that keep it; none where there is nothing."""
    missed = tuple(missed)
    listed = ", ".join(f"{size_text(one.size)} of {one.what}" for one in missed)
    names = ", ".join(one.preset for one in missed)
    return (f"not kept: {listed}; keep-presets: [{names}] would keep them",) if missed else ()


def _matches(patterns: Iterable[str], tree: Tree) -> Iterator[ImagePath]:
    """What the patterns match, with the symlinks on the way."""
    for pattern in patterns:
        paths = tree.match(pattern)
        if paths:
            yield from tree.way(pattern)
            yield from paths


def _commands(preset: Preset, image: FatImage) -> Iterator[ImagePath]:
    """Where the commands are, by whatever name of their directory; of a program that is many, each of its names."""
    directories = dict.fromkeys((*image.path, *DEFAULT_PATH.split(":")))
    places = [ImagePath(f"{directory}/{name}") for directory in directories for name in preset.commands]
    there = [place for place in places if _is_file(place, image.tree)]
    yield from there
    many = {_inode(place, image.tree) for place in there if place.endswith(tuple(f"/{name}" for name in _MANY_IN_ONE))}
    for directory in directories if many else ():
        for path in image.tree.children(image.tree.walk(directory).resolved):
            if _inode(path, image.tree) in many:
                yield join(directory, path.rpartition("/")[2])


def _inode(path: str, tree: Tree) -> str:
    """The first name of the file that the path leads to; empty where it leads to none."""
    final = tree.walk(path).final
    return (final.hardlink or final.path) if final is not None and final.type == "file" else ""


def _is_file(path: ImagePath, tree: Tree) -> bool:
    final = tree.walk(path).final
    return final is not None and final.type != "dir"
