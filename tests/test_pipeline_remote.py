"""nginx from fat to verified on an engine elsewhere: no file, network or process of it is reached from here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_relay import Relay
from pipeline_repo import DODO, Repo
from second_engine import SecondEngine, lacking

from slimtasks.engine.build import Build
from slimtasks.engine.client import Engine

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

DOCKERFILE = b"""\
FROM our/debian:bookworm
RUN apt-get update && apt-get install -y --no-install-recommends nginx-light && rm -r /var/lib/apt/lists/* \\
 && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
"""
ASK = "exec 3<>/dev/tcp/$HOST/$PORT && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
SPEC = f"""\
tags: [slimtest-remote/nginx]
from: {{image: 'slimtest-remote/fat:1'}}
unowned: traced
run:
  volumes: ['./page:/var/www/html:ro', './only.conf:/etc/nginx/conf.d/only.conf', 'cache:/var/cache/nginx']
workload:
  - oneshot: {{command: [nginx, -v], stderr: ["nginx version: nginx/1"]}}
  - wait: {{port: 80}}
  - http: {{path: /, headers: ["Content-Type: text/html", "X-Only: here"], body: [from the checkout]}}
  - http: {{path: /none, status: 404}}
  - tcp: {{port: 80, send: "GET / HTTP/1.0\\r\\n\\r\\n", expect: [from the checkout]}}
  - exec: {{command: [nginx, -t], stderr: [test is successful]}}
  - client: {{command: [bash, -c, "HOST=nginx PORT=80; {ASK}"], stdout: [from the checkout]}}
  - host: {{command: [bash, -c, "HOST=$SLIMTASKS_HOST PORT=$SLIMTASKS_PORT_80; {ASK}"], stdout: [from the checkout]}}
  - wait: {{log: '/"GET / HTTP/1.1" 200 /'}}
"""


@pytest.fixture
def far(tmp_path: Path) -> Iterator[SecondEngine]:
    if lacks := lacking():
        pytest.skip(lacks)
    (tmp_path / "far").mkdir()
    engine = SecondEngine(tmp_path / "far")
    engine.start()
    yield engine
    engine.remove()


@pytest.fixture
def relay(far: SecondEngine) -> Iterator[Relay]:
    with Relay(far.socket) as relay:
        yield relay


@pytest.fixture
def nginx(relay: Relay, engine: Engine, busybox: Path, tmp_path: Path, shipped_tracer: Path) -> Repo:
    """A repo with nginx, whose fat image the far engine has, carried there in a file."""
    far = Engine(tmp_path / "repo", {"DOCKER_HOST": relay.address})
    tag = engine.temporary_tag("test", "nginx")
    engine.build(Build((("Dockerfile", DOCKERFILE, 0o644),), tag, name="nginx"))
    with engine.save(tag) as saved:
        far.tag(far.load_stream(iter(lambda: saved.read(1 << 20), b""), "nginx"), "slimtest-remote/fat:1")
    engine.untag(tag)
    repo = Repo(tmp_path / "repo", busybox, "slimtest-remote")
    for image in ("ground", "web"):
        repo.remove(f"images/{image}")
    repo.engine = far
    repo.write("dodo.py", DODO)
    repo.write("images/nginx/image.yaml", SPEC)
    repo.write("images/nginx/page/index.html", "<p>from the checkout</p>\n")
    repo.write("images/nginx/only.conf", "add_header X-Only here;\n")
    return repo


def test_nginx(nginx: Repo, far: SecondEngine, relay: Relay) -> None:
    result = nginx.run(DOCKER_HOST=relay.address)
    assert (result.status, result.failed) == (0, ()), result.output
    assert nginx.report()["nginx"]["steps"] == 9 and nginx.tagged("nginx") == nginx.result("nginx")["id"]
    assert nginx.report()["nginx"]["size"] * 5 < nginx.report()["nginx"]["source_size"]
    assert nginx.left_over() == []
    assert Engine(nginx.root).inspect_image(nginx.tag("nginx")) is None
    assert nginx.run(DOCKER_HOST=relay.address).ran == ()

    killed = f"checks:\n  - host: {{command: [kill, '-9', '{far.pid}']}}\n  - http: {{}}\n"
    nginx.append("images/nginx/image.yaml", killed)
    result = nginx.run(DOCKER_HOST=relay.address)
    assert (result.status, result.failed) == (1, ("verify:nginx",)), result.output
    assert result.output.count(f"the container engine at {relay.address} (DOCKER_HOST) went away") == 1, result.output
    assert "run the same command again" in result.output and "Traceback" not in result.output
    far.kill()
    far.start()
    assert [left for left in nginx.left_over() if left.startswith("container")] != []
    nginx.replace("images/nginx/image.yaml", killed, "")
    result = nginx.run(DOCKER_HOST=relay.address)
    assert (result.status, nginx.left_over()) == (0, []), result.output
