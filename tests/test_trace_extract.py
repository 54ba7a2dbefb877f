from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tars import ACL, CAPABILITY, ODD, attributes, d, f, hard, link, special
from trace_images import loaded

from slimtasks.engine.client import Engine
from slimtasks.engine.labels import OWNER, Owner
from slimtasks.errors import EngineError
from slimtasks.records import ImagePath
from slimtasks.trace.extract import extract

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]

LONG = "long/" + "/".join(["folder" * 8] * 6)


@pytest.fixture(scope="module")
def image(engine: Engine) -> Iterator[str]:
    """An image with one of everything."""
    owned = f("dir/owned", "owned\n", 0o640, 65534)
    owned[0].mtime = 1234567890
    members = [
        *(d(name) for name in ("dir", "long", "odd", "data", "etc", "proc")),
        d("sticky", 0o1777),
        owned,
        f("dir/setuid", b"x" * 1500, 0o4755),
        f("dir/empty", b"", 0o600),
        f("dir/b-first", b"hard"),
        hard("dir/a-second", "dir/b-first"),
        hard("dir/c-third", "dir/b-first"),
        link("dir/link", "owned"),
        link("dir/" + "l" * 120, "t" * 300),
        special("dir/fifo", tarfile.FIFOTYPE, mode=0o620),
        special("dir/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        special("dir/disk", tarfile.BLKTYPE, devmajor=8, devminor=300, mode=0o660),
        attributes(f("dir/ping", b"ping"), security__capability=CAPABILITY),
        attributes(f("dir/acl", b"acl"), system__posix_acl_access=ACL, user__note=b"a=b\n\xff"),
        f(LONG, b"deep"),
        f(ODD, b"odd", uid=3_000_000),
        f("data/kept", b"kept"),
        f("etc/hosts", b"of the image"),
        f("etc/passwd", b"root:x:0:0::/:\n"),
        f("big", bytes(5_000_000)),
    ]
    with loaded(engine, "extract", members, {"Volumes": {"/data": {}}, "Entrypoint": ["/none"], "User": "77"}) as tag:
        yield tag


def dump(engine: Engine, tracer: str, image: str, *paths: str) -> list[str]:
    """What comes out, a line each: type, mode, owner, size, name, link, extended attributes, content."""
    lines = []
    with extract(engine, tracer, image, [ImagePath(path) for path in paths]) as entries:
        for member, content in entries:
            parts = [f"{member.kind} {member.mode:04o} {member.uid}:{member.gid} {member.size} {member.name}"]
            if member.target:
                parts.append(f"-> {member.target}")
            parts += [",".join(map(str, member.device))] * bool(member.device)
            parts += [f"{name}={value}" for name, value in member.xattrs]
            if content:
                data = b"".join(content.rest())
                assert len(data) == member.size
                parts.append(
                    repr(data[:12].decode("utf-8", "surrogateescape")) if len(data) < 100 else f"{len(set(data))}"
                )
            lines.append(" ".join(parts))
    return lines


def test_everything_comes_out_as_it_is(engine: Engine, tracer_image: str, image: str) -> None:
    names = [
        "dir/owned",
        "dir/setuid",
        "dir/empty",
        "dir/link",
        "dir/fifo",
        "dir/null",
        "dir/disk",
        "sticky",
        "dir",
        LONG,
    ]
    assert dump(engine, tracer_image, image, *(f"/{name}" for name in names)) == [
        "file 0640 65534:65534 6 dir/owned 'owned\\n'",
        "file 4755 0:0 1500 dir/setuid 1",
        "file 0600 0:0 0 dir/empty ''",
        "link 0777 0:0 0 dir/link -> owned",
        "fifo 0620 0:0 0 dir/fifo",
        "char 0666 0:0 0 dir/null 1,3",
        "block 0660 0:0 0 dir/disk 8,300",
        "dir 1777 0:0 0 sticky",
        "dir 0755 0:0 0 dir",
        f"file 0644 0:0 4 {LONG} 'deep'",
    ]


def test_long_and_odd_names_and_numbers(engine: Engine, tracer_image: str, image: str) -> None:
    name = "dir/" + "l" * 120
    assert dump(engine, tracer_image, image, f"/{ODD}", f"/{name}", "/") == [
        f"file 0644 3000000:3000000 3 {ODD} 'odd'",
        f"link 0777 0:0 0 {name} -> {'t' * 300}",
        "dir 0755 0:0 0 .",
    ]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (
            ("a-second", "b-first", "c-third"),
            ["file a-second", "hardlink b-first -> dir/a-second", "hardlink c-third -> dir/a-second"],
        ),
        (("c-third", "b-first"), ["file c-third", "hardlink b-first -> dir/c-third"]),
        (("b-first",), ["file b-first"]),
    ],
)
def test_hard_links_lead_to_the_first_listed_name(
    engine: Engine, tracer_image: str, image: str, order: tuple[str, ...], expected: list[str]
) -> None:
    with extract(engine, tracer_image, image, [ImagePath(f"/dir/{name}") for name in order]) as entries:
        found = [(m.kind, m.name[4:], m.target, c and b"".join(c.rest())) for m, c in entries]
    assert [f"{kind} {name}" + f" -> {to}" * bool(to) for kind, name, to, _ in found] == expected
    assert found[0][3] == b"hard"


