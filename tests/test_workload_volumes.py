"""What the containers of a workload find mounted."""

from __future__ import annotations

import pytest
from workload_runs import HELLO, run, with_run

from slimtasks.engine.client import Engine
from slimtasks.spec.run import Volume
from slimtasks.spec.steps import Exec, Http, Oneshot
from slimtasks.workload.volumes import fresh_volumes

pytest_plugins = ("engine_images", "workload_runs")
pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("no_container_left")]


def test_volumes_are_empty_at_first_and_shared_within_a_run(engine: Engine, app: str) -> None:
    write = Oneshot(command=("sh", "-c", "test ! -e /data/a && echo once >/data/a"), volumes=(Volume("/data", "data"),))
    read = Exec(command=("cat", "/data/a"), stdout=("once",))
    for _ in range(2):
        run(engine, app, write, read, spec=with_run(volumes=(Volume("/data", "data"),)))


def test_a_folder_and_a_file_of_the_checkout(either: Engine, app: str, tracer: str) -> None:
    folder = either.checkout / "site"
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / "sub" / "index.html").write_text("from the checkout")
    volumes = (
        Volume("/www", str(folder), "bind", True),
        Volume("/etc/one", str(folder / "sub" / "index.html"), "bind"),
    )
    actions = (Http(path="/sub/", body=("from the checkout",)), Exec(command=("cat", "/etc/one"), stdout=("checkout",)))
    run(either, app, *actions, spec=with_run(volumes=volumes), tracer_image=tracer)
    with fresh_volumes(either, volumes, app) as made:
        assert bool(made.made) is bool(made.put) is not either.info.local


def test_files_with_a_content_of_their_own(either: Engine, app: str, tracer: str) -> None:
    volumes = (
        Volume("/www", "site", read_only=True, content=(("sub/index.html", "from the map"),)),
        Volume("/etc/one", "one", content=((".", "#!/bin/sh\necho ran"),), mode=0o755),
    )
    actions = (Http(path="/sub/", body=("from the map",)), Exec(command=("/etc/one",), stdout=("ran",)))
    run(either, app, *actions, spec=with_run(volumes=volumes), tracer_image=tracer)


def test_a_folder_that_is_not_there(engine: Engine, app: str) -> None:
    volume = Volume("/www", str(engine.checkout / "none"), "bind", where="image.yaml:9:1")
    with pytest.raises(Exception, match=r"image\.yaml:9:1: nothing to mount"):
        run(engine, app, HELLO, spec=with_run(volumes=(volume,)))
