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


def test_names_that_an_image_chose_are_written_out() -> None:
    script = "from slimtasks.progress import PROGRESS\nPROGRESS.line('a\\x1b[31m \\udcff \\u20ac\\nb')"
    for locale, seen in (
        ("utf-8", b"a\\x1b[31m \\udcff \xe2\x82\xac\nb\n"),
        ("ascii", b"a\\x1b[31m \\udcff \\u20ac\nb\n"),
    ):
        environment = {**os.environ, "PYTHONIOENCODING": locale}
        done = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True)
        assert done.stdout == seen


def test_a_log_gets_every_note_and_a_line_of_progress_a_second() -> None:
    script = "from slimtasks.progress import PROGRESS as p\np('one')\np('two')\np.note('three')\np.note('four')"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"    | one\n    three\n    four\n"


def test_a_reader_that_is_gone_ends_the_run_like_an_interrupt_once() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run([sys.executable, "-c", SCRIPT], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"told")
