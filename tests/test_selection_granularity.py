"""Which packages stay whole, and what `file` would save."""

import pytest
from small_trees import accesses, entries, files, rule

from slimtasks.packages.dpkg import packages
from slimtasks.records import ImagePath, Layer, Package
from slimtasks.selection import Inputs, Selection, select
from slimtasks.selection.whole import Granularity, granularity_of
from slimtasks.sizes import whole_packages

SITE = "/venv/lib/python3.11/site-packages"
TREE = f"""
/usr/bin/python3.11 package=python3.11-minimal size=100
/usr/bin/pydoc3.11 package=python3.11-minimal size=1 script=/usr/bin/python3.11
/usr/share/doc/python3.11-minimal/README package=python3.11-minimal size=1000
/usr/lib/python3.11/os.py package=libpython3.11-minimal size=10
/usr/lib/python3.11/ssl.py package=libpython3.11-stdlib size=20
/usr/lib/python3.11/lib-dynload/_ssl.so elf needed=libssl.so.3 package=libpython3.11-stdlib size=30
/usr/lib/x86_64-linux-gnu/libssl.so.3 elf soname=libssl.so.3 package=libssl3 size=500
/usr/lib/x86_64-linux-gnu/libcrypto.so.3 elf soname=libcrypto.so.3 package=libssl3 size=900
{SITE}/foo-1.dist-info/RECORD size=1
{SITE}/foo/__init__.py size=2
{SITE}/foo/late.py size=4
{SITE}/bar-1.dist-info/RECORD size=1
{SITE}/bar.py size=8
/opt/app/main.py size=3
"""
CAPTURED = {
    ImagePath(f"{SITE}/foo-1.dist-info/RECORD"): b"foo/__init__.py,,\nfoo/late.py,,\nfoo-1.dist-info/RECORD,,\n",
    ImagePath(f"{SITE}/bar-1.dist-info/RECORD"): b"bar.py,,\nbar-1.dist-info/RECORD,,\n",
}
TRACE = f"exec /usr/bin/python3.11\nread /usr/lib/python3.11/os.py\nread {SITE}/foo/__init__.py\nread /opt/app/main.py"
BY_FILE = {"/usr/bin/python3.11", "/usr/lib/python3.11/os.py", f"{SITE}/foo/__init__.py", "/opt/app/main.py"}
LANGUAGES = {
    "/usr/lib/python3.11/ssl.py",
    "/usr/lib/python3.11/lib-dynload/_ssl.so",
    "/usr/lib/x86_64-linux-gnu/libssl.so.3",
    f"{SITE}/foo/late.py",
    f"{SITE}/foo-1.dist-info/RECORD",
}


def selection(trace: str = TRACE, tree: str = TREE, **more: object) -> Selection:
    values: dict[str, object] = {"metadata": "none", "unowned": "traced", "captured": CAPTURED, **more}
    return select(Inputs(entries(tree), accesses(trace), **values))  # type: ignore[arg-type]


def kept(chosen: Selection, tree: str = TREE) -> set[str]:
    return set(files(chosen.selected, entries(tree)).split())


@pytest.mark.parametrize(
    ("said", "unseen", "languages", "distribution"),
    [
        ("auto", "", True, False),
        ("auto", "NO WORKLOAD", True, True),
        ("file", "", False, False),
        ("file", "NO WORKLOAD", False, False),
        ("package", "", True, True),
    ],
)
def test_what_granularity_means(said: str, unseen: str, languages: bool, distribution: bool) -> None:
    assert granularity_of(said, unseen) == Granularity(languages, distribution)


def test_auto_keeps_what_a_language_used_whole_with_what_that_needs() -> None:
    chosen = selection()
    assert kept(chosen) == BY_FILE | LANGUAGES
    assert (chosen.whole, chosen.beyond) == (2, 20 + 30 + 500 + 4 + 1)
    reasons = {reason.detail for item in chosen.selected for reason in item.reasons if reason.kind == "package"}
    assert reasons == {
        f"pypi/foo, of which {SITE}/foo/__init__.py was used",
        "Python, of which /usr/lib/python3.11/os.py was used",
    }


