"""Making an image once more and comparing: of links and added files alone, which takes no engine."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from built_repo import BuiltRepo
from tars import tar

from slimtasks.assembly.packed import read_packed
from slimtasks.engine.client import Engine
from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.oci.archive import write_image
from slimtasks.oci.layer import LayerWriter
from slimtasks.operations.rebuilding import rebuild
from slimtasks.operations.reproducing import verify_reproducible
from slimtasks.records import Entry, ImagePath, SlimImage, write_json

ENVIRON = {"DOCKER_HOST": "unix:///nowhere.sock", "PATH": os.environ["PATH"]}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """The image `web`, made as doit makes it, but that no engine has it."""
    repo = BuiltRepo(tmp_path)
    repo.write("images/web/conf/grüße", "hello\n")
    repo.write("images/web/conf/run", "#!x\n").chmod(0o755)
    repo.build(
        "web", "add: [{source: conf, target: /etc/conf}]\n", "/etc/\n/etc/a -> b\n/etc/b -> c\n", "readlink /etc/a"
    )
    session = repo.session
    image, engine = session.by_name["web"], Engine(tmp_path, ENVIRON)
    made = Job(image, session.by_name, session.workspace, engine, ENVIRON, print, print)
    made.files.captured.write_bytes(tar())
    rebuild(engine, session.workspace.build, "web", ENVIRON)
    finish(made)
    return made


def finish(job: Job) -> None:
    """Writes image.tar and image.json of what layers.json says."""
    packed = read_packed(job)
    paths = [job.workspace.layer(layer.diff_id) for layer in packed.layers]
    digests = write_image(job.files.archive, packed.config, paths, ())
    write_json(job.files.image, SlimImage(digests[0], *digests, 0, 0, packed.layers, (), "linux/amd64"))


def there(job: Job) -> list[Path]:
    """All but scratch, and the cache of specs, which is written once the files that it tells of are no longer fresh."""
    passing = {job.workspace.scratch, job.workspace.spec_cache}
    return sorted(path for path in job.workspace.build.rglob("*") if passing.isdisjoint((path, *path.parents)))


def test_the_same_comes_out_and_nothing_stays(job: Job) -> None:
    before = there(job)
    said = verify_reproducible(job)
    assert re.fullmatch(
        r"the same sha256:[0-9a-f]{64}, manifest and 2 layers "
        r"\(another folder and umask, LC_ALL=C, TZ=XXX-14, PYTHONHASHSEED=1\)",
        said,
    )
    assert there(job) == before and not list(job.workspace.scratch_folder().iterdir())


def test_what_differs_is_named(job: Job) -> None:
    first = read_packed(job).layers[0]
    with LayerWriter(job.workspace.layer_store, first.name) as writer:
        for path, target in (("/etc", ""), ("/etc/a", "b"), ("/etc/b", "d")):
            writer.add(Entry(ImagePath(path), "link" if target else "dir", 0o755, target=target, mtime=3))
        altered = writer.finish()
    assert altered
    job.files.layers.write_text(job.files.layers.read_text().replace(first.diff_id, altered.diff_id))
    finish(job)
    with pytest.raises(SlimError) as caught:
        verify_reproducible(job)
    told = caught.value.what.splitlines()
    assert told[0].startswith("web came out otherwise (another folder and umask, ")
    assert told[1] == f"  layer 1: {altered.diff_id} -> {first.diff_id}"
    assert "  layer 1: /etc/b: link d -> c, mtime 3 -> 0" in told
    assert any(line.startswith("  config digest: sha256:") for line in told)
    assert any(line.startswith("  manifest digest: sha256:") for line in told)
    assert not list(job.workspace.scratch_folder().iterdir())


def test_an_image_that_cannot_be_made_again_says_why(job: Job) -> None:
    job.files.selection.unlink()
    job.files.inventory.write_text("lost\n")
    with pytest.raises(SlimError, match=r"^web cannot be made again: .*/build/web/inventory\.jsonl is damaged"):
        verify_reproducible(job)
