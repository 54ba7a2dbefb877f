"""Why a path is in an image, or why not, of small images whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from built_repo import BuiltRepo
from small_trees import entries

from slimtasks.answers.built import Built
from slimtasks.answers.why import Why, why
from slimtasks.answers.why_text import why_text
from slimtasks.errors import SlimError
from slimtasks.records import Entry, ImagePath

SPEC = """\
drop: [/usr/bin/tool]
keep: ["/usr/share/zone/**"]
keep-packages: [tz]
add: [{source: app.conf, target: /etc/app.conf}]
"""
TREE = """\
/bin -> usr/bin
/usr/bin/app size=1000 package=app elf needed=libx.so.1 interpreter=/lib/ld.so
/usr/bin/dash size=700 package=dash
/usr/bin/sh -> dash
/usr/bin/tool size=50 package=app
/lib/ld.so size=100 package=libc elf
/lib/libx.so.1 -> libx.so.1.2
/lib/libx.so.1.2 size=5000 package=libx elf soname=libx.so.1 needed=liby.so
/lib/liby.so size=10 package=libx elf
/usr/lib/libx.so -> ../../lib/libx.so.1
/usr/share/zone/a size=10 package=tz
/usr/share/doc/ package=doc
/usr/share/doc/x size=99999 package=doc
/usr/share/doc/y size=9 package=doc
/etc/ mode=755
/etc/passwd size=33
/data/ mode=1777
"""
TRACE = """\
exec /bin/app
read /etc/passwd
miss /etc/shadow
stat /data
read /usr/bin/tool
create /data/new
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """One image with a path of every kind."""
    repo = BuiltRepo(tmp_path_factory.mktemp("why"))
    repo.write("images/web/app.conf", "x=1\n")
    steps = {"/etc/passwd": (0, 2), "/etc/shadow": (1,)}
    repo.build("web", SPEC, TREE, TRACE, steps=steps, by={"/bin/app": ()})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repo.root)
        yield Built(repo.session.by_name["web"], repo.session.workspace)


