"""Which paths of a base stay: without what is removed and purged, or nothing but some packages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from slimtasks.errors import SpecError
from slimtasks.nearest import near_package, near_path
from slimtasks.packages import apk, rpm
from slimtasks.packages.dependencies import is_named, staying, unmet
from slimtasks.packages.dpkg import INFO, LICENCES, STATUS, STATUS_D, licences_named, stanzas
from slimtasks.records import Entry, ImagePath, Package, bare_name
from slimtasks.rootfs import Tree, join, parent
from slimtasks.sizes import count
from slimtasks.spec import Rule

DATABASE = ImagePath("/var/lib/dpkg")
_DATABASES = {
    "deb/dpkg": (DATABASE,),
    "apk/apk-tools": apk.FOLDERS,
    "rpm/rpm": rpm.FOLDERS,
}  # by the package that wants it
_DOC = ImagePath("/usr/share/doc")
_ALTERNATIVES = "/etc/alternatives/"

SYSTEM = (
    "/{bin,boot,dev,etc,home,lib,lib32,lib64,libx32,media,mnt,opt,proc,root,run,sbin,srv,sys,tmp,usr,var}",
    "/var/{tmp,run,lock,lib,log,cache}",
    "/usr/{bin,lib,sbin,lib64,share,local}",
    "/etc/{passwd,group,shadow,gshadow,shells,nsswitch.conf,ld.so.cache,ld.so.conf,os-release}",
    "/etc/ld.so.conf.d/*",
    "/usr/lib/os-release",
    "/var/lib/dpkg/{arch,diversions,statoverride,info/format,status}",
    "/var/lib/dpkg/{info,updates,triggers,alternatives,parts}",
    "/lib/apk/db/*",
    "/usr/lib/apk/db/*",
    "/etc/apk/**",
    "/usr/lib/sysimage/rpm/**",
    "/var/lib/rpm/**",
)
"""What stays beside the only packages, whoever owns it: no program runs well without it."""

GENERATED = {
    "ca-certificates": ("/etc/ssl/certs/**", "/etc/ca-certificates.conf"),
    "locales": ("/usr/lib/locale/**", "/etc/default/locale", "/etc/locale.gen"),
    "tzdata": ("/etc/localtime", "/etc/timezone"),
}
"""What a package made when it was installed, and is of no use without."""


@dataclass(frozen=True)
class Squashed:
    """What stays of a base."""

    paths: frozenset[ImagePath]  # with all their parents
    contents: tuple[tuple[ImagePath, bytes], ...]  # of the files that are not what they were
    packages: tuple[str, ...]  # that stay, sorted: 'deb/libc6', 'apk/musl'
    notes: tuple[str, ...] = ()  # packages that stay without what they depend on


def squash(
    entries: Sequence[Entry],
    packages: Sequence[Package],
    files: Mapping[ImagePath, bytes],
    *,
    remove: Sequence[Rule] = (),
    purge: Sequence[Rule] = (),
    only_packages: Sequence[Rule] = (),
    metadata: str = "keep",
) -> Squashed:
    """What stays of the tree; `files` are its captured ones. SpecError names every rule that matches nothing.

    `remove` spares licence texts, unless `metadata` is 'none'; then the package database goes too, where its package
    manager does not stay. A purge is a forced one: what depends on the package stays, and is told in the notes.
    """
    tree = Tree(entries)
    _check(tree, packages, remove, (*purge, *only_packages))
    left = staying(packages, [rule.text for rule in purge], [rule.text for rule in only_packages])
    claims = _claims(packages, tree)
    paths = _only(tree, claims, left) if only_packages else set(tree.paths) - _purged(tree, claims, left)
    paths -= _database_gone(tree, packages, left, metadata)
    if only_packages and metadata != "none":
        paths |= _licences_named(tree, files, paths)
    if len(left) < len(packages):
        _drop_dangling(tree, paths)
        _drop_emptied(tree, paths, claims, left)
    paths = _removed(tree, paths, remove, spare=metadata != "none")
    return Squashed(
        frozenset(_with_parents(paths)),
        tuple(_contents(files, paths, packages, left)),
        tuple(sorted(left)),
        (*unmet(packages, left), *_uncut(tree, packages, paths, left)),
    )


def _with_parents(paths: set[ImagePath]) -> set[ImagePath]:
    found = set(paths)
    for path in paths:
        above = parent(path)
        while above not in found:
            found.add(above)
            above = parent(above)
    return found | {ImagePath("/")}


# -- paths -----------------------------------------------------------------------------------------


def _claims(packages: Iterable[Package], tree: Tree) -> dict[ImagePath, set[str]]:
    """Which packages' file lists name each path of the tree; /bin/ls is /usr/bin/ls where /bin is a link."""
    found: dict[ImagePath, set[str]] = {}
    homes: dict[ImagePath, ImagePath] = {}
    for package in packages:
        for path in package.paths:
            above = parent(path)
            home = homes.get(above)
            if home is None:
                home = homes[above] = tree.walk(above).resolved
            place = join(home, path.rpartition("/")[2]) if path != "/" else path
            found.setdefault(place, set()).add(package.name)
    return found


