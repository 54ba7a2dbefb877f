"""images/<name>/packages.lock: a bootstrap installs exactly what it names, or says why not."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from debian_repository import SUITE, Repository

from slimtasks.engine.client import Engine
from slimtasks.errors import BuildError, SlimError
from slimtasks.sources.bootstrap import bootstrap
from slimtasks.sources.package_lock import (
    Installed,
    PackagesLock,
    fitting,
    packages_lock_text,
    read_packages_lock,
)
from slimtasks.spec import Bootstrap

pytest_plugins = ("engine_images",)
SHOWN = "images/small/packages.lock"
DIGEST = "0" * 64
LOCK = PackagesLock("bookworm", "amd64", 1700000000, (Installed("apt", "2.6.1", "amd64", DIGEST),))


def ignore(line: str) -> None:
    """Nobody watches."""


@pytest.fixture
def repository(tmp_path: Path, busybox: Path) -> Repository:
    tmp_path.chmod(0o755)
    return Repository(tmp_path / "repository", busybox)


def made(repository: Repository, engine: Engine, locked: tuple[Installed, ...] = ()) -> tuple[Installed, ...]:
    wanted = Bootstrap(SUITE, variant="essential", include=("tiny",), mirror=repository.mirror)
    return bootstrap(wanted, repository.folder / "tree.tar", engine, os.environ, ignore, SHOWN, locked)


@pytest.mark.engine  # in a container, where this machine has no mmdebstrap
def test_what_a_lock_pins(repository: Repository, engine: Engine) -> None:
    repository.publish("tiny", "1.0")
    locked = made(repository, engine)
    assert [(one.name, one.version) for one in locked] == [("ground", "1"), ("tiny", "1.0")]
    assert made(repository, engine, locked) == locked
    with tarfile.open(repository.folder / "tree.tar") as tar:
        assert [name for name in tar.getnames() if "preferences.d/" in name] == []

    repository.publish("tiny", "2.0")
    with pytest.raises(BuildError) as lacking:
        made(repository, engine, locked)
    assert lacking.value.what.endswith(f"the mirror lacks 1 package of {SHOWN}\n  tiny 1.0, instead it has 2.0")
    assert lacking.value.hint.startswith("`doit update small` fetches what is newest, and writes the lock anew")
    with pytest.raises(BuildError, match=rf"than {SHOWN} names\n  tiny 2.0: not in the lock"):
        made(repository, engine, locked[:1])
    assert made(repository, engine)[1].version == "2.0"


def test_a_lock_as_text(tmp_path: Path) -> None:
    path = tmp_path / "packages.lock"
    assert read_packages_lock(path, SHOWN) is None
    path.write_text(packages_lock_text("small", LOCK))
    lines = path.read_text().splitlines()
    assert lines[2:] == ["bootstrap bookworm amd64 fetched 2023-11-14T22:13:20Z", f"apt 2.6.1 amd64 {DIGEST}"]
    assert read_packages_lock(path, SHOWN) == LOCK


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", f"{SHOWN}:1: found nothing; allowed: bootstrap SUITE ARCHITECTURE fetched DATE"),
        ("apt 1\n", f"{SHOWN}:1: found 'apt 1'; allowed: bootstrap SUITE"),
        ("bootstrap a b fetched 2023-11-14T22:13:20Z\n", f"{SHOWN}:2: found nothing; allowed: a line for each package"),
        ("#\nbootstrap a b fetched 2023-11-14T22:13:20Z\napt 1 amd64\n", f"{SHOWN}:3: found 'apt 1 amd64'; allowed"),
        ("bootstrap a b fetched 2023-99-14T22:13:20Z\napt\n", f"{SHOWN}:1: found 'bootstrap a b fetched 2023-99"),
    ],
)
def test_what_is_no_lock(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "packages.lock"
    path.write_text(text)
    with pytest.raises(SlimError) as error:
        read_packages_lock(path, SHOWN)
    assert error.value.what.startswith(what)


def test_a_lock_of_something_else() -> None:
    assert fitting(LOCK, SHOWN, "bookworm", "amd64") == LOCK.packages
    with pytest.raises(SlimError, match="is of the architecture amd64; this bootstrap is of arm64"):
        fitting(LOCK, SHOWN, "bookworm", "arm64")
    with pytest.raises(SlimError, match="is of the suite bookworm; this bootstrap is of trixie"):
        fitting(LOCK, SHOWN, "trixie", "amd64")
