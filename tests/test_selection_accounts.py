"""/etc/passwd and /etc/group, where the engine needs them to start a container as it started the fat image's."""

import pytest
from small_trees import accesses, entries, files

from slimtasks.records import ImagePath
from slimtasks.selection import Inputs, select

TREE = """
/bin/app
/etc/passwd
/etc/group
/root/notes
/home/me/notes
"""
CAPTURED = {
    ImagePath("/etc/passwd"): b"root:x:0:0:root:/root:/bin/sh\nme:x:7:7::/home/me:\nnobody:x:9:9::/nonexistent:\n"
    b"app:x:8:8::/nonexistent:\n",
    ImagePath("/etc/group"): b"root:x:0:\nme:x:7:\nnobody:x:9:\ncerts:x:10:app\n",
}


@pytest.mark.parametrize(
    ("user", "stays"),
    [
        ("", "/etc/passwd"),  # HOME=/root
        ("me", "/etc/passwd"),
        ("7", "/etc/passwd"),
        ("9", ""),  # a home that is not there: nothing changes
        ("9:9", ""),
        ("nobody", "/etc/passwd"),
        ("nobody:root", "/etc/group /etc/passwd"),
        ("9:root", "/etc/group"),
        ("8", "/etc/group /etc/passwd"),  # a member of certs
        ("8:8", ""),
        ("1234", ""),
    ],
)
def test_what_the_engine_reads_of_the_accounts_stays(user: str, stays: str) -> None:
    assert kept(user) == stays


def test_the_users_of_run_and_of_final_count() -> None:
    assert kept("9", users=("me", "9")) == "/etc/passwd"
    assert kept("9", users=("9", "9:root")) == "/etc/group"
    assert kept("me", users=("9", "9")) == ""


def test_home_of_the_environment_needs_no_passwd() -> None:
    assert kept("7", env=["HOME=/home/me"]) == ""
    assert kept("me", env=["HOME=/home/me"]) == "/etc/passwd"
    assert kept("7", environments=((("HOME", "/home/me"),), (("HOME", "/"),))) == ""
    assert kept("7", environments=((("HOME", "/home/me"),), ())) == "/etc/passwd"  # of one scenario alone


def test_a_base_with_accounts_of_its_own_tells_the_home() -> None:
    base = entries("/etc/passwd digest=other")
    assert kept("", base=base) == ""


def kept(user: str, env: list[str] | None = None, **more: object) -> str:
    """/etc/passwd and /etc/group as far as they stay."""
    found = select(
        Inputs(
            entries(TREE),
            accesses("exec /bin/app"),
            config={"config": {"User": user, "Env": env or []}},
            captured=CAPTURED,
            granularity="file",
            unowned="traced",
            metadata="none",
            **more,  # type: ignore[arg-type]
        )
    )
    paths = files(found.selected, entries(TREE)).split()
    return " ".join(path for path in paths if path.startswith("/etc/"))
