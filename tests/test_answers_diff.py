"""In what two images differ, or two traces."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from built_repo import BuiltRepo
from oci_archives import docker_archive, oci_layout
from small_trees import entries
from tars import d, f, link, tar

from slimtasks.answers.difference import difference
from slimtasks.answers.difference_text import difference_text, trace_difference_text
from slimtasks.answers.sides import TraceSide, TreeSide, side
from slimtasks.answers.trace_difference import trace_difference
from slimtasks.errors import SlimError
from slimtasks.records import Access, ImagePath, Program
from slimtasks.trace.file import Trace, read_trace, write_trace
from slimtasks.trace.lock import Contents, locked

TREE = """\
/
/etc/ package=app
/etc/conf size=100 package=app
/usr/
/usr/lib/
/usr/lib/liba.so -> liba.so.1
/usr/lib/liba.so.1 size=4000 package=liba
"""
TRACE = "read /etc/conf\nread /usr/lib/liba.so\nlist /usr\n"


def tree(name: str, text: str, **config: object) -> TreeSide:
    found = entries(text)
    owners = {entry.path: entry.package for entry in found if entry.package}
    return TreeSide(name, found, config, lambda: owners, dict)  # type: ignore[arg-type, return-value]


def test_what_differs_by_path_and_by_package() -> None:
    before = tree("a", TREE + "/gone size=7 package=app\n/run mode=600 size=5 digest=aa\n/was/", Env=["A=1"])
    after = tree(
        "b",
        TREE.replace("liba.so.1", "liba.so.2").replace("4000", "5500")
        + "/run mode=4755 size=9 digest=bb uid=7\n/was -> /usr",
        Env=["A=2"],
    )
    assert (
        difference_text(difference(before, after), 0)
        == """\
a -> b: 1 added, 2 removed, 3 changed
4.1 kB -> 5.6 kB (+1.5 kB)
  config Env ["A=1"] -> ["A=2"]
added
    5.5 kB  /usr/lib/liba.so.2
removed
       7 B  /gone
    4.0 kB  /usr/lib/liba.so.1
changed
      +4 B  /run: mode 0600 -> 4755, owner 0:0 -> 7:0, content
       0 B  /usr/lib/liba.so: link liba.so.1 -> liba.so.2
       0 B  /was: type dir -> link, mode 0755 -> none, link none -> /usr
by package
   +1.5 kB  liba (1 added, 1 removed)
      -7 B  app (1 removed)
      +4 B  no package (3 changed)"""
    )
    assert difference_text(difference(before, before), 0) == "a -> a: no difference but in dates"


def test_lists_are_cut_where_asked() -> None:
    text = difference_text(difference(tree("a", TREE), tree("b", "/x")), 2)
    assert [line for line in text.split("\n") if "more" in line] == [
        "  and 5 more (-n 0 shows all)",
        "  and 1 more (-n 0 shows all)",
    ]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuiltRepo:
    """The image `web`, and the folder as the current one."""
    monkeypatch.chdir(tmp_path)
    made = BuiltRepo(tmp_path)
    made.build("web", "", TREE, TRACE)
    return made


def of_images(repo: BuiltRepo, before: str, after: str) -> str:
    one, two = side(repo.session, before), side(repo.session, after)
    assert isinstance(one, TreeSide) and isinstance(two, TreeSide)
    return difference_text(difference(one, two), 0)


def of_traces(repo: BuiltRepo, before: str, after: str) -> str:
    one, two = side(repo.session, before), side(repo.session, after)
    assert isinstance(one, TraceSide) and isinstance(two, TraceSide)
    return trace_difference_text(trace_difference(one, two), 0)


def test_an_image_and_its_build_before(repo: BuiltRepo) -> None:
    shutil.copy(repo.root / "build/web/image.tar", repo.root / "before.tar")
    assert of_images(repo, "before.tar", "web") == "before.tar -> web: no difference but in dates"
    repo.build("web", "drop: [/etc/conf]\n", TREE, TRACE)
    assert (
        of_images(repo, "before.tar", "web")
        == """\
before.tar -> web: 0 added, 2 removed, 0 changed
4.1 kB -> 4.0 kB (-100 B)
removed
       dir  /etc
     100 B  /etc/conf
