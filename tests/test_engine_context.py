from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from slimtasks.engine.context import ContextFile, read_member, tar_chunks
from slimtasks.errors import BuildError


def dump(chunks: bytes) -> list[str]:
    """One line a member: name, type, mode, owner, time, size or target."""
    with tarfile.open(fileobj=io.BytesIO(chunks)) as tar:
        return [
            f"{member.name} {member.type.decode()} {member.mode:o} {member.uid}:{member.gid} {member.mtime} "
            f"{member.linkname or member.size}"
            for member in tar
        ]


def tree(folder: Path) -> list[ContextFile]:
    (folder / "sub").mkdir()
    (folder / "sub" / "run.sh").write_bytes(b"x" * 513)
    (folder / "link").symlink_to("./sub//run.sh")
    return [
        ("Dockerfile", b"FROM scratch\n", 0o600),
        ("link", folder / "link", 0o777),
        ("sub", folder / "sub", 0o700),
        ("sub/run.sh", folder / "sub" / "run.sh", 0o750),
        ("sub/caf\udce9", b"", 0o666),
    ]


def test_owners_times_and_umask_leave_no_mark(tmp_path: Path) -> None:
    files = tree(tmp_path)
    first = b"".join(tar_chunks(files))
    os.utime(tmp_path / "sub" / "run.sh", (1, 1))
    (tmp_path / "sub" / "run.sh").chmod(0o500)
    (tmp_path / "sub").chmod(0o755)
    assert b"".join(tar_chunks(files)) == first
    assert dump(first) == [
        "Dockerfile 0 644 0:0 315619200 13",
        "link 2 777 0:0 315619200 ./sub//run.sh",
        "sub 5 755 0:0 315619200 0",
        "sub/run.sh 0 755 0:0 315619200 513",
        "sub/caf\udce9 0 644 0:0 315619200 0",
    ]


def test_a_big_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(20 << 20)
    pieces = [len(piece) for piece in tar_chunks([("big", tmp_path / "big", 0o644)])]
    assert max(pieces) <= 1 << 20
    assert sum(pieces) == (20 << 20) + 512 + 1024


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot read .*/none for the build: no such file or directory"):
        b"".join(tar_chunks([("none", tmp_path / "none", 0o644)]))


def test_a_tar_is_sent_as_it_is_and_read_for_its_dockerfile(tmp_path: Path) -> None:
    content = b"".join(tar_chunks(tree(tmp_path)))
    (tmp_path / "context.tar").write_bytes(content)
    assert b"".join(tar_chunks(tmp_path / "context.tar")) == content
    assert read_member(tmp_path / "context.tar", "./Dockerfile") == b"FROM scratch\n"
    assert read_member(tmp_path / "context.tar", "None") is None
    assert read_member([("./a/Dockerfile", b"x", 0)], "a/Dockerfile") == b"x"
    (tmp_path / "context.tar").write_bytes(b"no tar")
    with pytest.raises(BuildError, match="cannot read the build context"):
        read_member(tmp_path / "context.tar", "Dockerfile")
