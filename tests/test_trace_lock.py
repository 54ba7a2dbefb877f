"""Whether a lock fits another build of its image, and what is said where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_trees import accesses, entries

from slimtasks.errors import SlimError
from slimtasks.records import Access, ImagePath, Package
from slimtasks.trace.file import Trace, write_trace
from slimtasks.trace.given import Given, need_complete, read_given
from slimtasks.trace.lock import Contents, Fit, Locked, explained, fit, locked, noted
from slimtasks.trace.summary import reached

HEADER = {"complete": True, "fat": "sha256:1", "steps": ["start", "1 http"]}

PYTHON = """
/bin -> usr/bin
/usr/bin/python3 -> python3.11
/usr/bin/python3.11 digest=a package=python3.11-minimal
/usr/lib/python3.11/os.py digest=b package=libpython3.11-minimal
/usr/lib/python3.11/encodings/ package=libpython3.11-minimal
/usr/lib/python3.11/encodings/utf_8.py digest=c package=libpython3.11-minimal
/usr/lib/python3.11/encodings/utf_8.pyc digest=d package=libpython3.11-minimal
/usr/lib/x86_64-linux-gnu/libz.so.1 -> libz.so.1.2.13
/usr/lib/x86_64-linux-gnu/libz.so.1.2.13 digest=e package=zlib1g
/etc/localtime -> /usr/share/zoneinfo/UTC
/usr/share/zoneinfo/UTC digest=f package=tzdata
/srv/app.py digest=g
"""
VERSIONS = {"python3.11-minimal": "3.11.2", "libpython3.11-minimal": "3.11.2", "zlib1g": "1:1.2.13", "tzdata": "2024a"}
RUN = """
exec /bin/python3
exec@fanotify /usr/bin/python3.11
read /usr/lib/python3.11/os.py
read /usr/lib/python3.11/encodings/utf_8.pyc
list /usr/lib/python3.11/encodings
miss /usr/lib/python311.zip
read /usr/lib/x86_64-linux-gnu/libz.so.1
read@fanotify /usr/lib/x86_64-linux-gnu/libz.so.1.2.13
readlink /etc/localtime
read /etc/localtime
read /srv/app.py
write /var/lib/app.db
create /var/lib/app.db
read /proc/self/maps
"""


def contents(tree: str, versions: dict[str, str], added: tuple[str, ...] = ()) -> Contents:
    packages = [Package(f"deb/{name}", version) for name, version in versions.items()]
    return Contents.of(entries(tree), packages, added)


def traced(run: str, image: Contents) -> tuple[Access, ...]:
    return tuple(replace(a, reached=reached(a.path, a.how, image.tree)) for a in accesses(run))


BUILT = contents(PYTHON, VERSIONS)
LOCK = locked(traced(RUN, BUILT), BUILT)


def misfits(found: Fit) -> list[str]:
    return sorted({str(misfit) for misfit in found.misfits})


def test_what_a_lock_holds() -> None:
    lines = {(str(line.path), line.how): (line.type, line.package, line.version, line.digest) for line in LOCK}
    assert {path: held for (path, how), held in lines.items() if how == "exec"} == {
        "/bin/python3": ("file", "deb/python3.11-minimal", "3.11.2", "a"),
        "/usr/bin/python3.11": ("file", "deb/python3.11-minimal", "3.11.2", "a"),
    }
    assert lines["/etc/localtime", "readlink"] == ("link", "", "", "")
    assert lines["/etc/localtime", "read"] == ("file", "deb/tzdata", "2024a", "f")
    assert lines["/usr/lib/python3.11/encodings", "list"] == ("dir", "deb/libpython3.11-minimal", "3.11.2", "")
    assert lines["/usr/lib/python3.11/encodings/utf_8.pyc", "read"][3] == ""  # another one with each build
    needless = [path for (path, _), held in lines.items() if held == ("", "", "", "")]
    assert needless == ["/usr/lib/python311.zip", "/var/lib/app.db", "/var/lib/app.db", "/proc/self/maps"]


def test_the_same_image_fits_and_its_trace_is_the_same() -> None:
    found = fit(LOCK, BUILT)
    assert (found.misfits, found.changes, found.needed) == ((), (), 9)
    assert found.accesses == tuple(sorted(traced(RUN, BUILT), key=lambda access: (access.path, access.how)))


def test_another_build_of_the_same_fits_and_changed_contents_are_told() -> None:
    again = PYTHON.replace("digest=d", "digest=D").replace("digest=g", "digest=G").replace("digest=c", "digest=C")
    found = fit(LOCK, contents(again, VERSIONS))
    assert (found.misfits, found.changes) == ((), ("no package (1 file)",))


def test_a_point_update_of_a_library_fits_and_brings_the_new_name() -> None:
    updated = PYTHON.replace("libz.so.1.2.13", "libz.so.1.2.14").replace("digest=e", "digest=E")
    found = fit(LOCK, contents(updated, {**VERSIONS, "zlib1g": "1:1.2.14"}))
    assert (found.misfits, found.changes) == ((), ("deb/zlib1g 1:1.2.13 -> 1:1.2.14 (1 file)",))
    libraries = {access.path: access.reached for access in found.accesses if "libz" in access.path}
    folder = "/usr/lib/x86_64-linux-gnu"
    assert libraries == {f"{folder}/libz.so.1": f"{folder}/libz.so.1.2.14", f"{folder}/libz.so.1.2.14": ""}


def test_another_python_does_not_fit_and_what_is_missing_names_its_package() -> None:
    updated = contents(
        PYTHON.replace("3.11", "3.12"),
        {name.replace("3.11", "3.12"): version for name, version in VERSIONS.items()},
    )
    found = fit(LOCK, updated)
    assert misfits(found) == [
        "/usr/lib/python3.11/encodings",
        "/usr/lib/python3.11/encodings/utf_8.pyc",
        "/usr/lib/python3.11/os.py",
    ]
    assert explained(found.misfits, updated) == (
        "  deb/libpython3.11-minimal 3.11.2 (not installed now): /usr/lib/python3.11/os.py and 2 more"
    )


def test_a_path_of_another_type_does_not_fit() -> None:
    image = contents(PYTHON.replace("/srv/app.py digest=g", "/srv/app.py/__main__.py"), VERSIONS)
    found = fit(LOCK, image)
    assert explained(found.misfits, image) == "  no package: /srv/app.py (was a file, is a dir)"


def test_what_add_brings_need_not_be_in_the_image() -> None:
    without = contents(PYTHON.replace("/srv/app.py digest=g\n", ""), VERSIONS, ("/srv/app.py",))
    assert fit(LOCK, without).misfits == ()
    assert [line.type for line in locked(accesses("read /srv/app.py"), contents(PYTHON, {}, ("/srv/app.py",)))] == [""]


def test_messages_are_short() -> None:
    assert noted(["a 1 -> 2 (9 files)", "b", "c", "d", "e"]) == "a 1 -> 2 (9 files), b, c, 2 more"
    lines = "\n".join(f"/usr/bin/x{n:02} package=p{n:02}" for n in range(13))
    image = contents(lines, {f"p{n:02}": "1" for n in range(13)})
    gone = contents("/x", {"p00": "2"})
    lock = locked(accesses("\n".join(f"exec /usr/bin/x{n:02}" for n in range(13))), image)
    text = explained(fit(lock, gone).misfits, gone).splitlines()
    assert text[0] == "  deb/p00 1 (now 2): /usr/bin/x00"
    assert text[10:] == ["  and of 3 more packages"]


def test_a_lock_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "trace.lock.jsonl"
    odd = Locked(ImagePath("/a\udcff\n"), "read", sources=("strace",), type="file", digest="e")
    write_trace(path, Trace(HEADER, (*LOCK, odd), ()))
    assert read_given(Given(path, "lock", ""), Locked)[1] == (*LOCK, odd)


LINE = '{"how":"read","path":"/etc/passwd"}'
HEAD = '{"complete":true,"fat":"sha256:1","lines":1,"steps":["start"],"version":2}'
WRONG: dict[str, tuple[str | bytes, str]] = {
    "nothing": (b"", "1: the file is empty"),
    "no JSON": (f"{HEAD}\n<<<<<<< HEAD\n", "2: found '<<<<<<< HEAD'; allowed: a JSON object"),
    "cut off": (f"{HEAD}\n{LINE[:20]}", '2: found \'{"how":"read","path"\'; allowed: a JSON object'),
    "no object": (f"{HEAD}\n[1]\n", "2: found [1]; allowed: a JSON object"),
    "too deep": (f"{HEAD}\n{'[' * 100_000}\n", "2: found '["),
    "not UTF-8": (f"{HEAD}\n".encode() + b'{"path":"/\xff"}\n', "2: found the byte 0xff, which is not UTF-8"),
    "a version": (HEAD.replace('"version":2', '"version":3'), "1: found a trace of version 3; allowed: 2, which this"),
    "no header": (f"{LINE}\n", "1: fat is missing; needed: fat, complete, steps, lines"),
    "lost lines": (f"{HEAD}\n", "1: 1 lines should follow the first one, and 0 do: is it whole?"),
    "more lines": (f"{HEAD}\n{LINE}\n{LINE}\n", "3: 1 lines should follow the first one, and 2 do"),
    "a key": (f'{HEAD}\n{{"how":"read","path":"/x","pid":1}}\n', "2: found the key 'pid'; allowed: path, how, by,"),
    "no path": (f'{HEAD}\n{{"how":"read"}}\n', "2: path is missing; needed: path, how"),
    "a way": (f'{HEAD}\n{{"how":"opened","path":"/x"}}\n', "2: how: found 'opened'; allowed: access, bind, create,"),
    "a step": (f'{HEAD}\n{{"how":"read","path":"/x","steps":[1]}}\n', "2: steps: found 1; allowed: 0 to 0, which the"),
    "steps": (f'{HEAD}\n{{"how":"read","path":"/x","steps":["a"]}}\n', '2: steps: found ["a"]; allowed: a list of'),
    "a complete": (HEAD.replace("true", '"yes"'), "1: complete: found 'yes'; allowed: true or false"),
}
OUT = "; allowed: an absolute path of at most 4095 bytes, without NUL, that '..' does not lead out of the root"
PATHS = {
    "climbs out": ("/etc/../../x", "'/etc/../../x'"),
    "relative": ("etc/passwd", "'etc/passwd'"),
    "NUL": ("/a\\u0000b", "'/a\\x00b'"),
    "5,000 characters": ("/" + "x" * 5000, "'/xxxxx"),
    "half a surrogate pair": ("/\\ud800", "'/\\ud800'"),
    "empty": ("", "''"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_what_cannot_be_read(tmp_path: Path, mistake: str) -> None:
    content, message = WRONG[mistake]
    assert message_for(tmp_path, content).startswith(f"images/x/t.jsonl:{message}")


@pytest.mark.parametrize("mistake", PATHS)
@pytest.mark.parametrize("key", ["path", "reached"])
def test_paths_that_no_image_has(tmp_path: Path, mistake: str, key: str) -> None:
    path, shown = PATHS[mistake]
    others = "" if key == "path" else '"path":"/x",'
    message = message_for(tmp_path, f'{HEAD}\n{{"how":"read",{others}"{key}":"{path}"}}\n')
    assert message.startswith(f"images/x/t.jsonl:2: {key}: found {shown}") and OUT in message


def message_for(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SlimError) as error:
        read_given(Given(path, "images/x/t.jsonl", "what to do"), Locked)
    assert error.value.hint == "what to do" and len(error.value.what) < 300
    return error.value.what


def test_an_incomplete_trace_is_refused_unless_allowed(tmp_path: Path) -> None:
    given = Given(tmp_path / "t.jsonl", "t.jsonl", "")
    header = {"complete": False, "incomplete": ["the queue overflowed"]}
    need_complete(given, header, allowed=True)
    with pytest.raises(SlimError, match=r"^t\.jsonl:1: the trace is not complete \(the queue overflowed\), and `trace"):
        need_complete(given, header, allowed=False)


def test_dots_that_stay_inside_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{HEAD}\n{{"how":"read","path":"/usr/lib/../share/./x"}}\n')
    assert read_given(Given(path, "", ""), Access)[1] == (Access(ImagePath("/usr/lib/../share/./x"), "read"),)