by package
    -100 B  app 1.0 (2 removed)"""
    )


def test_an_image_and_what_it_is_cut_out_of(repo: BuiltRepo) -> None:
    repo.build("web", "", TREE + "/usr/bin/tool size=9 package=tool", TRACE)
    said = of_images(repo, "web@fat", "web").split("\n")
    assert said[0] == "web@fat -> web: 0 added, 1 removed, 0 changed"
    assert said[2:] == ["removed", "       9 B  /usr/bin/tool", "by package", "      -9 B  tool 1.0 (1 removed)"]


@pytest.mark.parametrize("save", [docker_archive, oci_layout])
def test_what_engines_save(repo: BuiltRepo, save: object) -> None:
    for name, text in (("one.tar", "1"), ("two.tar", "22")):
        layer = tar(d("etc/"), f("etc/conf", text), link("etc/link", f"conf{text}"))
        (repo.root / name).write_bytes(save(layer))  # type: ignore[operator]
    assert of_images(repo, "one.tar", "two.tar").split("\n")[2:5] == [
        "changed",
        "      +1 B  /etc/conf: content",
        "       0 B  /etc/link: link conf1 -> conf22",
    ]


def write(path: Path, trace: Trace, *more: Access, programs: tuple[Program, ...] = ()) -> None:
    write_trace(path, Trace(trace.header, (*trace.accesses, *more), programs))


def test_two_traces(repo: BuiltRepo) -> None:
    trace = read_trace(repo.root / "build/web/trace.jsonl")
    conf, *others = trace.accesses
    moved = Access(conf.path, conf.how, by=("/bin/b",), steps=(0, 1), sources=("strace",))
    new = Access(ImagePath("/etc/new"), "stat", by=("/bin/app",), steps=(2,), sources=("strace",))
    header = {**trace.header, "kernel": "6.1"}
    program = Program("/bin/app", binds=("tcp 0.0.0.0:80",))
    write_trace(repo.root / "fresh.jsonl", Trace(header, (moved, new, *others[1:]), (program,)))
    assert (
        of_traces(repo, "web@trace", "fresh.jsonl")
        == """\
web@trace -> fresh.jsonl: 1 added, 1 removed, 1 changed of 3 uses
  kernel: + 6.1
added
  stat      /etc/new by /bin/app in 2 exec app --check
removed
  read      /usr/lib/liba.so by /bin/app in start
changed
  read      /etc/conf
              by: - /bin/app; + /bin/b
              steps: + 1 http GET http :80/
programs
  /bin/app
    binds: + tcp 0.0.0.0:80"""
    )
    assert of_traces(repo, "web@trace", "web@trace") == "web@trace -> web@trace: the same 3 uses"


def test_a_lock_and_a_trace_and_two_locks(repo: BuiltRepo) -> None:
    trace = read_trace(repo.root / "build/web/trace.jsonl")
    for name, text in (
        ("images/web/trace.lock.jsonl", TREE),
        ("other.lock.jsonl", TREE.replace("size=4000", "digest=ff")),
    ):
        lines = locked(trace.accesses, Contents.of(entries(text), ()))
        write_trace(repo.root / name, Trace(trace.header, lines, ()))
    assert of_traces(repo, "web@lock", "web@trace") == "web@lock -> web@trace: the same 3 uses"
    assert of_traces(repo, "web@lock", "other.lock.jsonl").split("\n")[1:] == [
        "changed",
        "  read      /usr/lib/liba.so",
        "              digest: + ff",
    ]


def test_a_trace_from_a_pipe(repo: BuiltRepo) -> None:
    pipe, content = repo.root / "pipe", (repo.root / "build/web/trace.jsonl").read_bytes()
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    assert of_traces(repo, "pipe", "web@trace") == "pipe -> web@trace: the same 3 uses"
    writer.join()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("webb", "diff: webb is not there\n  -> did you mean web? allowed: NAME "),
        ("webb@trace", "diff: webb@trace is not there\n  -> did you mean web@trace? allowed: NAME "),
        ("web@lock", "web has no lock: images/web/trace.lock.jsonl is not there\n  -> `doit lock web` writes it"),
        ("notes.jsonl", "notes.jsonl:1: fat is missing; needed: fat, complete, steps, lines\n"),
        ("empty", "empty: an archive ends in the middle\n  -> "),
    ],
)
def test_what_names_nothing(repo: BuiltRepo, text: str, said: str) -> None:
    repo.write("notes.jsonl", "{}\n")
    repo.write("empty", "")
    with pytest.raises(SlimError) as caught:
        side(repo.session, text)
    assert str(caught.value).startswith(said)


def test_an_image_that_is_not_built(repo: BuiltRepo) -> None:
    (repo.root / "build/web/image.tar").unlink()
    with pytest.raises(SlimError, match=r"^web is not built yet: .*image.tar is not there\n  -> `doit web` makes it$"):
        side(repo.session, "web")
