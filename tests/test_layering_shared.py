"""The layers of an image that shares some with others: which there are, what moves with what, what tells of whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from test_layering import dump

from slimtasks.assembly.dates import Clock
from slimtasks.assembly.layering import Plan, plan_layers
from slimtasks.layers.lock import Group, Lock
from slimtasks.layers.members import bundles
from slimtasks.layers.sharing import share
from slimtasks.records import Elf, Entry, ImagePath, Reason, Selected

P = ImagePath
NOON = 43_200  # when the packages were installed
LOCK = Lock(
    6,
    900,
    (
        Group("root", "c", ("deb/c:/lib/c", "deb/c:/usr/c")),
        Group("infrastructure", "z", ("deb/z:/lib/libz.so.1",)),
        Group("infrastructure", "absent", ("deb/absent:/x",)),
    ),
    ("deb/b:/usr/b", "deb/unused:/usr/u"),
)


def package(path: str, name: str, size: int, **more: Any) -> Entry:
    return replace(Entry(P(path), "file", 0o644, size=size, mtime=50, package=name), **more)


TREE = (
    *(Entry(P(path), "dir", 0o755, mtime=NOON + 9) for path in ("/", "/app", "/etc", "/lib", "/run", "/usr", "/var")),
    Entry(P("/app/run"), "file", 0o755, size=8, mtime=NOON + 9),
    package("/etc/c.conf", "deb/c", 3, mtime=NOON + 9),
    Entry(P("/etc/site"), "file", 0o644, size=2, mtime=NOON + 9),
    package("/lib/c", "deb/c", 100),
    Entry(P("/lib/libz.so.1"), "link", 0o777, mtime=NOON + 5, target="libz.so.1.2", package="deb/z"),
    package("/lib/libz.so.1.2", "deb/z", 40, digest="old", elf=Elf(soname="libz.so.1")),
    package("/usr/b", "deb/b", 6),
    package("/usr/c", "deb/c", 30),
    package("/usr/mine", "deb/mine", 7),
    *(Entry(P(f"/var/lib/dpkg/info/{name}.list"), "file", 0o644, mtime=NOON) for name in ("b", "c", "mine", "z")),
)


def chosen(tree: Iterable[Entry]) -> list[Selected]:
    told = [
        Selected(P(f"/var/lib/dpkg/status.d/{name}"), (Reason("metadata", f"package {name}"),), content=f"{name}\n")
        for name in ("c", "z")
    ]
    kept = [Selected(e.path, (Reason("traced"),)) for e in tree if not e.path.startswith(("/var/", "/etc/site"))]
    copied = [Selected(P("/etc/site"), (Reason("own", "COPY site /etc/"),))]
    return sorted([*kept, *told, *copied], key=lambda choice: choice.path)


def layers(tree: tuple[Entry, ...] = TREE, lock: Lock = LOCK, **environ: str) -> tuple[Plan, ...]:
    """The layers of the image that has all of the tree."""
    clock, selected = Clock.of(tree, environ, lock.date), chosen(tree)
    found = bundles({entry.path: entry for entry in tree}, selected, clock.brought)
    present = {entry.package for entry in tree}
    return plan_layers(tree, selected, (), clock, share(lock, found, lambda name, _: True if name in present else None))


def test_shared_ones_lie_below_and_the_own_are_parted_by_what_changes_them() -> None:
    assert dump(layers()) == [
        "root",
        "  /: dir 0755 0:0 @900",
        "  /lib: dir 0755 0:0 @900",
        "  /lib/c: file 0644 0:0 @50",
        "  /usr: dir 0755 0:0 @900",
        "  /usr/c: file 0644 0:0 @50",
        "infrastructure",
        "  /: dir 0755 0:0 @900",
        "  /lib: dir 0755 0:0 @900",
        "  /lib/libz.so.1: link 0777 0:0 @900",
        "  /lib/libz.so.1.2: file 0644 0:0 @50",
        "infrastructure",
        "  /: dir 0755 0:0 @900",
        "  /usr: dir 0755 0:0 @900",
        "  /usr/b: file 0644 0:0 @50",
        "application",
        "  /: dir 0755 0:0 @900",
        "  /usr: dir 0755 0:0 @900",
        "  /usr/mine: file 0644 0:0 @50",
        "application",
        "  /: dir 0755 0:0 @900",
        "  /var: dir 0755 0:0 @900",
        "  /var/lib: dir 0755 0:0 @900",
        "  /var/lib/dpkg: dir 0755 0:0 @900",
        "  /var/lib/dpkg/status.d: dir 0755 0:0 @900",
        "  /var/lib/dpkg/status.d/c: file 0644 0:0 @900 'c\\n'",
        "  /var/lib/dpkg/status.d/z: file 0644 0:0 @900 'z\\n'",
        "application",
        "  /: dir 0755 0:0 @900",
        "  /app: dir 0755 0:0 @900",
        "  /app/run: file 0755 0:0 @900",
        "  /etc: dir 0755 0:0 @900",
        "  /etc/c.conf: file 0644 0:0 @900",
        "  /run: dir 0755 0:0 @900",
        "customisation",
        "  /: dir 0755 0:0 @900",
        "  /etc: dir 0755 0:0 @900",
        "  /etc/site: file 0644 0:0 @900",
    ]


def test_nothing_is_in_two_layers_but_directories() -> None:
    files = [item.entry.path for plan in layers() for item in plan.items if item.entry.type != "dir"]
    assert sorted(files) == [choice.path for choice in chosen(TREE) if choice.path not in PARENTS]


PARENTS = {"/", "/app", "/etc", "/lib", "/run", "/usr", "/var"}


def test_the_shared_layers_of_two_images_are_the_same_whatever_else_they_are() -> None:
    """The other one is of another day, has newer packages, other files, and links that its build made anew."""
    other = (
        Entry(P("/"), "dir", 0o755, mtime=NOON * 3),
        Entry(P("/lib"), "dir", 0o755, mtime=NOON * 3),
        package("/lib/c", "deb/c", 100),
        Entry(P("/lib/libz.so.1"), "link", 0o777, mtime=NOON * 2, target="libz.so.1.2", package="deb/z", layer=2),
        package("/lib/libz.so.1.2", "deb/z", 40, digest="old", layer=2),
        package("/newer", "deb/mine", 40, mtime=NOON),
        Entry(P("/usr"), "dir", 0o755, mtime=NOON * 3),
        package("/usr/c", "deb/c", 30),
        *(
            Entry(P(f"/var/lib/dpkg/info/{name}.list"), "file", 0o644, mtime=NOON * 2, layer=3)
            for name in ("c", "mine", "z")
        ),
    )
    other = tuple(replace(e, elf=Elf(soname="libz.so.1")) if "1.2" in e.path else e for e in other)
    assert [(plan.name, plan.key) for plan in layers(other)[:2]] == [(plan.name, plan.key) for plan in layers()[:2]]
    assert layers(other)[2].key != layers()[2].key


def test_a_security_update_changes_its_layer_and_what_is_told_of_packages() -> None:
    """The file has another name now, and is newer than all there was."""
    renamed: dict[str, Any] = {
        "/lib/libz.so.1": {"target": "libz.so.1.3"},
        "/lib/libz.so.1.2": {"path": P("/lib/libz.so.1.3"), "digest": "new", "mtime": NOON - 90},
    }
    updated = tuple(replace(entry, **renamed.get(entry.path, {})) for entry in TREE)
    before, after = layers(), layers(updated)
    changed = [(a.name, a.key != b.key) for a, b in zip(before, after, strict=True)]
    assert changed == [
        ("root", False),
        ("infrastructure", True),
        ("infrastructure", False),
        ("application", False),
        ("application", False),  # its texts are not the ones that change here
        ("application", False),
        ("customisation", False),
    ]


def test_a_new_build_changes_its_layer_alone() -> None:
    built = tuple(replace(entry, digest="new") if entry.path == "/app/run" else entry for entry in TREE)
    before, after = layers(), layers(built)
    assert [a.key != b.key for a, b in zip(before, after, strict=True)] == [*[False] * 5, True, False]


def test_source_date_epoch_comes_before_the_date_of_the_lock() -> None:
    assert {item.entry.mtime for item in layers(SOURCE_DATE_EPOCH="77")[0].items} == {77, 50}


def test_a_lock_that_has_nothing_for_an_image_leaves_it_its_own() -> None:
    assert [plan.name for plan in layers(lock=Lock(6, 900, ()))] == [*["application"] * 3, "customisation"]