def said(built: Built, path: str) -> list[str]:
    """The answer's lines, less the layer's digest."""
    lines = why_text(why(built, path), 10).split("\n")
    return [line.partition(" (")[0] if line.startswith("  layer") else line for line in lines]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (
            "/lib/liby.so",
            """\
/lib/liby.so stays in web
  file 0644, owner 0:0, 10 B
  package  libx 1.0 (all of it stays)
  layer    application, 1 of 2
  needed   by /lib/libx.so.1 as liby.so
           <- /lib/libx.so.1.2: needed, by /usr/bin/app as libx.so.1
           <- /usr/bin/app: traced, executed as /bin/app at the start""",
        ),
        (
            "/bin/app",
            """\
/bin/app leads to /usr/bin/app, which stays in web
  by the symlink /bin -> usr/bin (stays)
  file 0644, owner 0:0, 1.0 kB
  package  app 1.0 (1 of 2 files stay)
  layer    application, 1 of 2
  traced   executed as /bin/app at the start""",
        ),
        (
            "/usr/lib/libx.so",
            """\
/usr/lib/libx.so leads to /lib/libx.so.1.2, which stays in web, but not the way to it
  by the symlink /usr/lib/libx.so -> ../../lib/libx.so.1 (goes)
  by the symlink /lib/libx.so.1 -> libx.so.1.2 (stays)
  file 0644, owner 0:0, 5.0 kB
  package  libx 1.0 (all of it stays)
  layer    application, 1 of 2
  needed   by /usr/bin/app as libx.so.1
           <- /usr/bin/app: traced, executed as /bin/app at the start
  /usr/lib/libx.so: would be kept by keep: ["/usr/lib/libx.so"]""",
        ),
        (
            "/etc/passwd",
            """\
/etc/passwd stays in web
  file 0644, owner 0:0, 33 B
  layer    application, 1 of 2
  traced   opened by /bin/app at the start and in step 2 (exec app --check)""",
        ),
        (
            "bin/sh/",
            """\
bin/sh/ leads to /usr/bin/dash, which is removed from web
  by the symlink /bin -> usr/bin (stays)
  by the symlink /usr/bin/sh -> dash (goes)
  file 0644, owner 0:0, 700 B
  package  dash 1.0 (nothing of it stays)
  /usr/bin/sh: would be kept by keep: ["/usr/bin/sh"]
  /usr/bin/dash: would be kept by keep: ["/usr/bin/dash"]""",
        ),
        (
            "/usr/bin/tool",
            """\
/usr/bin/tool is removed from web
  file 0644, owner 0:0, 50 B
  package  app 1.0 (1 of 2 files stay)
  used     opened by /bin/app at the start
  /usr/bin/tool: taken away by drop: ["/usr/bin/tool"] at images/web/image.yaml:4:8""",
        ),
        (
            "/usr/share/zone/a",
            """\
/usr/share/zone/a stays in web
  file 0644, owner 0:0, 10 B
  package  tz 1.0 (all of it stays)
  layer    application, 1 of 2
  kept     by keep: ["/usr/share/zone/**"] at images/web/image.yaml:5:8
  kept     by keep-packages: ["tz"] at images/web/image.yaml:6:17""",
        ),
        (
            "/etc/app.conf",
            """\
/etc/app.conf is added to web
  file 0644, owner 0:0, 4 B
  layer    customisation, 2 of 2
  add      from app.conf by add: at images/web/image.yaml:7:7""",
        ),
        (
            "/etc/shadow",
            """\
/etc/shadow is not in the fat image of web
  missed   asked for in vain by /bin/app in step 1 (http GET http :80/)""",
        ),
        (
            "/etc/pass",
            """\
/etc/pass is not in the fat image of web
  nearest  /etc/passwd""",
        ),
        (
            "/opt/dash",
            """\
/opt/dash is not in the fat image of web
  nearest  /usr/bin/dash""",
        ),
        ("/etc/hosts", "/etc/hosts is not of the image: the engine brings it into each container"),
        (
            "/usr/share/doc",
            """\
/usr/share/doc is removed from web
  dir 0755, owner 0:0
  package  doc 1.0 (nothing of it stays)
  0 files (0 B) of 2 files (100.0 kB) in it stay
  these go
    100.0 kB  /usr/share/doc/x
         9 B  /usr/share/doc/y
  all of it: would be kept by keep: ["/usr/share/doc/**"]""",
        ),
        (
            "/data",
            """\
/data stays in web
  dir 1777, owner 0:0
  asked    looked at by /bin/app at the start
  needed   the run wrote in /data""",
        ),
        (
            "/usr/bin/*",
            """\
/usr/bin/* stays in web
  1 file (1.0 kB) of 4 files (1.8 kB) in it stay
  these stay
      1.0 kB  /usr/bin/app
  these go
       700 B  /usr/bin/dash
        50 B  /usr/bin/tool
         0 B  /usr/bin/sh
  all of it: would be kept by keep: ["/usr/bin/*"]""",
        ),
        (
            "/etc/*.d",
            """\
/etc/*.d matches nothing in the fat image of web
  /etc has passwd""",
        ),
    ],
)
def test_each_kind_of_path(web: Built, path: str, answer: str) -> None:
    assert said(web, path) == answer.split("\n")


def test_long_lists_end_with_how_many_more(web: Built) -> None:
    assert why_text(why(web, "/usr/share/doc"), 1).split("\n")[4:7] == [
        "  these go",
        "    100.0 kB  /usr/share/doc/x",
        "    and 1 more (-n 0 shows all)",
    ]


def test_a_rule_that_is_gone_from_the_spec_is_told_as_it_was(tmp_path: Path) -> None:
    repo = BuiltRepo(tmp_path)
    repo.build("web", "keep: [/etc/x]\n", "/etc/x size=3\n/etc/y size=3", "read /etc/y")
    repo.replace("images/web/image.yaml", "keep: [/etc/x]\n", "")
    assert found(repo, "/etc/x").reasons[0].text == "/etc/x"


