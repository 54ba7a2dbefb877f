"""Which packages of languages a tree has, and what belongs to each."""

import pytest
from small_trees import entries

from slimtasks.packages.distributions import Distributions, captured, is_looked_through
from slimtasks.packages.python import compiled_from
from slimtasks.records import ImagePath
from slimtasks.rootfs import Tree


def owned(tree: str, files: dict[str, str] | None = None) -> str:
    """'name: path path ...' for each distribution, sorted."""
    found = distributions(tree, files)
    return "\n".join(sorted(f"{one.name}: {' '.join(sorted(one.paths))}" for one in found.all))


def distributions(tree: str, files: dict[str, str] | None = None) -> Distributions:
    contents = {ImagePath(path): text.encode() for path, text in (files or {}).items()}
    assert all(map(captured, contents))
    return Distributions.of(Tree(entries(tree)), contents)


def test_a_record_lists_what_a_python_distribution_has() -> None:
    tree = """
/venv/lib/python3.11/site-packages/Foo_Bar-1.0.dist-info/RECORD
/venv/lib/python3.11/site-packages/Foo_Bar-1.0.dist-info/METADATA
/venv/lib/python3.11/site-packages/foo/__init__.py
/venv/lib/python3.11/site-packages/foo/late.py
/venv/lib/python3.11/site-packages/foo/__pycache__/late.cpython-311.pyc
/venv/lib/python3.11/site-packages/foo/__pycache__/other.cpython-311.pyc
/venv/lib/python3.11/site-packages/loose.py
/venv/bin/foo
"""
    record = 'foo/__init__.py,sha256=x,1\nfoo/late.py,,\n"foo/gone,really.py",,\n../../../bin/foo,,\n'
    site = "/venv/lib/python3.11/site-packages"
    assert owned(tree, {f"{site}/Foo_Bar-1.0.dist-info/RECORD": record}) == (
        f"pypi/foo-bar: /venv/bin/foo {site}/Foo_Bar-1.0.dist-info/METADATA {site}/Foo_Bar-1.0.dist-info/RECORD "
        f"{site}/foo/__init__.py {site}/foo/__pycache__/late.cpython-311.pyc {site}/foo/late.py"
    )


@pytest.mark.parametrize(
    ("metadata", "files", "paths"),
    [
        (
            "x-1.egg-info/top_level.txt",
            {"x-1.egg-info/top_level.txt": "foo\n_foo\n"},
            "_foo.cpython.so foo/a.py foo.py",
        ),
        ("foo-1-py3.11.egg-info", {}, "foo/a.py foo.py"),  # distutils: a file
        (
            "x-1.egg-info/installed-files.txt",
            {"x-1.egg-info/installed-files.txt": "../foo/a.py\n../../../../bin/x\n"},
            "foo/a.py",
        ),
        ("foo-1-py3.11.egg/b.py", {}, ""),
        ("foo-1.dist-info/METADATA", {}, "foo/a.py foo.py"),
    ],
)
def test_python_distributions_without_a_record(metadata: str, files: dict[str, str], paths: str) -> None:
    site = "/usr/local/lib/python3.11/site-packages"
    tree = "\n".join(f"{site}/{name}" for name in (metadata, "foo/a.py", "foo.py", "_foo.cpython.so", "bar/c.py"))
    found = distributions(tree, {f"{site}/{name}": text for name, text in files.items()}).all
    assert len(found) == 1
    assert sorted(found[0].paths) == sorted(f"{site}/{name}" for name in (metadata, *paths.split()))


def test_egg_info_beside_sources_owns_none_of_them() -> None:
    assert owned("/app/foo.egg-info/top_level.txt\n/app/foo/a.py", {"/app/foo.egg-info/top_level.txt": "foo\n"}) == ""


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("file:///src/foo", "file:///src/foo"),
        ("https://example.org/foo.whl", ""),
        ("file:///croot/foo_123/work", ""),  # conda's own builds
        ("file:///home/conda/feedstock_root/build_artifacts/foo/work", ""),
    ],
)
def test_a_distribution_that_was_installed_from_a_folder(url: str, local: str) -> None:
    info = "/lib/python3.11/site-packages/foo-1.dist-info"
    tree = f"{info}/RECORD\n{info}/direct_url.json\n/lib/python3.11/site-packages/foo.py"
    files = {f"{info}/RECORD": "foo.py,,\n", f"{info}/direct_url.json": f'{{"url": "{url}", "dir_info": {{}}}}'}
    assert [one.local for one in distributions(tree, files).all] == [local]