def test_file_keeps_none_whole() -> None:
    chosen = selection(granularity="file")
    assert (kept(chosen), chosen.whole, chosen.beyond) == (BY_FILE, 0, 0)


@pytest.mark.parametrize("how", [{"granularity": "package"}, {"unseen": "NO WORKLOAD"}])
def test_package_keeps_debian_s_whole_as_well_but_for_their_documentation(how: dict[str, str]) -> None:
    chosen = selection(**how)
    assert kept(chosen) == BY_FILE | LANGUAGES | {"/usr/bin/pydoc3.11"}
    assert chosen.whole == 4  # python3.11-minimal and libpython3.11-minimal; libssl3 was not opened, just needed


STATUS = b"""\
Package: app
Depends: lib | other, awk

Package: lib

Package: mawk
Provides: awk

Package: dash
Essential: yes

Package: other
"""
INSTALLED = """
/usr/bin/app package=app
/usr/share/app/data package=app
/usr/bin/lib package=lib
/usr/share/doc/lib/README package=lib
/usr/bin/mawk package=mawk
/usr/bin/awk -> /etc/alternatives/awk
/etc/alternatives/awk -> /usr/bin/mawk
/etc/alternatives/awk.1 -> /usr/share/man/mawk.1
/usr/bin/dash package=dash
/usr/bin/sh -> dash package=dash
/usr/bin/other package=other
"""


def test_of_a_command_that_did_nothing_stays_what_it_may_call() -> None:
    captured = {ImagePath("/var/lib/dpkg/status"): STATUS}
    more = {"packages": packages(captured), "captured": captured, "unseen": "NO WORKLOAD"}
    service = selection("exec /usr/bin/app", INSTALLED, **more, idle="server")
    assert kept(service, INSTALLED) == {"/usr/bin/app", "/usr/share/app/data"}
    command = selection("exec /usr/bin/app", INSTALLED, **more, idle="command")
    called = {"/usr/bin/lib", "/usr/bin/mawk", "/usr/bin/awk", "/etc/alternatives/awk", "/usr/bin/dash", "/usr/bin/sh"}
    assert kept(command, INSTALLED) == kept(service, INSTALLED) | called
    assert (service.whole, command.whole) == (1, 4)
    plain = selection("exec /usr/bin/app", INSTALLED, **{**more, "granularity": "file"}, idle="command")
    assert kept(plain, INSTALLED) == {"/usr/bin/app"}


MODULES = """
/app/server.js
/app/node_modules/used/package.json
/app/node_modules/used/index.js
/app/node_modules/@scope/late/package.json
/app/node_modules/@scope/late/index.js
/tool/node_modules/other/package.json
/tool/node_modules/other/index.js
/usr/share/nodejs/x/package.json package=node-x
/usr/share/nodejs/x/index.js package=node-x
/usr/share/nodejs/y/package.json package=node-y
/usr/share/nodejs/y/index.js package=node-y
"""


def test_what_a_used_package_or_the_app_says_that_it_depends_on_stays() -> None:
    tree = """
/app/server.js
/app/package.json
/app/node_modules/late/package.json
/app/node_modules/late/index.js
/app/node_modules/late/node_modules/deep/package.json
/app/node_modules/late/node_modules/deep/index.js
/app/node_modules/deep/package.json
/app/node_modules/deep/other.js
/app/node_modules/dev/package.json
/app/node_modules/dev/index.js
/tool/package.json
/tool/node_modules/unused/package.json
/tool/node_modules/unused/index.js
"""
    captured = {
        ImagePath(
            "/app/package.json"
        ): b'{"dependencies": {"late": "1", "absent": "1"}, "devDependencies": {"dev": "1"}}',
        ImagePath("/app/node_modules/late/package.json"): b'{"optionalDependencies": {"deep": "1"}}',
        ImagePath("/tool/package.json"): b'{"dependencies": {"unused": "1"}}',
    }
    chosen = selection("read /app/server.js", tree, captured=captured)
    late = "/app/node_modules/late"
    assert kept(chosen, tree) == {"/app/server.js"} | {
        f"{late}{path}"
        for path in ("/package.json", "/index.js", "/node_modules/deep/package.json", "/node_modules/deep/index.js")
    }
    assert {reason.detail for item in chosen.selected for reason in item.reasons if reason.kind == "package"} == {
        "npm/late, on which the app in /app depends",
        "npm/deep, on which npm/late depends",
    }


