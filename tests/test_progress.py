"""What a run shows, where nobody looks."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import sys
from slimtasks.interrupt import Interrupted
from slimtasks.progress import PROGRESS
try:
    PROGRESS.line("one")
except Interrupted:
    sys.stderr.write("told")
PROGRESS.line("two")
"""


def test_a_reader_that_is_gone_ends_the_run_like_an_interrupt_once() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run([sys.executable, "-c", SCRIPT], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"told")
