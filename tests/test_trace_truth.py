"""What processes did, however they hid: the whole of it was seen, by each of the sources that are to see it."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tars import d, f, link
from trace_images import folders, loaded, program, with_backend
from traced import below, dump, probe, traced

from slimtasks.engine.client import Engine
from slimtasks.trace.sidecar import Sidecar

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images", "trace_images"]

HERE = Path(__file__).parent
BACKENDS = ("strace", "notify", "ebpf")
# What the probe does before its first verb.
ALWAYS = dump("""
    /probe: exec fanotify, exec lookups
    /proc/self/exe: readlink lookups
""")


@pytest.fixture(scope="module", params=BACKENDS)
def sidecar(engine: Engine, tracer_image: str, request: pytest.FixtureRequest) -> Iterator[Sidecar]:
    """One for each backend. What is not complete ends nothing: the tests compare the reasons."""
    with with_backend(engine, tracer_image, request.param, allow_incomplete=True) as running:
        yield running


@pytest.fixture(scope="module")
def truth_image(engine: Engine, programs: Path) -> Iterator[str]:
    """The tag of an image with nothing but the probe in several guises, two programs without libc, and a few files."""
    bare = ["gcc", "-O1", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pic", "-no-pie"]
    members = [
        program("/probe", programs / "probe"),
        *(f(f"t/{name}", "content") for name in ("a", "b", "one/config", "two/config", "jail/t/a", "jail/g", "sub/e")),
        f("t/secret", "content", 0o600),
        f("volume/v", "content"),
        link("t/link", "a"),
    ]
    content = members[0][1]
    members += [f("setuid", content, 0o4755), f("unreadable", content, 0o711), f("script", "#!/probe open\n", 0o755)]
    for bits in BITS:
        made = programs / f"bare{bits}"
        subprocess.run([*bare, f"-m{bits}", "-o", str(made), str(HERE / "bare.c")], check=True)
        members.append(program(f"/{made.name}", made))
    with loaded(engine, "truth", [*folders(members, open_ones=("t",)), d("scratch", 0o777), *members]) as tag:
        yield tag


BITS = (64, 32) if platform.machine() == "x86_64" else ()


@dataclass(frozen=True)
class Truth:
    """What the probe is told to do and, but for what it always does, the exact set of what it uses by that.

    `uses` is what is seen with every backend.
    """

    line: str
    uses: str
    more: dict[str, object] = field(default_factory=dict)  # of its container
    reasons: dict[str, str] = field(default_factory=dict)  # backend -> why it has to say that it is not complete
    only: dict[str, str] = field(default_factory=dict)  # backend -> what that alone sees besides
    instead: dict[str, str] = field(default_factory=dict)  # backend -> what it sees, where that is another


ADMIN: dict[str, object] = {"cap_add": ("SYS_ADMIN",), "security_opt": ("apparmor=unconfined",)}
FREE: dict[str, object] = {"security_opt": ("apparmor=unconfined", "seccomp=unconfined")}
OPENED = "read fanotify, read lookups"
RINGS = ("ring", "worker-ring", "poll-ring")

TRUTHS = {
    "fork": Truth("fork open /t/a fork stat /t/b", f"/t/a: {OPENED}\n/t/b: stat lookups"),
    "daemon": Truth("reap detach open /t/a stat /t/none", f"/t/a: {OPENED}\n/t/none: miss lookups"),
    "daemon of a daemon": Truth(
        "reap detach chdir /t detach vfork exec /probe stat a open sub/e",
        f"/t: stat lookups\n/t/a: stat lookups\n/t/sub/e: {OPENED}\n/probe: exec lookups, exec fanotify",
    ),
    "other user": Truth(
        "fork setuid 65534 open /t/a open /t/secret",
        f"/t/a: {OPENED}\n/t/secret: stat lookups",
        instead={"notify": f"/t/a: {OPENED}\n/t/secret: read lookups"},  # it is asked before it is refused
    ),
    "setuid program": Truth(
        "exec /setuid open /t/secret stat /t/a",
        f"/setuid: exec fanotify, exec lookups\n/t/secret: {OPENED}\n/t/a: stat lookups\n/etc/suid-debug: miss lookups",
        {"user": "65534"},
        reasons={"notify": "/probe executes a file that would give it other rights"},
        instead={
            "notify": "/setuid: exec fanotify, exec lookups\n/t/secret: read lookups\n/t/a: stat lookups",
        },
    ),
    "unreadable program": Truth(
        "exec /unreadable open /t/a stat /t/b",
        f"/unreadable: exec fanotify, exec lookups\n/t/a: {OPENED}\n/t/b: stat lookups",
        {"user": "65534"},
    ),
    "undumpable": Truth(
        "undumpable open /t/a stat /t/b fork stat /t/none",
        f"/t/a: {OPENED}\n/t/b: stat lookups\n/t/none: miss lookups",
        {"user": "65534"},
    ),
    "thread": Truth("thread open /t/a stat /t/b", f"/t/a: {OPENED}\n/t/b: stat lookups"),
    "thread moves all": Truth(
        "chdir /t by-thread chdir one open config stat ../a",
        f"/t: stat lookups\n/t/one: stat lookups\n/t/one/config: {OPENED}\n/t/one/../a: stat lookups",
    ),
    "thread moves alone": Truth(
        "chdir /t by-lone-thread chdir one open sub/e stat a",
        f"/t: stat lookups\n/t/one: stat lookups\n/t/sub/e: {OPENED}\n/t/a: stat lookups",
        ADMIN,
    ),
    "process moves another": Truth(
        "chdir /t by-clone chdir one open config stat ../a",
        f"/t: stat lookups\n/t/one: stat lookups\n/t/one/config: {OPENED}\n/t/one/../a: stat lookups",
    ),
    "thread that becomes a program": Truth(
        "chdir /t thread-exec /probe open a",
        f"/t: stat lookups\n/probe: exec fanotify, exec lookups\n/t/a: {OPENED}",
    ),
    "program by descriptor": Truth("fexec /setuid open /t/a", f"/setuid: exec fanotify, stat lookups\n/t/a: {OPENED}"),
    "script": Truth(
        "exec /script stat /t/a",
        f"/script: exec fanotify, exec lookups, {OPENED}\n/t/a: stat lookups",
    ),
    "same name twice": Truth(
        "chdir /t/one open config stat none chdir /t/two open config stat none",
        f"/t/one: stat lookups\n/t/one/config: {OPENED}\n/t/one/none: miss lookups\n"
        f"/t/two: stat lookups\n/t/two/config: {OPENED}\n/t/two/none: miss lookups",
    ),
    "same name, two threads": Truth(
        "race /t/one /t/two",
        f"/t/one: stat lookups\n/t/one/config: {OPENED}, stat lookups\n/t/one/none: miss lookups\n"
        f"/t/two: stat lookups\n/t/two/config: {OPENED}, stat lookups\n/t/two/none: miss lookups",
        ADMIN,
    ),
    "same name, two descriptors": Truth(
        "at /t/one config at /t/two config",
        "/t/one: stat lookups\n/t/one/config: stat lookups\n/t/two: stat lookups\n/t/two/config: stat lookups",
    ),
    "chroot": Truth(
        "chroot /t/jail open /t/a stat /g stat /t/none stat ../../g",
        f"/t/jail: stat lookups\n/t/jail/t/a: {OPENED}\n/t/jail/g: stat lookups\n/t/jail/t/none: miss lookups\n"
        "/../../g: miss lookups",
    ),
    "open in a root": Truth("in-root /t/jail /t/a", f"/t/jail: stat lookups\n/t/jail/t/a: {OPENED}"),
    "pid namespace": Truth("pid-namespace open /t/a fork stat /t/b", f"/t/a: {OPENED}\n/t/b: stat lookups", ADMIN),
    "pid namespace in another": Truth(
        "pid-namespace pid-namespace reap detach open /t/a stat /t/b", f"/t/a: {OPENED}\n/t/b: stat lookups", ADMIN
    ),
    "user namespace": Truth(
        "user-namespace open /t/a fork stat /t/b", f"/t/a: {OPENED}\n/t/b: stat lookups", {"user": "65534", **FREE}
    ),
    "mount namespace": Truth("unshare open /t/a stat /t/b", f"/t/a: {OPENED}\n/t/b: stat lookups", ADMIN),
    "traces itself": Truth(
        "trace-me open /t/a stat /t/b",
        "",
        reasons={"strace": "ptrace"},  # who is traced by strace cannot be traced by another; the probe then gives up
        only=dict.fromkeys(("ebpf", "notify"), f"/t/a: {OPENED}\n/t/b: stat lookups"),
    ),
    "mounted at another place": Truth(
        "unshare bind-mount /t/one:/t/two stat /t/two/config stat /t/two/none",
        "/t/one: stat lookups\n/t/two: stat lookups\n/t/two/config: stat lookups\n/t/one/config: stat lookups\n"
        "/t/two/none: miss lookups\n/t/one/none: miss lookups",
        ADMIN,
    ),
    "a part of it at a third": Truth(
        "unshare bind-mount /t:/volume bind-mount /volume/one:/t/jail chroot /t/jail stat /config",
        "/t: stat lookups\n/volume: stat lookups\n/volume/one: stat lookups\n/t/one: stat lookups\n"
        "/t/jail: stat lookups\n/t/jail/config: stat lookups\n/volume/one/config: stat lookups\n"
        "/t/one/config: stat lookups",
        ADMIN,
    ),
    **{
        f"io_uring opens, {ring}": Truth(
            f"chdir /t {ring} open a {ring} openat2 /t/b {ring} open none {ring} create new",
            "/t: stat lookups\n/t/a: read fanotify\n/t/b: read fanotify\n/t/new: read fanotify",
            FREE,
            {"strace": "io_uring", "notify": "io_uring"},
            # Nobody knows what comes of a request when it is made: a miss is told as any other look.
            {"ebpf": "/t/a: stat lookups\n/t/b: stat lookups\n/t/none: stat lookups\n/t/new: create lookups"},
        )
        for ring in RINGS
    },
    **{
        f"io_uring looks and changes, {ring}": Truth(
            f"{ring} stat /t/a chdir /t {ring} mkdir made {ring} symlink /t/sym {ring} link b {ring} rename b.2 "
            f"{ring} unlink b.2.2",
            "/t: stat lookups",
            FREE,
            {"strace": "io_uring", "notify": "io_uring"},
            {
                "ebpf": "/t/a: stat lookups\n/t/made: create lookups\n/t/sym.2: create lookups\n/t/b: stat lookups\n"
                "/t/b.2: create lookups, rename lookups\n/t/b.2.2: rename lookups, remove lookups"
            },
        )
        for ring in RINGS
    },
    # strace does not know how far it came, the kernel tells that it was interrupted.
    "killed in a call": Truth(
        "killed /t/pipe",
        "/t/pipe: create lookups",
        only={**dict.fromkeys(("strace", "notify"), "/t/pipe: read lookups"), "ebpf": "/t/pipe: stat lookups"},
    ),
    "32-bit call": Truth("32bit /t/a 32bit /t/none", "/t/a: access lookups\n/t/none: miss lookups"),
    **{
        f"{bits} bits without libc": Truth(
            f"exec /bare{bits} /t/a /t/none",
            f"/bare{bits}: exec fanotify, exec lookups\n/t/a: {OPENED}\n/t/none: miss lookups",
        )
        for bits in BITS
    },
}


@pytest.mark.parametrize("name", TRUTHS)
def test_what_a_process_did(engine: Engine, sidecar: Sidecar, truth_image: str, name: str) -> None:
    truth = TRUTHS[name]
    backend = sidecar.backend.lookups
    recording = traced(engine, sidecar, probe(truth_image, truth.line, **truth.more))
    only = dump(truth.only.get(backend, ""))
    uses = dump(truth.instead.get(backend, truth.uses))
    assert below(recording, "/") == sorted({*ALWAYS, *uses, *only})
    reason = truth.reasons.get(backend)
    assert [reason or "" for _ in recording.incomplete] == [reason] * bool(reason), recording.incomplete
    assert all(reason and reason in said for said in recording.incomplete)


@pytest.mark.parametrize("line", ["pivot /t/jail open /g stat /t/a", "pivot /t/jail chroot /t stat /a chdir / stat a"])
def test_another_root_is_incomplete(engine: Engine, sidecar: Sidecar, truth_image: str, line: str) -> None:
    """After pivot_root(2) a path is one of a tree that may be put together from anything."""
    told = traced(engine, sidecar, probe(truth_image, line, **{**ADMIN, **FREE})).incomplete
    assert [reason for reason in told if "another tree of mounts" in reason], told