def test_damaged_metadata_is_passed_over() -> None:
    info = "/lib/python3.11/site-packages/foo-1.dist-info"
    files = {f"{info}/RECORD": "../../../../../etc/x,,\n\n,\n\x00", f"{info}/direct_url.json": "[1"}
    assert owned(f"{info}/RECORD\n/etc/x", files) == f"pypi/foo: /etc/x {info}/RECORD"


def test_npm_packages_are_told_apart() -> None:
    tree = """
/app/node_modules/.bin/a -> ../a/cli.js
/app/node_modules/a/package.json
/app/node_modules/a/cli.js
/app/node_modules/a/esm/package.json
/app/node_modules/a/node_modules/b/package.json
/app/node_modules/a/node_modules/b/b.js
/app/node_modules/@s/c/package.json
/app/node_modules/@s/c/c.js
/app/node_modules/loose/x.js
/app/node_modules/linked -> ../packages/linked
/app/packages/linked/package.json
/app/packages/linked/node_modules/d/package.json
/usr/share/nodejs/express/package.json package=node-express
/usr/share/nodejs/express/index.js package=node-express
/usr/share/nodejs/one.js package=node-one
"""
    assert (
        owned(tree)
        == """\
deb/node-one: /usr/share/nodejs/one.js
npm/@s/c: /app/node_modules/@s/c/c.js /app/node_modules/@s/c/package.json
npm/a: /app/node_modules/a/cli.js /app/node_modules/a/esm/package.json /app/node_modules/a/package.json
npm/b: /app/node_modules/a/node_modules/b/b.js /app/node_modules/a/node_modules/b/package.json
npm/d: /app/packages/linked/node_modules/d/package.json
npm/express: /usr/share/nodejs/express/index.js /usr/share/nodejs/express/package.json
npm/linked: /app/node_modules/linked /app/packages/linked/package.json"""
    )
    assert [one.name for one in distributions(tree).all if one.local] == ["npm/linked"]


def test_gems() -> None:
    tree = """
/var/lib/gems/3.1.0/specifications/rack-2.2.4.gemspec
/var/lib/gems/3.1.0/gems/rack-2.2.4/lib/rack.rb
/var/lib/gems/3.1.0/extensions/x86_64-linux/3.1.0/rack-2.2.4/rack.so
/var/lib/gems/3.1.0/gems/other-1/lib/other.rb
/var/lib/gems/3.1.0/specifications/default/json-2.6.gemspec
/usr/local/bundle/bundler/gems/thing-0123456789ab/thing.gemspec
/usr/local/bundle/bundler/gems/thing-0123456789ab/lib/thing.rb
"""
    home = "/var/lib/gems/3.1.0"
    git = "/usr/local/bundle/bundler/gems/thing-0123456789ab"
    assert owned(tree) == (
        f"gem/rack: {home}/extensions/x86_64-linux/3.1.0/rack-2.2.4/rack.so {home}/gems/rack-2.2.4/lib/rack.rb "
        f"{home}/specifications/rack-2.2.4.gemspec\n"
        f"gem/thing: {git}/lib/thing.rb {git}/thing.gemspec"
    )


def test_a_packlist_lists_what_a_cpan_distribution_has() -> None:
    lists = "/usr/local/lib/x86_64-linux-gnu/perl/5.36.0/auto/Foo/Bar/.packlist"
    tree = f"{lists}\n/usr/local/share/perl/5.36.0/Foo/Bar.pm\n/usr/local/bin/bar -> foobar\n/usr/local/bin/foobar"
    text = "/usr/local/share/perl/5.36.0/Foo/Bar.pm type=file\n/usr/local/bin/bar from=/x type=link\n/gone\n"
    expected = f"cpan/Foo::Bar: /usr/local/bin/bar {lists} /usr/local/share/perl/5.36.0/Foo/Bar.pm"
    assert owned(tree, {lists: text}) == expected


