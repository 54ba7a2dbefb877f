from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from slimtasks.trace.gate import is_ours, started_command

pytest_plugins = ["trace_images"]


def released(programs: Path, command: list[str], **environment: str) -> tuple[int, str, str]:
    """Starts the gate, sees that it waits, and lets it go."""
    gate = [str(programs / "gate"), *command]
    with subprocess.Popen(gate, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(0.15)
        assert process.poll() is None
        while process.poll() is None:  # a signal that comes before the gate waits is nothing to it
            process.send_signal(signal.SIGURG)
            time.sleep(0.02)
        stdout, stderr = process.communicate(timeout=10)
    return process.returncode, stdout, stderr


def test_it_is_small_and_needs_nothing(programs: Path) -> None:
    content = (programs / "gate").read_bytes()
    assert len(content) < 2048
    assert b"ld-linux" not in content


def test_it_becomes_the_program(programs: Path) -> None:
    status, stdout, _ = released(
        programs, ["sh", "-c", "grep SigBlk /proc/self/status; echo $X $0; exit 3", "arg"], X="y"
    )
    assert (status, stdout) == (3, "SigBlk:\t0000000000000000\ny arg\n")


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["missing"], 127, "missing: not found\n"),
        (["./missing"], 127, "./missing: not found\n"),
        (["/etc/passwd/x"], 127, "/etc/passwd/x: not found\n"),
        ([""], 127, ": not found\n"),
        (["/etc/passwd"], 126, "/etc/passwd: cannot be executed\n"),
        (["/etc"], 126, "/etc: cannot be executed\n"),
        ([], 127, "no program to start\n"),
    ],
)
def test_what_cannot_start_ends_like_in_a_shell(programs: Path, command: list[str], status: int, said: str) -> None:
    assert released(programs, command) == (status, "", said)


def test_it_searches_the_path(programs: Path, tmp_path: Path) -> None:
    for name, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text(f"#!/bin/sh\necho {name}\n")
        (tmp_path / name / "tool").chmod(mode)
    path = f"{tmp_path}/none:{tmp_path}/first:{tmp_path}/second"
    assert released(programs, ["tool"], PATH=path)[:2] == (0, "second\n")
    assert released(programs, ["tool"], PATH=f"{tmp_path}/first")[0] == 126
    assert released(programs, ["tool"], PATH="")[0] == 127


@pytest.mark.parametrize(
    ("entrypoint", "command", "expected"),
    [
        (None, None, ("entry", "cmd")),
        (None, ("x",), ("entry", "x")),
        (None, (), ("entry", "cmd")),
        (("e",), None, ("e",)),
        (("e",), ("x",), ("e", "x")),
        ((), ("x",), ("x",)),
        ((), None, ()),
    ],
)
def test_what_a_container_starts(
    entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None, expected: tuple[str, ...]
) -> None:
    image = {"Config": {"Entrypoint": ["entry"], "Cmd": ["cmd"]}}
    assert started_command(image, entrypoint, command) == expected


def test_an_image_without_anything() -> None:
    assert started_command({"Config": {"Entrypoint": None, "Cmd": None}}, None, None) == ()


def test_ours() -> None:
    assert [path for path in ("/.slimtasks-gate", "/.slimtasks", "/x/.slimtasks-gate", os.sep) if is_ours(path)] == [
        "/.slimtasks-gate"
    ]
