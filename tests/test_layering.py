"""Which file goes into which layer, and what stands there of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slimtasks.additions import Addition
from slimtasks.assembly.dates import Clock
from slimtasks.assembly.layering import Plan, plan_layers, plan_on_top
from slimtasks.records import Entry, ImagePath, Reason, Selected

P = ImagePath
TRACED = (Reason("traced", "fanotify"),)
COPIED = (Reason("own", "COPY conf /etc/app"),)
TREE = (
    Entry(P("/"), "dir", 0o755),
    Entry(P("/etc"), "dir", 0o750, gid=7),
    Entry(P("/etc/app.conf"), "file", 0o640, size=3, mtime=900, digest="c"),
    Entry(P("/usr"), "dir", 0o755),
    Entry(P("/usr/a"), "file", 0o755, size=5, mtime=50, digest="a", package="deb/a"),
    Entry(P("/usr/b"), "file", 0o755, size=5, mtime=50, digest="a", hardlink="/usr/a", package="deb/a"),
    Entry(P("/usr/c"), "file", 0o755, size=5, mtime=50, digest="a", hardlink="/usr/a", package="deb/a"),
)

LIST = Entry(P("/var/lib/dpkg/info/a.list"), "file", 0o644, mtime=1000)
CLOCK = Clock.of((*TREE, LIST), {"SOURCE_DATE_EPOCH": "100"})


def dump(plans: tuple[Plan, ...]) -> list[str]:
    lines = []
    for plan in plans:
        lines.append(plan.name)
        for item in plan.items:
            entry = item.entry
            what = f" -> {entry.hardlink}" if entry.hardlink else f" {item.text!r}" if item.text else ""
            lines.append(f"  {entry.path}: {entry.type} {entry.mode:04o} {entry.uid}:{entry.gid} @{entry.mtime}{what}")
    return lines


def choose(*paths: str, reasons: tuple[Reason, ...] = TRACED) -> tuple[Selected, ...]:
    return tuple(Selected(P(path), reasons) for path in paths)


def test_files_of_packages_keep_their_date_and_all_else_has_one() -> None:
    selected = choose("/", "/etc", "/etc/app.conf", "/usr", "/usr/a")
    assert dump(plan_layers(TREE, selected, (), CLOCK)) == [
        "application",
        "  /: dir 0755 0:0 @100",
        "  /etc: dir 0750 0:7 @100",
        "  /etc/app.conf: file 0640 0:0 @100",
        "  /usr: dir 0755 0:0 @100",
        "  /usr/a: file 0755 0:0 @50",
    ]


def test_configuration_that_was_copied_is_customisation_and_brings_its_parents_as_they_are() -> None:
    selected = (*choose("/", "/etc"), *choose("/etc/app.conf", reasons=COPIED), *choose("/usr", "/usr/a"))
    assert dump(plan_layers(TREE, selected, (), CLOCK))[5:] == [
        "customisation",
        "  /: dir 0755 0:0 @100",
        "  /etc: dir 0750 0:7 @100",
        "  /etc/app.conf: file 0640 0:0 @100",
    ]


def test_a_hardlink_points_at_the_first_of_its_names_that_stays() -> None:
    plans = plan_layers(TREE, choose("/usr", "/usr/b", "/usr/c"), (), CLOCK)
    assert dump(plans)[-2:] == ["  /usr/b: file 0755 0:0 @50", "  /usr/c: file 0755 0:0 @50 -> /usr/b"]


def test_what_is_added_is_no_longer_the_fat_images_file(tmp_path: Path) -> None:
    conf = tmp_path / "app.conf"
    conf.write_text("new")
    added = (Addition(Entry(P("/etc/app.conf"), "file", 0o644, size=3), conf),)
    plans = plan_layers(TREE, choose("/", "/etc", "/etc/app.conf", "/usr", "/usr/a"), added, CLOCK)
    assert dump(plans) == [
        "application",
        "  /: dir 0755 0:0 @100",
        "  /etc: dir 0750 0:7 @100",
        "  /usr: dir 0755 0:0 @100",
        "  /usr/a: file 0755 0:0 @50",
        "customisation",
        "  /: dir 0755 0:0 @100",
        "  /etc: dir 0750 0:7 @100",
        "  /etc/app.conf: file 0644 0:0 @100",
    ]


def test_the_key_of_a_layer_tells_its_content_and_not_where_it_came_from(tmp_path: Path) -> None:
    def key(content: str, folder: str) -> str:
        path = tmp_path / folder / "x"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        added = (Addition(Entry(P("/x"), "file", 0o644, size=len(content)), path),)
        return plan_layers(TREE, (), added, Clock(0))[0].key

    assert key("one", "a") == key("one", "b")
    assert key("one", "a") != key("two", "a")


def test_generated_text_is_roots_and_has_the_one_date() -> None:
    selected = (Selected(P("/var/lib/x"), (Reason("metadata"),), content="Package: x\n"),)
    assert dump(plan_layers(TREE, selected, (), CLOCK))[-1] == "  /var/lib/x: file 0644 0:0 @100 'Package: x\\n'"


def test_a_layer_on_top_has_what_is_not_below_in_just_that_way() -> None:
    below = choose("/", "/etc", "/etc/app.conf", "/usr", "/usr/b")
    status = Selected(P("/var/lib/x"), (Reason("metadata"),), content="Package: y\n")
    selected = (*choose("/", "/etc", "/etc/app.conf", "/usr", "/usr/a", "/usr/b", "/usr/c"), status)
    below = (*below, replace(status, content="Package: x\n"))
    assert dump((plan_on_top("debug", TREE, selected, below, (), CLOCK),)) == [
        "debug",
        "  /: dir 0755 0:0 @100",
        "  /usr: dir 0755 0:0 @100",
        "  /usr/a: file 0755 0:0 @50",
        "  /usr/c: file 0755 0:0 @50 -> /usr/a",  # /usr/b is one more name, in another layer
        "  /var: dir 0755 0:0 @100",
        "  /var/lib: dir 0755 0:0 @100",
        "  /var/lib/x: file 0644 0:0 @100 'Package: y\\n'",
    ]
    assert plan_on_top("debug", TREE, below, below, (), CLOCK).items == ()


def test_no_layer_is_made_of_nothing() -> None:
    assert plan_layers(TREE, (), (), Clock(0)) == ()