def test_extended_attributes(engine: Engine, tracer_image: str, image: str) -> None:
    if engine.info.driver == "vfs" or engine.info.userns:
        pytest.skip("this engine's containers do not have their image's ACLs")
    assert dump(engine, tracer_image, image, "/dir/ping", "/dir/acl") == [
        f"file 0644 0:0 4 dir/ping security.capability={CAPABILITY.hex()} 'ping'",
        f"file 0644 0:0 3 dir/acl system.posix_acl_access={ACL.hex()} user.note={b'a=b'.hex()}0aff 'acl'",
    ]


def test_times_are_whole_seconds(engine: Engine, tracer_image: str, image: str) -> None:
    with extract(engine, tracer_image, image, [ImagePath("/dir/owned"), ImagePath("/dir/empty")]) as entries:
        assert [info.mtime for info, _ in entries] == [1234567890, 7]


def test_what_a_volume_hides_is_the_images(engine: Engine, tracer_image: str, image: str) -> None:
    assert dump(engine, tracer_image, image, "/data/kept") == ["file 0644 0:0 4 data/kept 'kept'"]


def test_contents_need_not_be_read(engine: Engine, tracer_image: str, image: str) -> None:
    with extract(engine, tracer_image, image, [ImagePath("/big"), ImagePath("/dir/owned")]) as entries:
        assert [info.size for info, _ in entries] == [5_000_000, 6]


def test_nothing_asked_for(engine: Engine, tracer_image: str, image: str) -> None:
    assert dump(engine, tracer_image, image) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dir/none", "/dir/none: No such file or directory"),
        ("/dir/owned/under", "/dir/owned/under: Not a directory"),
        ("/etc/hosts", "hidden by what the engine mounts at /etc/hosts"),
        ("/etc/resolv.conf", "hidden by what the engine mounts at /etc/resolv.conf"),
        ("/proc", "hidden by what the engine mounts at /proc"),
        ("/proc/self/exe", "hidden by what the engine mounts at /proc"),
        ("/dev/null", "hidden by what the engine mounts at /dev"),
        ("/sys/kernel", "hidden by what the engine mounts at /sys"),
    ],
)
def test_what_cannot_be_had_is_an_error(engine: Engine, tracer_image: str, image: str, path: str, reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        dump(engine, tracer_image, image, "/dir/owned", path, "/dir/setuid")


def test_a_consumer_that_stops_early_learns_of_errors(engine: Engine, tracer_image: str, image: str) -> None:
    with extract(engine, tracer_image, image, [ImagePath("/big"), ImagePath("/dir/owned")]) as entries:
        next(entries)
    wrong = [ImagePath("/dir/owned"), ImagePath("/dir/none")]
    with (
        pytest.raises(EngineError, match="/dir/none: No such file"),
        extract(engine, tracer_image, image, wrong) as entries,
    ):
        next(entries)


def test_a_container_that_is_killed_in_the_middle(engine: Engine, tracer_image: str, image: str) -> None:
    with (
        pytest.raises(EngineError, match="files could not be taken out"),
        extract(engine, tracer_image, image, [ImagePath("/big")] * 20) as entries,
    ):
        mine = {"filters": json.dumps({"label": [f"{OWNER}={Owner.current()}"]})}
        made = engine.connection.json("GET", "/containers/json", params=mine, doing="looking")
        (identifier,) = [item["Id"] for item in made if item["Command"].startswith("/.slimtasks-archive")]
        found = engine.connection.json("GET", f"/containers/{identifier}/json", doing="looking")
        os.kill(found["State"]["Pid"], signal.SIGKILL)  # through the engine it would wait for us to read
        for _, content in entries:
            assert content and len(b"".join(content.rest())) == 5_000_000


def test_a_file_of_nine_gigabytes(programs: Path, tmp_path: Path) -> None:
    """Its header alone: nobody wants to read nine gigabytes of zeros."""
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(9 << 30)
    (tmp_path / "list").write_bytes(os.fsencode(tmp_path / "huge") + b"\0")
    command = [str(programs / "archive"), str(tmp_path / "list")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        head = process.stdout.read(1 << 20)
        process.kill()
        said = process.stderr.read()
    if b"hidden by" in said:
        pytest.skip("temporary files are on a file system that containers do not have")
    with tarfile.open(fileobj=io.BytesIO(head), mode="r|") as archive:
        member = archive.next()
    assert member is not None and member.size == 9 << 30