@pytest.mark.parametrize("broken", [b"", b"[]", b"{", b'{"dependencies": ["late"]}', b"\xff"])
def test_a_package_json_that_says_nothing_takes_nothing(broken: bytes) -> None:
    tree = "/app/server.js\n/app/package.json\n/app/node_modules/late/package.json\n"
    chosen = selection("read /app/server.js", tree, captured={ImagePath("/app/package.json"): broken})
    assert kept(chosen, tree) == {"/app/server.js"}


def test_what_python_s_metadata_require_stays_but_not_for_extras() -> None:
    metadata = b"Name: foo\nRequires-Dist: Bar (>=1)\nRequires-Dist: spam; extra == 'x'\n\nRequires-Dist: eggs\n"
    tree = TREE + "".join(f"{SITE}/{name}-1.dist-info/RECORD\n{SITE}/{name}.py\n" for name in ("spam", "eggs"))
    records = {ImagePath(f"{SITE}/{name}-1.dist-info/RECORD"): f"{name}.py,,\n".encode() for name in ("spam", "eggs")}
    captured = {**CAPTURED, **records, ImagePath(f"{SITE}/foo-1.dist-info/METADATA"): metadata}
    chosen = selection(tree=tree, captured=captured)
    assert kept(chosen, tree) == BY_FILE | LANGUAGES | {f"{SITE}/bar.py", f"{SITE}/bar-1.dist-info/RECORD"}


def test_without_a_workload_stays_what_was_installed_beside_what_was_used() -> None:
    trace = "read /app/server.js\nread /app/node_modules/used/index.js\nread /usr/share/nodejs/x/index.js"
    opened = {line.removeprefix("read ") for line in trace.splitlines()}
    usual = opened | {"/app/node_modules/used/package.json", "/usr/share/nodejs/x/package.json"}
    assert kept(selection(trace, MODULES), MODULES) == usual
    beside = {f"/app/node_modules/@scope/late/{name}" for name in ("package.json", "index.js")}
    idle = selection(trace, MODULES, unseen="NO WORKLOAD", idle="server")
    assert kept(idle, MODULES) == usual | beside


def test_what_every_start_looks_through_is_no_use() -> None:
    trace = f"read {SITE}/bar-1.dist-info/RECORD\nlist {SITE}\nstat {SITE}/foo/late.py"
    assert selection(trace).whole == 0


def test_a_compiled_module_tells_of_its_source() -> None:
    tree = TREE + f"{SITE}/foo/__pycache__/late.cpython-311.pyc\n{SITE}/__pycache__/bar.cpython-311.pyc\n"
    found = kept(selection(f"read {SITE}/foo/__pycache__/late.cpython-311.pyc", tree), tree)
    assert {f"{SITE}/foo/late.py", f"{SITE}/foo/__init__.py"} < found
    assert not any("bar" in path for path in found)


def test_drop_takes_parts_of_a_whole_package() -> None:
    chosen = selection(drop=(rule(f"{SITE}/foo/late.py"),))
    assert f"{SITE}/foo/late.py" not in kept(chosen)


