"""The user's own files, nobody's, and the directories that stay empty."""

import pytest
from small_trees import accesses, entries, files

from slimtasks.records import ImagePath, Layer, Package, Selected
from slimtasks.selection import Inputs, Selection, select
from slimtasks.selection.history import instruction

CLASSIC = (
    "/bin/sh -c #(nop) ADD file:0123 in / ",
    "/bin/sh -c apt-get update && apt-get install -y make",
    "/bin/sh -c #(nop) COPY file:4567 in /etc/nginx/nginx.conf ",
    "/bin/sh -c #(nop) COPY dir:89ab in /site ",
    "|1 VERSION=1 /bin/sh -c make install",
)
BUILDKIT = (
    "# debian.sh --arch 'amd64' out/ 'bookworm'",
    "RUN /bin/sh -c apt-get update # buildkit",
    "COPY --chown=1:1 nginx.conf /etc/nginx/nginx.conf # buildkit",
    "COPY a b /site/ # buildkit",
    "RUN |1 VERSION=1 /bin/sh -c make install # buildkit",
)
TREE = """
/bin/sh package=dash
/etc/os-release package=base-files
/etc/passwd
/etc/nginx/nginx.conf layer=2
/etc/nginx/made.conf layer=4
/site/index.html layer=3
/site/made/by-run.html layer=4
/usr/src/nginx/main.c layer=4
/usr/local/sbin/nginx layer=4
/opt/tool/run layer=4
/home/me/.cache/pip/x layer=4
/home/me/notes layer=4
/srv/data layer=4
/work/lib.so layer=4
/work/node_modules/a/index.js layer=4
/var/cache/apt/pkgcache.bin layer=1
/var/log/nginx/access.log layer=4
/tmp/left layer=4
"""


def selection(history: tuple[str, ...], tree: str = TREE, trace: str = "read /bin/sh", **more: object) -> Selection:
    values: dict[str, object] = {
        "granularity": "file",
        "metadata": "none",
        "layers": [Layer(f"sha256:{n}", text) for n, text in enumerate(history)],
        "config": {"config": {"WorkingDir": "/work"}},
        "packages": [Package("deb/dash", "1"), Package("deb/base-files", "1")],
    }
    return select(Inputs(entries(tree), accesses(trace), **{**values, **more}))  # type: ignore[arg-type]


def own(selected: tuple[Selected, ...]) -> str:
    return "\n".join(
        f"{item.path}: {reason.detail}" for item in selected for reason in item.reasons if reason.kind == "own"
    )


@pytest.mark.parametrize("history", [CLASSIC, BUILDKIT])
def test_the_user_s_own_by_history(history: tuple[str, ...]) -> None:
    found = own(selection(history).selected)
    assert [line.partition(": ")[0] for line in found.splitlines()] == [
        "/etc/nginx/made.conf",
        "/etc/nginx/nginx.conf",
        "/home/me/notes",
        "/opt/tool/run",
        "/site/index.html",
        "/site/made/by-run.html",
        "/srv/data",
        "/work/lib.so",
    ]
    assert "/work/lib.so: in WORKDIR /work" in found
    assert "/site/made/by-run.html: in /site, where COPY wrote" in found
    assert "/etc/nginx/nginx.conf: COPY " in found


def test_a_copied_file_does_not_make_a_system_directory_the_user_s() -> None:
    tree = "/bin/sh\n/usr/local/bin/tini layer=1\n/usr/local/bin/built layer=2\n/etc/x layer=1\n/etc/passwd layer=2\n"
    history = ("ADD root.tar / # buildkit", "COPY tini /usr/local/bin/tini # buildkit", "RUN make")
    assert own(selection(history, tree).selected) == (
        "/etc/x: COPY tini /usr/local/bin/tini\n/usr/local/bin/tini: COPY tini /usr/local/bin/tini"
    )


@pytest.mark.parametrize(
    ("unowned", "stays"),
    [
        ("traced", ""),
        ("all", "/etc/nginx/made.conf /etc/nginx/nginx.conf /etc/passwd /home/me/notes /opt/tool/run /site/index.html "
         "/site/made/by-run.html /srv/data /usr/local/sbin/nginx /usr/src/nginx/main.c /work/lib.so "
         "/work/node_modules/a/index.js"),
    ],
)  # fmt: skip
def test_unowned(unowned: str, stays: str) -> None:
    found = own(selection(CLASSIC, unowned=unowned).selected)
    assert " ".join(line.partition(": ")[0] for line in found.splitlines()) == stays