def test_the_base_of_an_image_tells_what_it_has(tmp_path: Path) -> None:
    repo = BuiltRepo(tmp_path)
    base = entries("/usr/\n/usr/lib/\n/usr/lib/same size=4\n/usr/lib/other size=4")
    spec = "final: {base: 'somewhere/base:1'}\n"
    repo.build(
        "web", spec, "/usr/lib/same size=4\n/usr/lib/mine size=4", "read /usr/lib/same\nread /usr/lib/mine", base=base
    )
    states = {path: found(repo, f"/usr/lib/{path}").state for path in ("same", "mine", "other", "none")}
    assert states == {"same": "base", "mine": "stays", "other": "base", "none": "absent"}
    layer = found(repo, "/usr/lib/same").layer
    assert layer and (layer.name, layer.number, layer.of) == ("of somewhere/base:1", 1, 2)


def test_what_is_written_for_the_image(tmp_path: Path) -> None:
    repo = BuiltRepo(tmp_path)
    status = "/var/lib/dpkg/status"
    told = "Package: app\nVersion: 1.0\nStatus: install ok installed\n"
    captured = {ImagePath(status): f"{told}\n{told.replace('app', 'gone')}".encode()}
    tree = f"/app size=9 package=app\n/gone size=9 package=gone\n{status} size={len(captured[ImagePath(status)])}\n"
    repo.build("web", "", tree, "read /app", captured=captured)
    assert why_text(found(repo, "/var/lib/dpkg/status.d/app"), 0).split("\n")[:2] == [
        "/var/lib/dpkg/status.d/app stays in web",
        f"  file 0644, owner 0:0, {len(told)} B, written for this image",
    ]
    repo.build("web", "", tree, f"read /app\nread {status}", captured=captured)
    assert why_text(found(repo, status), 0).split("\n")[1] == (
        f"  file 0644, owner 0:0, {len(told)} B, written for this image"
    )
    assert found(repo, "/var/lib/dpkg/status.d/app").state == "absent"


def test_names_that_are_not_utf8_and_hard_links(tmp_path: Path) -> None:
    repo = BuiltRepo(tmp_path)
    tree = [
        Entry(ImagePath("/srv"), "dir", 0o755),
        Entry(ImagePath("/srv/caf\udce9"), "file", 0o644, size=3),
        Entry(ImagePath("/srv/line\nfeed"), "file", 0o644, size=3),
        Entry(ImagePath("/srv/one"), "file", 0o644, size=1000),
        Entry(ImagePath("/srv/two"), "file", 0o644, size=1000, hardlink="/srv/one"),
    ]
    repo.build("web", "", tree, "read /srv/two")
    assert why_text(found(repo, "/srv/caf\udce9"), 0).split("\n") == [
        "/srv/caf\udce9 is removed from web",
        "  file 0644, owner 0:0, 3 B",
        '  /srv/caf\udce9: would be kept by keep: ["/srv/caf?"]',
    ]
    assert why_text(found(repo, "/srv/line\nfeed"), 0).startswith("/srv/line\\x0afeed is removed from web\n")
    inside = found(repo, "/srv").inside
    assert inside and (inside.kept.size, inside.removed.size) == (1000, 6)  # the bytes of `one` stay as `two`


def test_what_is_not_there_yet(tmp_path: Path) -> None:
    repo = BuiltRepo(tmp_path)
    repo.write("images/web/image.yaml", "from: {image: 'somewhere/web:1'}\ngranularity: file\n")
    with pytest.raises(SlimError, match=r"web is not built yet: .*inventory.jsonl is not there\n  -> `doit web` makes"):
        found(repo, "/etc")


def found(repo: BuiltRepo, path: str) -> Why:
    """The answer for the image `web`."""
    session = repo.session
    return why(Built(session.by_name["web"], session.workspace), path)


def test_a_preset_and_a_pattern_of_packages_are_told_as_the_spec_has_them(tmp_path: Path) -> None:
    repo = BuiltRepo(tmp_path)
    spec = 'keep-presets: [timezones]\nkeep-packages: ["tz*"]\n'
    repo.build("web", spec, "/bin/app\n/usr/share/zoneinfo/UTC package=tzdata", "exec /bin/app")
    lines = said(Built(repo.session.by_name["web"], repo.session.workspace), "/usr/share/zoneinfo/UTC")
    assert [line for line in lines if line.startswith("  kept")] == [
        '  kept     by keep-packages: ["tz*"] at images/web/image.yaml:5:17',
        '  kept     by keep-presets: ["timezones"] at images/web/image.yaml:4:16',
    ]