def _purged(tree: Tree, claims: Mapping[ImagePath, set[str]], left: set[str]) -> set[ImagePath]:
    """What only purged packages own; their directories go later, if nothing is left in them."""
    gone = (entry.path for entry in tree if entry.type != "dir" and entry.path in claims)
    return {path for path in gone if claims[path].isdisjoint(left)}


def _only(tree: Tree, claims: Mapping[ImagePath, set[str]], left: set[str]) -> set[ImagePath]:
    """What the packages own, what a system needs, and the alternatives that lead to either."""
    found = {path for path in tree.paths if path in claims and not claims[path].isdisjoint(left)}
    names = {bare_name(name) for name in left}
    patterns = [path for pattern in SYSTEM for path in _braces(pattern)]
    patterns += [pattern for name, more in GENERATED.items() if name in names for pattern in more]
    found.update(path for pattern in patterns for path in tree.match(pattern))
    found.update(path for folder in (INFO, STATUS_D) for path in tree.below(folder))
    for entry in tree:
        if entry.type == "link" and (entry.target.startswith(_ALTERNATIVES) or entry.path.startswith(_ALTERNATIVES)):
            final = tree.walk(entry.path).final
            if final and final.path in found:
                found.update((entry.path, join(DATABASE, "alternatives/" + entry.path.rpartition("/")[2])))
    return _with_parents(found.intersection(tree.paths))


def _braces(pattern: str) -> list[str]:
    start, _, rest = pattern.partition("{")
    names, _, end = rest.partition("}")
    return [start + name + end for name in names.split(",")]


def _drop_dangling(tree: Tree, paths: set[ImagePath]) -> None:
    """Takes away the symlinks that led somewhere and do not any more, and those that led through them."""
    links = {entry.path: tree.walk(entry.path) for entry in tree if entry.type == "link"}
    while True:
        dangling = {
            path
            for path, walk in links.items()
            if path in paths and walk.final and not paths.issuperset((walk.final.path, *walk.passed))
        }
        if not dangling:
            return
        paths -= dangling


def _drop_emptied(tree: Tree, paths: set[ImagePath], claims: Mapping[ImagePath, set[str]], left: set[str]) -> None:
    """Takes away directories that only packages which are gone own, and that have nothing left in them."""
    system = {path for pattern in SYSTEM for path in _braces(pattern)}
    filled = Counter(parent(path) for path in paths)
    for path in reversed(tree.paths):
        entry = tree.lookup(path)
        if path not in paths or path in system or filled[path] or not entry or entry.type != "dir":
            continue
        if path in claims and claims[path].isdisjoint(left):
            paths.discard(path)
            filled[parent(path)] -= 1


def _removed(tree: Tree, paths: set[ImagePath], rules: Sequence[Rule], *, spare: bool) -> set[ImagePath]:
    gone: set[ImagePath] = set()
    for rule in rules:
        for path in tree.match(_pattern(rule)):
            gone.update((path, *tree.below(path)))
    return paths - (gone - _licences(tree) if spare else gone)


def _pattern(rule: Rule) -> str:
    return rule.text.rstrip("/") or "/"


