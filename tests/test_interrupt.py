"""Signals that come where an exception is lost."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, signal
from slimtasks.interrupt import Interrupted, check, install

class Last:
    def __init__(self, act):
        self.act = act
    def __del__(self):
        self.act()

install()
Last(lambda: 1 / 0)
Last(lambda: os.kill(os.getpid(), signal.SIGTERM))
try:
    check()
except Interrupted:
    print("told")
"""


def test_in_a_destructor_it_is_told_later_and_other_errors_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "told\n"
    assert done.stderr.count("Exception ignored in") == done.stderr.count("ZeroDivisionError: division by zero") == 1
    assert "Interrupted" not in done.stderr
