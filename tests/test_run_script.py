"""./run: what it asks for, what it leaves alone, and an engine's life on a used machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from slimtasks.spec.loading import load

ROOT = Path(__file__).parent.parent
TOOLS = ("bash", "cat", "cmp", "dirname", "flock", "grep", "head", "id", "readlink", "rm", "sed", "tail")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what ./run itself consists of."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    for name in ("run", "scripts/engine.sh", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with the tools of a bare Debian, a python3 without venv, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or name)
    program(folder / "python3", f'case "$*" in *ensurepip*) exit 1 ;; esac; exec {sys.executable} "$@"')
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def bash(checkout: Path, script: str, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs `script` with the functions of ./run, as a user for whom no engine answers unless it says otherwise."""
    user = f"is_root() {{ return 1; }}; socket=/nonexistent; python={sys.executable}"
    line = f". ./run; . scripts/engine.sh; {user}; {script}"
    env = {"PATH": os.environ["PATH"], "HOME": str(checkout), **environ}
    return subprocess.run(["bash", "-c", line, "bash", *args], cwd=checkout, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("", True),
        ("nginx", True),
        ("-n 2 nginx", True),
        ("clean nginx", True),
        ("test", True),
        ("test -k spec", True),
        ("lint nginx", True),
        ("list --all", False),
        ("help run", False),
        ("why nginx /etc/passwd", False),
        ("clean --help", False),
        ("lint typecheck", False),
        ("test -m 'not engine'", False),
    ],
)
def test_only_what_builds_needs_an_engine(checkout: Path, line: str, needed: bool) -> None:
    assert bash(checkout, f"needs_engine {line}").returncode == (0 if needed else 1)


@pytest.mark.parametrize(("line", "called"), [("why a /b", "doit why a /b"), ("corpus -n 2", "doit -n 2 web report")])
def test_doit_is_called_by_its_name(checkout: Path, line: str, called: str) -> None:
    """Its messages say how to go on by the name that it was called by."""
    (checkout / "images/web").mkdir(parents=True)
    (checkout / ".venv/bin").mkdir(parents=True)
    program(checkout / ".venv/bin/doit", 'echo "${0##*/} $*"')
    assert bash(checkout, f"prepare() {{ :; }}; main {line}").stdout == f"{called}\n"


def test_the_corpus_is_every_image_that_can_run_here(checkout: Path) -> None:
    for name in ("web", "tracer", "tracer-arm64"):
        (checkout / "images" / name).mkdir(parents=True)
    assert bash(checkout, "corpus").stdout.split() == ["tracer", "web"]


def test_ci_takes_every_sample_by_turns() -> None:
    repo = load(ROOT, {})
    text = (ROOT / ".ci/run").read_text()
    turns = re.search(r"^samples=\((.*?)\)", text, re.MULTILINE | re.DOTALL)
    samples = {image.name for image in repo.images if image.kind == "slim"} - {*repo.default}
    assert turns and sorted(turns[1].split()) == sorted(samples)


def test_a_user_gets_the_line_to_paste(checkout: Path, bare: Path) -> None:
    for name in ("apt-get", "dpkg"):
        program(bare / name, "exit 1")
    got = bash(checkout, "set_up list", PATH=str(bare))
    assert got.stderr.splitlines()[-1] == "    sudo apt install --no-install-recommends python3-venv"
    got = bash(checkout, "set_up", PATH=str(bare))
    engine = "" if Path("/usr/sbin/dockerd").exists() else " docker.io iptables ca-certificates"
    assert got.stderr.splitlines()[-1].startswith(
        f"    sudo apt install --no-install-recommends python3-venv mmdebstrap uidmap{engine}"
    )
    assert (got.returncode, (checkout / ".venv").exists()) == (1, False)


def test_root_installs_and_an_apt_that_fails_is_shown(checkout: Path, bare: Path) -> None:
    program(bare / "apt-get", 'echo "$*"; echo "E: no space left"; exit 100')
    program(bare / "dpkg", "")
    got = bash(checkout, "is_root() { return 0; }; set_up list", PATH=str(bare))
    assert got.returncode == 1
    assert (
        "install --no-install-recommends python3-venv\nE: no space left\n./run: apt-get could not install" in got.stderr
    )


def test_elsewhere_one_line_says_what_to_install(checkout: Path, bare: Path) -> None:
    program(bare / "python3", f'exec {sys.executable} "$@"')
    got = bash(checkout, 'start_engine ""', PATH=str(bare))
    says = "no container engine answers at /nonexistent: install and start Docker 20.10 or newer, or set DOCKER_HOST"
    assert (got.stderr, got.returncode) == (f"./run: {says}\n", 1)


