"""What the tests of the workload run: a small image of busybox, and a tracer image with just the relay."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slimtasks.engine.build import Build
from slimtasks.engine.client import Engine

PROGRAMS = Path(__file__).parents[1] / "slimtasks" / "trace" / "programs"

SERVER = """\
#!/bin/sh
trap 'echo bye; exit 0' TERM
echo starting
httpd -p 80 -h /www
echo ready
while :; do sleep 0.05; done
"""
DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY server /bin/server
COPY www /www
EXPOSE 80
CMD ["server"]
"""
RELAY = """\
FROM scratch
COPY gate relay /
"""


@contextmanager
def app_image(engine: Engine, busybox: Path, more: str = "") -> Iterator[str]:
    """The id of an image whose `server` serves /www on port 80; `more` is added to its Dockerfile."""
    context = (
        ("Dockerfile", (DOCKERFILE + more).encode(), 0o644),
        ("busybox", busybox, 0o755),
        ("server", SERVER.encode(), 0o755),
        ("www/index.html", b"<p>hello</p>\n", 0o644),
    )
    with _built(engine, Build(context=context, tag=engine.temporary_tag("test", "workload"))) as image:
        yield image


@contextmanager
def relay_image(engine: Engine, folder: Path) -> Iterator[str]:
    """The id of an image with `relay` and `gate`, built here with the C compiler of this machine."""
    shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True)
    subprocess.run(["make", "-s", "-C", str(folder), "gate", "relay"], check=True)
    context = (
        ("Dockerfile", RELAY.encode(), 0o644),
        ("gate", folder / "gate", 0o755),
        ("relay", folder / "relay", 0o755),
    )
    with _built(engine, Build(context=context, tag=engine.temporary_tag("test", "relay"))) as image:
        yield image


@contextmanager
def _built(engine: Engine, build: Build) -> Iterator[str]:
    image = engine.build(build)
    try:
        yield image
    finally:
        engine.untag(build.tag)


def left_over(engine: Engine, run: str) -> list[str]:
    """Ids of the containers, networks and volumes that the engine object with that `run` made and did not remove."""
    query = {"filters": f'{{"label": ["io.github.slimtasks.run={run}"]}}'}
    ask = engine.connection.json
    containers = ask("GET", "/containers/json", params={**query, "all": "1"}, doing="listing")
    networks = ask("GET", "/networks", params=query, doing="listing")
    volumes = ask("GET", "/volumes", params=query, doing="listing")["Volumes"] or []
    return [item.get("Id") or item["Name"] for item in (*containers, *networks, *volumes)]
