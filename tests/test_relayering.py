"""`doit relayer` over what runs have left in build/: no engine is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slimtasks.errors import Damaged, SlimError
from slimtasks.layers.lock import parse_lock
from slimtasks.layers.plan import WORTH
from slimtasks.operations.relayering import relayer
from slimtasks.records import Entry, ImagePath, Package, Reason, Selected, write_lines
from slimtasks.spec import From, Image, Repo
from slimtasks.spec.model import Final, KeepPreset
from slimtasks.workspace import Workspace

P = ImagePath
NOON = 43_200  # when the packages were installed
BIG = 10 * WORTH
MOVES = "from own layers into shared ones, 0 out of them, 0 from one to another, 0 to or from common ones"
FILES = {"/lib/c": "deb/c", "/usr/z": "deb/z", "/usr/own": "deb/own", "/usr/unused": "deb/c"}


class Checkout:
    """A folder in which images are declared and built; `say` collects what relayer says."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.images: list[Image] = []
        self.said: list[str] = []
        self.most = 6

    def build(self, name: str, *paths: str, made: int = 0) -> None:
        """An image that keeps these, and a file of its own of `made` bytes."""
        self.declare(name)
        files = self.workspace.image(name)
        info = (Entry(P(f"/var/lib/dpkg/info/{x}.list"), "file", 0o644, mtime=NOON) for x in ("c", "own", "z"))
        brought = (Entry(P(p), "file", 0o644, size=BIG, mtime=50, package=FILES[p]) for p in FILES)
        own = Entry(P("/app"), "file", 0o644, size=made, mtime=NOON)
        write_lines(files.inventory, {}, sorted((*info, *brought, own), key=lambda entry: entry.path))
        write_lines(files.packages, {}, [Package(x, "1", paths=(P(p),)) for p, x in FILES.items()])
        kept = ["/app", *paths]
        write_lines(files.selection, {}, [Selected(P(path), (Reason("traced"),)) for path in sorted(kept)])

    def declare(self, name: str) -> None:
        folder = self.workspace.root / "images" / name
        folder.mkdir(parents=True, exist_ok=True)
        self.images.append(Image(From(image="x"), name=name, folder=folder, file=folder / "image.yaml"))

    def relayer(self, write: bool = True, **environ: str) -> str:
        repo = Repo(self.workspace.root, tuple(self.images), shared_layers=self.most)
        self.said.clear()
        return relayer(self.workspace, repo, environ, self.said.append, write=write)

    @property
    def lock(self) -> Path:
        return self.workspace.layers_lock

    def groups(self) -> list[str]:
        lock = parse_lock(self.lock.read_text().splitlines(), "lock")
        return [f"{group.kind}: {' '.join(group.members)}" for group in lock.groups]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Four images: three have c, two have z."""
    made = Checkout(tmp_path)
    made.build("a", "/lib/c", "/usr/z", made=100)
    made.build("b", "/lib/c", "/usr/z", "/usr/own")
    made.build("c", "/lib/c")
    made.build("d", "/usr/unused")
    return made


def test_it_says_first_and_writes_when_told(checkout: Checkout) -> None:
    assert checkout.relayer(write=False) == "images/layers.lock is not there yet: `doit relayer --yes` writes it"
    assert not checkout.lock.exists()
    assert checkout.said == [
        "  root            c  3 images  1 file  640.0 kB",
        "  infrastructure  z  2 images  1 file  640.0 kB",
        f"files that move: 2 {MOVES}",
        "digests that change: a, b, c, d",
        "4 images in all: 2.56 MB instead of 4.48 MB, files of a shared layer counted once",
    ]
    said = list(checkout.said)
    assert checkout.relayer() == "images/layers.lock is written: `doit` packs what changes"
    assert checkout.said == said
    assert checkout.groups() == ["root: deb/c:/lib/c", "infrastructure: deb/z:/usr/z"]
    assert checkout.relayer() == "images/layers.lock stays as it is" and checkout.said == []


def test_a_new_plan_says_what_moves_and_whose_digests_change(checkout: Checkout) -> None:
    checkout.relayer()
    checkout.build("e", "/lib/c", "/usr/own", "/usr/unused")
    checkout.relayer()
    assert checkout.said[-3:] == [
        f"files that move: 2 {MOVES}",
        "digests that change: b, d, e",
        "5 images in all: 2.56 MB instead of 3.84 MB, files of a shared layer counted once",
    ]


def test_the_variants_that_are_built_change_with_their_image(checkout: Checkout) -> None:
    *others, d = checkout.images
    checkout.images = [*others, replace(d, final=Final(variants=(KeepPreset("debug"), KeepPreset("shell"))))]
    write_lines(checkout.workspace.image("d-shell").selection, {}, ())
    checkout.relayer(write=False)
    assert "digests that change: a, b, c, d, d-shell" in checkout.said


def test_a_lower_budget_takes_files_back(checkout: Checkout) -> None:
    checkout.relayer()
    checkout.most = 1
    checkout.relayer()
    assert "files that move: 0 from own layers into shared ones, 1 out of them" in checkout.said[1]
    assert checkout.groups() == ["root: deb/c:/lib/c"]


def test_the_date_is_that_of_the_newest_file_and_stays(checkout: Checkout) -> None:
    checkout.relayer()
    assert "\ndate = 50\n" in checkout.lock.read_text()
    checkout.build("e", "/usr/own")
    checkout.relayer(SOURCE_DATE_EPOCH="77")
    assert "\ndate = 50\n" in checkout.lock.read_text()
    checkout.lock.unlink()
    checkout.relayer(SOURCE_DATE_EPOCH="77")
    assert "\ndate = 77\n" in checkout.lock.read_text()


def test_images_that_are_not_built_are_named(checkout: Checkout) -> None:
    checkout.declare("new")
    checkout.workspace.image("c").unfinished("select").touch()
    checkout.relayer(write=False)
    assert checkout.said[0] == "not built, so not planned for: c, new"


def test_nothing_in_common_is_no_plan(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    assert checkout.relayer() == "nothing is built, so there is nothing to plan"
    checkout.build("a", "/usr/z")
    checkout.build("b", "/usr/own")
    assert checkout.relayer() == "2 images built: nothing that several have in common is worth a layer"
    assert not checkout.lock.exists()


def _cut(path: Path) -> None:
    path.write_text(path.read_text()[:-20])


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda c: c.lock.write_text("shared = 6\ndate = 0\nx\n"), SlimError, r"images/layers\.lock:3: found 'x'"),
        (lambda c: _cut(c.workspace.image("a").selection), Damaged, r"build/a/selection\.jsonl is damaged"),
        (lambda c: _cut(c.workspace.image("a").inventory), Damaged, r"build/a/inventory\.jsonl is damaged"),
    ],
)
def test_what_cannot_be_read_is_named(
    checkout: Checkout, damage: Callable[[Checkout], None], error: type[SlimError], message: str
) -> None:
    damage(checkout)
    with pytest.raises(error, match=message):
        checkout.relayer()