def test_an_old_python_is_refused(checkout: Path, bare: Path) -> None:
    program(bare / "python3", 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac')
    got = bash(checkout, "set_up list", PATH=str(bare))
    assert got.stderr == "./run: needs Python 3.10 or newer, found Python 3.9.2: install python3.10 to python3.13\n"
    assert got.returncode == 1


def test_venv_is_kept_until_what_it_was_made_from_changes(checkout: Path) -> None:
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/python").symlink_to(sys.executable)
    current = "venv_is_current"
    assert bash(checkout, current).returncode != 0
    assert bash(checkout, f"venv_origin >.venv/origin; {current}").returncode == 0
    moved = checkout.rename(checkout.with_name("moved"))
    assert bash(moved, current).returncode == 1
    checkout = moved.rename(checkout)
    assert bash(checkout, current).returncode == 0
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# newer\n")
    assert bash(checkout, current).returncode == 1


@pytest.mark.parametrize(
    ("environ", "config", "named"),
    [
        ({}, "", False),
        ({}, '{"currentContext": "default"}', False),
        ({}, '{"currentContext": "desktop-linux"}', True),
        ({"DOCKER_CONTEXT": "default"}, '{"currentContext": "desktop-linux"}', False),
        ({"DOCKER_CONTEXT": "far"}, "", True),
        ({"DOCKER_HOST": "ssh://far"}, "", True),
    ],
)
def test_a_named_engine_is_not_ours_to_start(checkout: Path, environ: dict[str, str], config: str, named: bool) -> None:
    if config:
        (checkout / ".docker").mkdir()
        (checkout / ".docker/config.json").write_text(config)
    assert bash(checkout, "engine_is_named", **environ).returncode == (0 if named else 1)


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Path]:
    """A socket where every second request is answered with 200, the others with 500."""
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            for status in ("200 OK", "500 no"):
                with server.accept()[0] as client:
                    client.recv(100)
                    client.sendall(f"HTTP/1.0 {status}\r\n\r\n".encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path


def test_an_engine_answers_or_not(checkout: Path, answering: Path, tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(dead))
    ask = "socket=$1; engine_answers"
    assert [bash(checkout, ask, str(path)).returncode for path in (answering, answering, dead, tmp_path / "none")] == [
        *(0, 3),
        *(1, 1),
    ]


def test_stop_ends_nothing_that_it_did_not_start(checkout: Path) -> None:
    stop = "state=state; mkdir -p state; is_root() { return 0; }; stop_engine"
    assert "has started none" in bash(checkout, stop).stderr
    with subprocess.Popen(["sleep", "60"]) as innocent:
        record = f"{innocent.pid} 1 {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
        (checkout / "state/engine").write_text(f"{record} /elsewhere\n")
        assert "/elsewhere/run has started it" in bash(checkout, stop).stderr
        (checkout / "state/engine").write_text(f"{record} {checkout}\n")
        assert "has ended" in bash(checkout, stop).stderr
        assert (innocent.poll(), (checkout / "state/engine").exists()) == (None, False)
        assert bash(checkout, f"state=state; record {innocent.pid}; started_by_us").returncode == 0
        innocent.kill()


# --- a dockerd of its own, on the default paths of a machine of its own


@pytest.fixture
def machine(checkout: Path, tmp_path: Path) -> Iterator[Path]:
    """A script for `alone`: own processes, network, /run, /var/lib/docker; as root."""
    if os.geteuid() or not shutil.which("dockerd"):
        pytest.skip("starts a second dockerd: needs root and Debian's docker.io")
    data = tmp_path / "data"
    data.mkdir()
    script = tmp_path / "machine"
    script.write_text(
        f"""set -e
mount --make-rprivate /
mount -t tmpfs none /run
mkdir /run/lock
mount --bind {data} /var/lib/docker
unset DOCKER_HOST DOCKER_CONTEXT
export HOME=/nonexistent
cd {checkout}
. ./run
. scripts/engine.sh
python={sys.executable}
alive() {{ echo $(cat /proc/[0-9]*/comm | grep -E '^(dockerd|containerd|sleep)' | sort); }}
kill_dockerd() {{
    kill -9 $(cat /run/docker.pid)
    while is_running $(cat /run/docker.pid) dockerd; do sleep 0.1; done
}}
"""
    )
    yield script
    shutil.rmtree(data, ignore_errors=True)


def alone(machine: Path, script: str) -> subprocess.CompletedProcess[str]:
    with machine.open("a") as file:
        file.write(script)
    command = ["unshare", "-m", "-n", "-p", "--fork", "--mount-proc", "bash", str(machine)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


@pytest.mark.engine
def test_an_engine_is_started_and_stopped(machine: Path) -> None:
    got = alone(machine, 'start_engine ""; engine_answers; start_engine ""; alive; stop_engine; alive')
    assert (got.stdout, got.returncode) == ("containerd dockerd\n\n", 0), got.stderr
    assert got.stderr.count("starting dockerd") == 1


@pytest.mark.engine
def test_an_engine_starts_over_what_a_killed_one_left(machine: Path) -> None:
    got = alone(
        machine,
        """
start_engine ""; kill_dockerd
sleep 77 & echo -n $! | tee /run/docker.pid >$containerd/containerd.pid
mkdir -p /run/containerd
$python -c 'import socket; socket.socket(socket.AF_UNIX).bind("/run/containerd/containerd.sock")'
start_engine ""; alive
""",
    )
    assert (got.stdout, got.returncode) == ("containerd dockerd sleep\n", 0), got.stderr


@pytest.mark.engine
def test_a_containerd_that_outlived_its_dockerd_is_replaced(machine: Path) -> None:
    got = alone(
        machine,
        """
start_engine ""; kill_dockerd; sleep 0.5
setsid containerd --config $containerd/containerd.toml >/run/log 2>&1 & left=$!
echo -n $left >$containerd/containerd.pid
start_engine ""; alive; ! is_running $left containerd
""",
    )
    assert (got.stdout, got.returncode) == ("containerd dockerd\n", 0), got.stderr


@pytest.mark.engine
def test_a_dockerd_that_does_not_start_is_quoted(machine: Path) -> None:
    got = alone(machine, 'mkdir /run/docker.sock; start_engine ""')
    assert got.returncode == 1
    assert "can't create unix socket /var/run/docker.sock" in got.stderr
    assert "no engine answers at /var/run/docker.sock; dockerd's last words stand above" in got.stderr


@pytest.mark.engine
def test_two_calls_start_one_engine(machine: Path) -> None:
    got = alone(machine, '(start_engine "") & start_engine ""; wait %1; alive')
    assert (got.stdout, got.returncode) == ("containerd dockerd\n", 0), got.stderr
