"""When a repair writes one rule for many paths."""

from __future__ import annotations

import pytest
from small_trees import entries

from slimtasks.records import ImagePath, Package
from slimtasks.repair.grouping import MOST_BESIDES, parts_of
from slimtasks.repair.lines import Line
from slimtasks.selection import Inputs
from slimtasks.selection.image import FatImage

TREE = f"""
/etc/passwd size=100
/etc/group size=100
/etc/shadow size=100
/etc/secret size=100
/etc/ssl/certs/A.pem size=1000
/etc/ssl/certs/B.pem size=1000
/usr/share/ca-certificates/A.crt size=1000
/usr/lib/python3/toml/__init__.py size=1000
/usr/lib/python3/toml/decode.py size=5000
/usr/lib/python3/toml/encode.py size=5000
/usr/lib/python3/toml/__pycache__/decode.pyc size=5000
/usr/lib/python3/other.py size=10
/usr/bin/one package=tools size=10
/usr/sbin/two package=tools size=20
/usr/libexec/tools/three package=tools size=30
/usr/share/tools/data package=tools size={MOST_BESIDES}
/usr/bin/four package=big size=10
/usr/sbin/five package=big size=10
/usr/libexec/six package=big size=10
/usr/share/big package=big size={MOST_BESIDES + 1}
"""


def told(paths: str, kept: tuple[str, ...] = ()) -> list[str]:
    packages = tuple(Package(name, "1", "amd64") for name in ("deb/tools", "deb/big"))
    image = FatImage(Inputs(entries(TREE), (), packages=packages))
    lost = [(ImagePath(path), Line("keep", path)) for path in paths.split()]
    return [f"{part.line.key}: {part.line.text} ({part.size})" for part in parts_of(lost, image, kept)]


@pytest.mark.parametrize(
    ("paths", "lines"),
    [
        ("/etc/passwd", ["keep: /etc/passwd (100)"]),
        ("/usr/lib/python3/other.py /etc/passwd", ["keep: /usr/lib/python3/other.py (10)", "keep: /etc/passwd (100)"]),
        # never a pattern for all of /etc, whatever is in it
        ("/etc/passwd /etc/group /etc/shadow", [f"keep: /etc/{name} (100)" for name in ("group", "passwd", "shadow")]),
        # all of a folder, with what is below it
        (
            " ".join(
                f"/usr/lib/python3/toml/{name}" for name in ("__init__.py", "decode.py", "__pycache__/decode.pyc")
            ),
            ["keep: /usr/lib/python3/toml/** (16000)"],
        ),
        ("/usr/bin/one /usr/sbin/two /usr/libexec/tools/three", [f"keep-packages: tools ({MOST_BESIDES + 60})"]),
        # the rest of that package is too large
        (
            "/usr/bin/four /usr/sbin/five /usr/libexec/six",
            ["keep: /usr/bin/four (10)", "keep: /usr/libexec/six (10)", "keep: /usr/sbin/five (10)"],
        ),
        (
            "/etc/ssl/certs/A.pem /etc/ssl/certs/B.pem /usr/share/ca-certificates/A.crt /etc/passwd",
            ["keep: /etc/passwd (100)", "keep-presets: certificates (3000)"],
        ),
    ],
)
def test_the_lines(paths: str, lines: list[str]) -> None:
    assert told(paths) == lines


def test_a_link_and_what_it_leads_to_are_one_line_already() -> None:
    image = FatImage(Inputs(entries("/bin -> usr/bin\n/usr/bin/sh -> dash\n/usr/bin/dash size=9"), ()))
    line = Line("keep", "/bin/sh")
    lost = [(ImagePath(path), line) for path in ("/bin", "/usr/bin/sh", "/usr/bin/dash")]
    assert [part.line for part in parts_of(lost, image, ())] == [line]


def test_what_stays_anyway_is_not_besides() -> None:
    paths = "/usr/bin/four /usr/sbin/five /usr/libexec/six"
    assert told(paths, ("/usr/share/big",)) == ["keep-packages: big (30)"]