def _licences(tree: Tree) -> set[ImagePath]:
    """Licence texts, and the symlinks by which they are reached."""
    found = {LICENCES, *tree.below(LICENCES)}
    for folder in tree.children(_DOC):
        place = tree.walk(join(folder, "copyright"))
        if place.final:
            found.update((folder, join(folder, "copyright"), place.final.path, *place.passed))
    return found


def _licences_named(tree: Tree, files: Mapping[ImagePath, bytes], paths: set[ImagePath]) -> set[ImagePath]:
    """The common licences that the copyright texts among `paths` name."""
    texts = (files[path] for path in tree.match("/usr/share/doc/*/copyright") if path in paths and path in files)
    found: set[ImagePath] = set()
    for name in {name for text in texts for name in licences_named(text)}:
        walk = tree.walk(join(LICENCES, name))
        found.update((walk.final.path, *walk.passed) if walk.final else ())
    return found


# -- the package database ---------------------------------------------------------------------------


def _database_gone(tree: Tree, packages: Sequence[Package], left: set[str], metadata: str) -> set[ImagePath]:
    """Files of the databases about packages that are gone; all of one where nobody wants it."""
    gone: set[ImagePath] = set()
    for manager, folders in _DATABASES.items():
        if metadata == "none" and manager not in left:
            gone.update(path for folder in folders for path in (folder, *tree.below(folder)))
    if len(left) == len(packages):
        return gone
    about = _about([package for package in packages if package.name in left])
    return gone | {path for folder in (INFO, STATUS_D) for path in tree.children(folder) if not about(path)}


def _uncut(tree: Tree, packages: Sequence[Package], paths: set[ImagePath], left: set[str]) -> Iterable[str]:
    gone = [package for package in packages if package.name not in left and package.name.startswith("rpm/")]
    if gone and any(entry.path in paths for entry in rpm.databases(tree)):
        yield f"rpm's database stays whole: it still has what is gone, {count(len(gone), 'package')}"


def _about(packages: Sequence[Package]) -> Callable[[ImagePath], bool]:
    """Whether a file such as info/libc6:amd64.list or status.d/libc6.md5sums is about one of the packages."""
    names: set[str] = {"format"}  # info/format is about the database itself
    for package in packages:
        bare = bare_name(package.name).partition(":")[0]
        names |= {bare, f"{bare}:{package.architecture}"}

    def about(path: ImagePath) -> bool:
        name = path.rpartition("/")[2]
        return name in names or name.rpartition(".")[0] in names

    return about


def _contents(
    files: Mapping[ImagePath, bytes], paths: set[ImagePath], packages: Sequence[Package], left: set[str]
) -> Iterable[tuple[ImagePath, bytes]]:
    """The files that tell of all packages, of those that stay."""
    gone = {package.name for package in packages} - left
    if not gone:
        return
    for path in apk.DATABASES:
        if path in files and path in paths:
            yield path, apk.pruned(files[path], left).encode("utf-8", "surrogateescape")
    if apk.WORLD in files and apk.WORLD in paths:
        yield apk.WORLD, apk.world_without(files[apk.WORLD], gone)
    if STATUS in files and STATUS in paths:
        whole = files[STATUS].decode("utf-8", "surrogateescape")
        kept = {text.strip("\n") for name, text in stanzas(files).items() if name in left}
        paragraphs = (text.strip("\n") for text in re.split(r"\n\s*\n", whole))
        text = "".join(f"{paragraph}\n\n" for paragraph in paragraphs if paragraph in kept)
        yield STATUS, text.encode("utf-8", "surrogateescape")


# -- mistakes --------------------------------------------------------------------------------------


def _check(tree: Tree, packages: Sequence[Package], remove: Sequence[Rule], names: Sequence[Rule]) -> None:
    mistakes = [
        f"{rule.where}: {rule.text} matches no path of the base{near_path(_pattern(rule), tree)}"
        for rule in remove
        if not tree.match(_pattern(rule))
    ]
    installed = [package.name for package in packages]
    mistakes += [
        f"{rule.where}: the base has no package {rule.text}{near_package(rule.text, installed)}"
        for rule in names
        if not any(is_named(package, rule.text) for package in packages)
    ]
    if mistakes:
        raise SpecError("\n".join(mistakes), "correct the rule, or take it out")
