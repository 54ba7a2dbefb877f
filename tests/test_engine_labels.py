from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from slimtasks.engine.labels import Owner, checkout_key, is_left_over, labels, tag_left_over, temporary_tag

HERE, ELSEWHERE = Path("/some/checkout"), Path("/another/checkout")
PRINT_OWNER = "from slimtasks.engine.labels import Owner; print(Owner.current(), flush=True); input()"


def child(*, kill: bool) -> str:
    """The owner that another process was."""
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        owner = process.stdout.readline().decode().strip()
        alive = is_left_over(owner, "", HERE)
        assert not alive, "a live process is never left over"
        if kill:
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert is_left_over(owner, "", HERE), "a zombie is dead"
    return owner


def test_this_process_is_alive_and_reads_back() -> None:
    owner = Owner.current()
    assert owner.alive() is True
    assert Owner.parse(str(owner)) == owner


def test_an_ended_process_is_left_over() -> None:
    assert is_left_over(child(kill=True), "", HERE)


@pytest.mark.parametrize(
    ("changes", "same_checkout", "left_over"),
    [
        ({}, True, False),
        ({"start": "1"}, False, True),  # the pid was given to another process since
        ({"namespace": "1"}, True, False),  # in another container: we cannot see it
        ({"boot": "earlier"}, True, True),  # this machine was restarted
        ({"boot": "earlier"}, False, False),  # another machine, maybe
    ],
)
def test_who_is_dead_for_sure(changes: dict[str, str], same_checkout: bool, left_over: bool) -> None:
    owner = replace(Owner.current(), **changes)
    assert is_left_over(str(owner), checkout_key(HERE if same_checkout else ELSEWHERE), HERE) is left_over


@pytest.mark.parametrize("text", ["", "a.b.c", "a.b.c.d", "a.b.1.", "....", "x"])
def test_what_is_no_owner_is_never_left_over(text: str) -> None:
    assert not is_left_over(text, checkout_key(HERE), HERE)


def test_a_temporary_tag_is_a_valid_reference_and_knows_its_owner() -> None:
    tag = temporary_tag("build", "My_Image--x", HERE, "0123456789ab")
    assert re.fullmatch(r"slimtasks\.local/build/my-image-x:[\w][\w.-]{0,127}", tag)
    assert not tag_left_over(tag, HERE)
    assert tag_left_over(tag.replace(str(Owner.current()), child(kill=True)), HERE)
    assert not tag_left_over("nginx:latest", HERE)


def test_labels_name_run_owner_and_checkout() -> None:
    found = labels(HERE, "run")
    assert sorted(found) == [f"io.github.slimtasks.{name}" for name in ("checkout", "owner", "run")]
    assert checkout_key(HERE) != checkout_key(ELSEWHERE)