def test_a_script_that_is_just_in_the_package_needs_no_interpreter() -> None:
    tree = TREE + "/usr/lib/python3.11/tool.py script=/bin/bash\n/bin/bash\n/usr/bin/tool script=/bin/dash\n/bin/dash\n"
    assert not {"/bin/bash", "/bin/dash"} & kept(selection(tree=tree), tree)
    packaged = tree.replace("/usr/bin/tool script", "/usr/bin/tool package=python3.11-minimal script")
    assert {"/bin/bash", "/bin/dash"} & kept(selection(tree=packaged, granularity="package"), packaged) == {"/bin/dash"}


def test_symlinks_of_a_whole_package_lead_on() -> None:
    tree = """
/opt/jdk/bin/java elf
/opt/jdk/lib/modules
/opt/jdk/conf/a -> /etc/java/a
/etc/java/a
/opt/jdk/doc -> /usr/share/doc/jdk
/usr/share/doc/jdk/x
"""
    assert kept(selection("exec /opt/jdk/bin/java", tree), tree) == {
        "/etc/java/a",
        "/opt/jdk/bin/java",
        "/opt/jdk/conf/a",
        "/opt/jdk/doc",
        "/opt/jdk/lib/modules",
    }


def with_history(tree: str, *layers: str, **more: object) -> set[str]:
    history = [Layer(f"sha256:{n}", text) for n, text in enumerate(("ADD file:01 in /", *layers))]
    told = {"layers": history, "packages": [Package("deb/x", "1")], "unowned": "own", **more}
    return kept(selection("exec /bin/sh", tree, **told), tree)


def test_a_virtual_environment_that_was_copied_is_not_the_user_s_own() -> None:
    tree = "/bin/sh package=x\n" + "".join(
        f"{line} layer=1\n" for line in (*TREE.split("\n"), f"{SITE}/mine.py") if line.startswith("/venv")
    )
    assert with_history(tree, "COPY /venv /venv # buildkit") == {"/bin/sh", f"{SITE}/mine.py"}


def test_a_distribution_of_a_local_folder_is_the_user_s_own() -> None:
    tree = "/bin/sh package=x\n" + "".join(f"{line} layer=1\n" for line in TREE.split("\n") if line.startswith("/venv"))
    tree += f"{SITE}/foo-1.dist-info/direct_url.json layer=1\n"
    local = {ImagePath(f"{SITE}/foo-1.dist-info/direct_url.json"): b'{"url": "file:///src", "dir_info": {}}'}
    found = with_history(tree, "RUN pip install /src # buildkit", captured={**CAPTURED, **local})
    assert found - {"/bin/sh"} == {
        f"{SITE}/foo-1.dist-info/RECORD",
        f"{SITE}/foo-1.dist-info/direct_url.json",
        f"{SITE}/foo/__init__.py",
        f"{SITE}/foo/late.py",
    }


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({}, ()),
        ({"whole": 0, "beyond": 0, "unseen": ""}, ()),
        ({"whole": 1, "beyond": 1500}, ("1 package whole (`granularity: file` would save 1.5 kB)",)),
        (
            {"whole": 3, "beyond": 2e6, "unseen": "NO WORKLOAD"},
            ("NO WORKLOAD, SO PACKAGES STAY WHOLE: 3 (`granularity: file` would save 2.00 MB)",),
        ),
        (
            {"whole": 9, "beyond": 2e6, "unseen": "NO WORKLOAD", "depended_on": True},
            (
                "NO WORKLOAD, SO PACKAGES STAY WHOLE, WITH ALL THAT THEY DEPEND ON: 9 "
                "(`granularity: file` would save 2.00 MB)",
            ),
        ),
        (
            {"whole": 0, "beyond": 0, "unseen": "THE TRACED RUN USED NO FILE"},
            ("THE TRACED RUN USED NO FILE, AND NOTHING THAT WAS USED IS OF A PACKAGE",),
        ),
    ],
)
def test_what_the_user_is_told(header: dict[str, object], said: tuple[str, ...]) -> None:
    assert whole_packages(header) == said
