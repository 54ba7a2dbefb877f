"""A validated spec is kept until something that it was made from changes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slimtasks.errors import SpecError
from slimtasks.spec import cached, loading

SPEC = "from: {dockerfile: Dockerfile}\ntag: 'app:${V:-1}'\nadd: [{source: file, target: /x}]\n"
OLD = 1_600_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repo/images/app"
    folder.mkdir(parents=True)
    (folder / "image.yaml").write_text(SPEC)
    (folder / "Dockerfile").write_text("FROM a\n")
    (folder / "file").write_text("")
    (tmp_path / "repo/pyproject.toml").write_text("")
    _age(tmp_path)
    return tmp_path / "repo"


def _age(root: Path) -> None:
    """Fresh files are not cached."""
    for path in root.rglob("*"):
        os.utime(path, (OLD, OLD))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The roots that were really loaded."""
    roots: list[Path] = []
    real: Callable[..., loading.Loaded] = loading.load_traced

    def counted(root: Path, environ: dict[str, str]) -> loading.Loaded:
        roots.append(root)
        return real(root, environ)

    monkeypatch.setattr(loading, "load_traced", counted)
    return roots


def test_the_same_repo_without_loading(root: Path, loads: list[Path]) -> None:
    cache = root / "build/spec.pickle"
    first = cached(root, {}, cache)
    assert cached(root, {}, cache) == first
    assert loads == [root]
    assert cache.stat().st_mode & 0o777 == 0o600


CHANGES: dict[str, Callable[[Path], object]] = {
    "spec": lambda root: (root / "images/app/image.yaml").write_text(SPEC + "metadata: none\n"),
    "same size": lambda root: (root / "images/app/image.yaml").write_text(SPEC.replace("/x", "/y")),
    "Dockerfile": lambda root: (root / "images/app/Dockerfile").write_text("FROM b\n"),
    "defaults": lambda root: (root / "pyproject.toml").write_text("[tool.slimtasks]\n"),
    "no defaults": lambda root: (root / "pyproject.toml").unlink(),
    "added file gone": lambda root: (root / "images/app/file").rename(root / "images/app/moved"),
    "second spec": lambda root: (root / "images/app/image.toml").write_text(""),
    "new image": lambda root: (root / "images/new").mkdir(),
    "not ours": lambda root: (root / "build/spec.pickle").write_bytes(b"cos\nsystem\n(S'false'\ntR."),
    "cut off": lambda root: os.truncate(root / "build/spec.pickle", 300),
    "empty": lambda root: os.truncate(root / "build/spec.pickle", 0),
    "gone": lambda root: (root / "build/spec.pickle").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_loads_again(root: Path, loads: list[Path], change: str) -> None:
    cached(root, {}, root / "build/spec.pickle")
    CHANGES[change](root)
    try:
        cached(root, {}, root / "build/spec.pickle")
    except SpecError:
        pass
    assert len(loads) == 2


def test_other_files_change_nothing(root: Path, loads: list[Path]) -> None:
    cached(root, {}, root / "build/spec.pickle")
    (root / "images/app/file").write_text("other content")
    (root / "images/app/unnamed").write_text("")
    (root / "images/layers.lock").write_text("")
    cached(root, {"UNRELATED": "1"}, root / "build/spec.pickle")
    assert len(loads) == 1


def test_variables_that_the_spec_names(root: Path, loads: list[Path]) -> None:
    cache = root / "build/spec.pickle"
    tags = [cached(root, environ, cache).images[0].tags for environ in ({}, {"V": "2"}, {"V": "2"}, {})]
    assert tags == [("app:1",), ("app:2",), ("app:2",), ("app:1",)]
    assert len(loads) == 3


def test_mistakes_are_not_kept(root: Path, loads: list[Path]) -> None:
    (root / "images/app/image.yaml").write_text("x: 1\n")
    _age(root)
    for _ in range(2):
        with pytest.raises(SpecError):
            cached(root, {}, root / "build/spec.pickle")
    assert len(loads) == 2


def test_a_cache_that_cannot_be_written(root: Path) -> None:
    (root / "build").write_text("a file in the way")
    assert cached(root, {}, root / "build/spec.pickle").images[0].name == "app"


def test_fresh_files_are_not_trusted(root: Path, loads: list[Path]) -> None:
    future = (OLD * 3, OLD * 3)
    os.utime(root / "images/app/image.yaml", future)
    for _ in range(2):
        cached(root, {}, root / "build/spec.pickle")
    assert len(loads) == 2


def test_a_hit_imports_neither_yaml_nor_pydantic(root: Path) -> None:
    program = """
import sys
from pathlib import Path
from slimtasks.spec import cached
repo = cached(Path(sys.argv[1]), {}, Path(sys.argv[1]) / "build/spec.pickle")
print(repo.images[0].name, *sorted({"yaml", "pydantic", "pydantic_core", "tomllib", "docker"} & set(sys.modules)))
"""
    paths = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program, root], env=paths, check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert outputs[0][0] == "app" and "pydantic" in outputs[0]
    assert outputs[1] == ["app"]
