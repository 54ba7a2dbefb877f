"""A tracer image, and an image of which a test knows what it does, both made with this machine's gcc and strace.

PYTEST_DONT_REWRITE: nothing is asserted here, and modules import it before pytest takes it for a plugin.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from engine_images import image_of
from tars import Item, d, f, link, tar

from slimtasks.engine.client import Engine
from slimtasks.errors import SlimError
from slimtasks.trace.sidecar import Sidecar

PROGRAMS = Path(__file__).parents[1] / "slimtasks" / "trace" / "programs"
PROBE = ("probe.c", "ways.c", "rings.c", "talk.c")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with gate, tracer, archive and relay, built, and probe."""
    made = tmp_path_factory.mktemp("programs") / "src"
    shutil.copytree(PROGRAMS, made)
    subprocess.run(["make", "-s", "-C", str(made), "all"], check=True)
    probe = ["gcc", "-O1", "-static", "-pthread", "-D_GNU_SOURCE", "-o", str(made / "probe")]
    subprocess.run([*probe, *(str(Path(__file__).with_name(name)) for name in PROBE)], check=True)
    return made


@pytest.fixture(scope="session")
def tracer_image(engine: Engine, programs: Path) -> Iterator[str]:
    """The id of a tracer image like the one that programs/Dockerfile makes."""
    members = [program(name, programs / name) for name in ("gate", "tracer", "archive", "relay")]
    strace = Path(shutil.which("strace") or pytest.fail("no strace on this machine"))
    needed = subprocess.run(["ldd", str(strace)], check=True, capture_output=True, text=True).stdout.split()
    libraries = [Path(word) for word in needed if word.startswith("/")]
    members += [program(str(path), path) for path in (Path("/usr/bin/strace"), *libraries)]
    with loaded(engine, "tracer", [*folders(members), *members]) as tag:
        yield tag


@pytest.fixture(scope="session")
def probe_image(engine: Engine, programs: Path) -> Iterator[str]:
    """The tag of an image with nothing but /probe, a script for it, and a few files below /t."""
    members = [
        program("/probe", programs / "probe"),
        f("script", "#!/probe open\n", 0o755),
        *(f(f"t/{name}", "content") for name in ("a", "b", "c", "d", "sub/e", "sub/f", "jail/t/a", "jail/g")),
        *(f(f"volume/{name}", "content") for name in ("v", "w")),
        link("t/link", "a"),
        link("t/loop", "sub"),
    ]
    with loaded(engine, "probe", [*folders(members, open_ones=("t",)), *members]) as tag:
        yield tag


@pytest.fixture(scope="module", params=["strace", "notify", "ebpf"])
def sidecar(engine: Engine, tracer_image: str, request: pytest.FixtureRequest) -> Iterator[Sidecar]:
    """One for the tests that do it no harm, for each source of lookups."""
    with with_backend(engine, tracer_image, request.param) as running:
        yield running


@contextmanager
def with_backend(
    engine: Engine, tracer_image: str, name: str, *, lookups: str = "all", allow_incomplete: bool = False
) -> Iterator[Sidecar]:
    """A sidecar with that backend; the test is skipped where this machine cannot take an eBPF program of our kind."""
    with ExitStack() as stack:
        try:
            sidecar = stack.enter_context(
                Sidecar(engine, tracer_image, name, lookups=lookups, allow_incomplete=allow_incomplete)
            )
        except SlimError as error:
            if name != "ebpf" or takes_ebpf():
                raise
            pytest.skip(error.what)
        yield sidecar


def takes_ebpf() -> bool:
    """Whether this machine has all that our eBPF program needs, so that one which does not load is a broken one."""
    lockdown = Path("/sys/kernel/security/lockdown")
    release = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    return (
        Path("/sys/kernel/btf/vmlinux").exists()
        and release >= (5, 11)
        and not (lockdown.exists() and "[confidentiality]" in lockdown.read_text())
        and Path("/proc/self/ns/pid").readlink() == Path(f"pid:[{0xEFFFFFFC}]")  # the kernel's first one: proc_ns.h
    )


@contextmanager
def loaded(
    engine: Engine, name: str, members: Iterable[Item], config: dict[str, object] | None = None
) -> Iterator[str]:
    """The tag of an image of one layer with these files, while inside."""
    tag = engine.temporary_tag("test", name)
    engine.load_stream(iter([image_of(tag, tar(*members), {"Cmd": None, **(config or {})})]))
    try:
        yield tag
    finally:
        engine.untag(tag)


def program(name: str, source: Path) -> Item:
    """An executable file of this machine for `tar`."""
    return f(name.lstrip("/"), source.read_bytes(), 0o755)


def folders(members: Iterable[Item], open_ones: tuple[str, ...] = ()) -> list[Item]:
    """The directories that the members lie in; all may write into `open_ones`."""
    names = {str(parent) for member, _ in members for parent in Path(member.name).parents} - {"."}
    return [d(name, 0o777 if name in open_ones else 0o755) for name in sorted(names)]
