"""The tracer image for arm64, as far as this machine can tell: its programs under qemu-user, its eBPF as a file.

That the kernel of an arm64 machine takes the eBPF program, and that fanotify and strace see there what they see here,
no test shows.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from pipeline_repo import CHECKOUT_OF_SLIMTASKS, doit_in

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

PROGRAMS = ("gate", "tracer", "archive", "relay")
AARCH64, BPF = "EM_AARCH64", "EM_BPF"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's files."""
    made = doit_in(CHECKOUT_OF_SLIMTASKS, "tracer-arm64")
    assert made.status == 0, made.output
    folder = tmp_path_factory.mktemp("arm64")
    with tarfile.open(CHECKOUT_OF_SLIMTASKS / "build/tracer-arm64/image.tar") as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(archive.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        assert (config["os"], config["architecture"]) == ("linux", "arm64")
        (layer,) = manifest["Layers"]
        with tarfile.open(fileobj=archive.extractfile(layer)) as files:
            files.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def qemu(tmp_path_factory: pytest.TempPathFactory) -> str:
    """qemu-aarch64-static: this machine's, or the one of Debian's package."""
    if found := shutil.which("qemu-aarch64-static"):
        return found
    folder = tmp_path_factory.mktemp("qemu")
    folder.chmod(0o777)  # apt drops its rights for the download
    subprocess.run(["apt-get", "download", "-q", "qemu-user-static"], cwd=folder, check=True)
    subprocess.run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder / "tree")], check=True)
    return str(folder / "tree/usr/bin/qemu-aarch64-static")


def elf(path: Path) -> ELFFile:
    return ELFFile(io.BytesIO(path.read_bytes()))


def test_every_program_is_for_arm64_and_has_what_it_needs(image: Path) -> None:
    files = sorted(path for path in image.rglob("*") if path.is_file())
    assert {path.name for path in files} >= {*PROGRAMS, "strace"}
    assert {elf(path)["e_machine"] for path in files} == {AARCH64}
    for name in PROGRAMS:
        assert elf(image / name).get_section_by_name(".dynamic") is None, name
    dynamic = elf(image / "usr/bin/strace").get_section_by_name(".dynamic")
    assert isinstance(dynamic, DynamicSection)
    needed = {getattr(tag, "needed") for tag in dynamic.iter_tags("DT_NEEDED")}  # noqa: B009  # which such tags have
    assert needed <= {path.name for path in files}


def embedded(content: bytes) -> Iterator[ELFFile]:
    """ELF files for eBPF in another one."""
    at = content.find(b"\x7fELF", 1)
    while at >= 0:
        if int.from_bytes(content[at + 18 : at + 20], "little") == 247:  # EM_BPF of elf.h
            yield ELFFile(io.BytesIO(content[at:]))
        at = content.find(b"\x7fELF", at + 1)


def test_its_ebpf_reads_the_registers_of_arm64(image: Path) -> None:
    (program,) = embedded((image / "tracer").read_bytes())
    assert program["e_machine"] == BPF
    sections = {section.name: section for section in program.iter_sections()}
    assert {name for name in sections if "tp_btf/" in name and not name.startswith(".rel")} == {
        "tp_btf/sys_exit",
        "tp_btf/sched_process_exec",
        "tp_btf/sched_process_fork",
        "tp_btf/sched_process_exit",
        "?tp_btf/cap_capable",
        "?tp_btf/io_uring_submit_req",
    }
    types = sections[".BTF"].data()
    assert sections[".BTF.ext"].data_size > 1000  # CO-RE relocations
    assert all(f"\0{name}\0".encode() in types for name in ("pt_regs", "orig_x0", "syscallno", "pstate"))
    assert b"\0orig_ax\0" not in types


def test_the_gate(image: Path, qemu: str) -> None:
    command = [qemu, str(image / "gate"), "/bin/sh", "-c", "echo $X $0; exit 3", "arg"]
    with subprocess.Popen(command, env={"X": "y"}, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(1)
        assert process.poll() is None
        while process.poll() is None:
            process.send_signal(signal.SIGURG)
            time.sleep(0.05)
        assert (process.stdout.read(), process.returncode) == ("y arg\n", 3)  # type: ignore[union-attr]


def test_the_archiver(image: Path, qemu: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("file")
    paths = [str(tmp_path / name) for name in ("file", "link")]
    (tmp_path / "list").write_bytes(b"".join(path.encode() + b"\0" for path in paths))
    done = subprocess.run(
        [qemu, str(image / "archive"), str(tmp_path / "list")], check=True, capture_output=True, timeout=60
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == [path[1:] for path in paths]
        assert tar.extractfile(members[0]).read() == b"content"  # type: ignore[union-attr]
        assert members[1].linkname == "file"


def test_the_tracer_answers_and_ends_with_its_input(image: Path, qemu: str) -> None:
    done = subprocess.run(
        [qemu, str(image / "tracer")], input=b"backend ebpf\n", check=True, capture_output=True, timeout=60
    )
    assert done.stdout[:1] == b"B"
    assert done.stdout[8:].startswith(b"none none ")  # qemu-user passes no bpf(2) on


def test_strace_and_the_relay_start(image: Path, qemu: str) -> None:
    strace = [qemu, "-L", str(image), str(image / "usr/bin/strace"), "-V"]
    assert subprocess.run(strace, check=True, capture_output=True, text=True).stdout.startswith("strace -- version")
    relay = subprocess.run([qemu, str(image / "relay")], capture_output=True, text=True, timeout=60)
    assert (relay.returncode, "usage" in relay.stderr) == (2, True)