def test_what_a_link_of_the_user_s_leads_to_is_not_his() -> None:
    """It is a package's, which other images may have in a layer that they share."""
    tree = f"""{TREE}
/site/bin/python -> /usr/bin/python3 layer=3
/usr/bin/python3 -> python3.11 package=p
/usr/bin/python3.11 package=p
"""
    chosen = {item.path: item.reasons for item in selection(BUILDKIT, tree).selected}
    leads = "the symlink /site/bin/python leads to it"
    assert [(one.kind, one.detail) for one in chosen[ImagePath("/usr/bin/python3.11")]] == [("needed", leads)]
    assert {one.kind for one in chosen[ImagePath("/usr/bin/python3")]} == {"needed"}
    assert {one.kind for one in chosen[ImagePath("/site/bin/python")]} == {"own"}


@pytest.mark.parametrize(
    "history", [("",), ("ADD file:1 in /", "jib-maven-plugin:3.4"), ("bazel build //x", "bazel build //y")]
)
def test_where_history_cannot_tell_all_but_generated_is_the_user_s(history: tuple[str, ...]) -> None:
    tree = """
/bin/sh package=dash
/usr/bin/dash package=dash
/usr/bin/generated
/etc/passwd
/etc/alternatives/awk
/etc/app/conf
/usr/local/bin/app
/var/lib/dpkg/status
/var/cache/apt/x
/app/main
"""
    dash = Package("deb/dash", "1", paths=(ImagePath("/usr/bin/dash"), ImagePath("/etc/default/dash")))
    found = selection(history, tree + "/etc/default/dash package=dash\n", packages=[dash])
    assert [line.partition(": ")[0] for line in own(found.selected).splitlines()] == [
        "/app/main", "/etc/app/conf", "/usr/local/bin/app",
    ]  # fmt: skip
    assert any("history does not tell" in note for note in found.notes)


def test_a_binary_copied_to_scratch_is_the_user_s() -> None:
    found = selection(("COPY hello / # buildkit",), "/hello", "exec /hello")
    assert own(found.selected) == "/hello: COPY hello /"
    assert found.notes == ()


def test_nobody_s_stay_where_traced() -> None:
    stays = files(selection(CLASSIC, trace="read /tmp/left\nread /var/cache/apt/pkgcache.bin").selected, entries(TREE))
    assert {"/tmp/left", "/var/cache/apt/pkgcache.bin"} <= set(stays.split())


@pytest.mark.parametrize(
    ("created_by", "verb", "target"),
    [
        ("/bin/sh -c #(nop)  COPY multi:12 in /app/ ", "COPY", "/app/"),
        ("COPY . . # buildkit", "COPY", "."),
        ('COPY ["a b", "/with space/"] # buildkit', "COPY", "/with space/"),
        ("ADD --chmod=644 https://example.org/x /x # buildkit", "ADD", "/x"),
        ("/bin/bash -o pipefail -c apt-get update", "RUN", ""),
        ("|2 A=1 B=2 /bin/sh -c make", "RUN", ""),
        ("RUN /bin/sh -c make # buildkit", "RUN", ""),
        ("WORKDIR /app", "WORKDIR", ""),
        ("/bin/sh -c #(nop) WORKDIR /app", "WORKDIR", ""),
    ],
)
def test_instruction(created_by: str, verb: str, target: str) -> None:
    made = instruction(created_by)
    assert made is not None
    assert (made.verb, made.target) == (verb, target)


@pytest.mark.parametrize(
    "created_by", ["", "jib-maven-plugin:3.4", "bazel build ...", "Application Launcher", "# debian.sh x"]
)
def test_no_instruction(created_by: str) -> None:
    assert instruction(created_by) is None


def test_directories_that_stay_empty() -> None:
    tree = """
/bin/sh package=dash
/etc/dash.d/ package=dash
/usr/share/man/man1/dash.1 package=dash
/usr/share/man/man1/ package=dash
/var/lib/dash/ package=dash
/var/lib/dash/state package=dash
/etc/other.d/ package=other
/usr/lib/python3/dist-packages/dash/ package=dash
/usr/lib/python3/dist-packages/dash/x.py package=dash
/data/ layer=1 mode=700
/cache/app/.cache/ layer=1
/var/log/app/ layer=1
/usr/src/thing/empty/ layer=1
/built/with/file layer=1
/vol/
/work/
/home/me/
/tmp/ mode=1777
/unmade/
"""
    config = {"config": {"WorkingDir": "/work", "Volumes": {"/vol": {}}, "Env": ["HOME=/home/me"]}}
    found = selection(("ADD root.tar /", "RUN make"), tree, "exec /bin/sh", unowned="traced", config=config).selected
    assert [f"{item.path}: {item.reasons[0].detail}" for item in found if "parent" not in item.reasons[0].detail] == [
        "/bin/sh: executed (strace)",
        "/data: empty directory that the build made",
        "/etc/dash.d: directory of package dash",
        "/home/me: HOME of the image config",
        "/tmp: temporary files",
        "/var/lib/dash: directory of package dash",
        "/vol: Volumes of the image config",
        "/work: WorkingDir of the image config",
    ]