def test_what_debian_packaged_of_a_language() -> None:
    tree = """
/usr/lib/python3/dist-packages/flask/app.py package=python3-flask
/usr/lib/python3/dist-packages/flask/__pycache__/app.cpython-311.pyc
/usr/lib/python3/dist-packages/Flask-2.2.2.egg-info/top_level.txt package=python3-flask
/usr/share/doc/python3-flask/copyright package=python3-flask
/usr/share/perl5/Mojo.pm package=libmojolicious-perl
/usr/share/java/x.jar package=libx-java
"""
    files = {"/usr/lib/python3/dist-packages/Flask-2.2.2.egg-info/top_level.txt": "flask\n"}
    assert (
        owned(tree, files) == """\
deb/libmojolicious-perl: /usr/share/perl5/Mojo.pm
deb/python3-flask: /usr/lib/python3/dist-packages/Flask-2.2.2.egg-info/top_level.txt """
        "/usr/lib/python3/dist-packages/flask/__pycache__/app.cpython-311.pyc "
        "/usr/lib/python3/dist-packages/flask/app.py"
    )


RUNTIMES = """
/usr/local/lib/python3.12/os.py
/usr/local/lib/python3.12/__pycache__/os.cpython-312.pyc
/usr/local/lib/python3.12/lib-dynload/_ssl.so
/usr/local/lib/python3.12/site-packages/x.py
/venv/lib/python3.12/site-packages/y.py
/usr/lib/ruby/3.1.0/English.rb
/usr/lib/ruby/vendor_ruby/z.rb
/usr/lib/x86_64-linux-gnu/ruby/3.1.0/rbconfig.rb
/usr/lib/x86_64-linux-gnu/ruby/3.1.0/json.so
/usr/lib/x86_64-linux-gnu/perl-base/strict.pm
/usr/lib/x86_64-linux-gnu/perl/5.36.0/Config.pm
/usr/share/perl/5.36.0/strict.pm
/usr/local/share/perl/5.36.0/App.pm
/usr/local/lib/perl5/5.38.2/strict.pm
/usr/local/lib/perl5/site_perl/5.38.2/Site.pm
/opt/jdk/bin/java
/opt/jdk/lib/modules
/usr/lib/jvm/java-8/bin/java
/usr/lib/jvm/java-8/jre/bin/java
/usr/lib/jvm/java-8/jre/lib/rt.jar
/usr/bin/java
/usr/lib/modules/6.1.0/x.ko
"""


def test_runtimes() -> None:
    assert (
        owned(RUNTIMES) == """\
Java: /opt/jdk/bin/java /opt/jdk/lib/modules
Java: /usr/lib/jvm/java-8/bin/java /usr/lib/jvm/java-8/jre/bin/java /usr/lib/jvm/java-8/jre/lib/rt.jar
Perl: /usr/lib/x86_64-linux-gnu/perl-base/strict.pm /usr/lib/x86_64-linux-gnu/perl/5.36.0/Config.pm """
        """/usr/share/perl/5.36.0/strict.pm
Perl: /usr/local/lib/perl5/5.38.2/strict.pm
Python: /usr/local/lib/python3.12/__pycache__/os.cpython-312.pyc /usr/local/lib/python3.12/lib-dynload/_ssl.so """
        """/usr/local/lib/python3.12/os.py
Ruby: /usr/lib/ruby/3.1.0/English.rb /usr/lib/x86_64-linux-gnu/ruby/3.1.0/json.so """
        """/usr/lib/x86_64-linux-gnu/ruby/3.1.0/rbconfig.rb"""
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/a/__pycache__/m.cpython-311.pyc", "/a/m.py"),
        ("/a/__pycache__/m.cpython-311.opt-2.pyc", "/a/m.py"),
        ("/a/__pycache__/m.n.pypy310.pyc", "/a/m.n.py"),
        ("/a/m.pyc", None),
    ],
)
def test_compiled_from(path: str, source: str | None) -> None:
    assert compiled_from(ImagePath(path)) == source


@pytest.mark.parametrize(
    ("path", "passed"),
    [
        ("/s/site-packages/x-1.dist-info/METADATA", True),
        ("/s/site-packages/distutils-precedence.pth", True),
        ("/s/site-packages/_distutils_hack/__init__.py", True),
        ("/n/node_modules/a/package.json", True),
        ("/s/site-packages/x/info.py", False),
        ("/n/node_modules/a/index.js", False),
    ],
)
def test_what_is_opened_of_distributions_that_are_not_used(path: str, passed: bool) -> None:
    assert is_looked_through(path) == passed
