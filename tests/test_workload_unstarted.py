"""What engines, runtimes and the gate say of a program that did not start."""

from __future__ import annotations

import pytest

from slimtasks.workload.launcher import Exit
from slimtasks.workload.unstarted import in_words, unstarted

OCI = "OCI runtime exec failed: exec failed: unable to start container process: "
SAID = {
    (
        126,
        OCI + 'exec: "nope": executable file not found in $PATH: unknown',
        "",
    ): "the image has no nope in its PATH",
    (126, OCI + 'exec: "/x": stat /x: no such file or directory: unknown\r\n', ""): "the image has no /x",
    (
        126,
        OCI + 'exec: "/x/y": stat /x/y: not a directory: unknown: Are',
        "",
    ): "the image has no /x/y",
    (126, OCI + 'exec: "/x": permission denied: unknown', ""): "/x is no file that may be executed",
    (126, OCI + "something new: unknown", ""): "something new: unknown",
    (1, "", "exec /x: no such file or directory\n"): "the image has no /x, or not the interpreter that it names",
    (1, "", "exec /x: exec format error\n"): "/x is no program for this machine",
    (127, "crun: executable file `nope` not found in $PATH: No such file", ""): "the image has no nope in its PATH",
    (127, "", "nope: not found\n"): "the image has no nope in its PATH",
    (127, "", "/x: not found\n"): "the image has no /x, or not the interpreter that it names",
    (126, "nope: cannot be executed\r\n", ""): "nope is no file that may be executed, or no program for this machine",
    (127, "", "sh: 1: nope: not found\n"): "",
    (127, "", "bash: line 1: nope: command not found\n"): "",
    (127, "words\n", "nope: not found\n"): "",
    (1, "", "nope: not found\n"): "",
    (0, "exec /x: done\n", ""): "",
    (127, "", ""): "",
}


@pytest.mark.parametrize("ended", SAID)
def test_the_end_of_a_command(ended: tuple[int, str, str]) -> None:
    status, stdout, stderr = ended
    assert unstarted(Exit(status, stdout.encode(), stderr.encode())) == SAID[ended]


def test_what_is_about_something_else_stays() -> None:
    assert in_words("unable to find user nobody-here: no matching entries in passwd file").startswith("unable to find")
    assert in_words("exec /x: exec format error") == "/x is no program for this machine"
