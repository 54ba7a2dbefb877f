"""A spec as it is written, and the model that comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks.errors import SpecError
from slimtasks.spec import Client, Http, Image, Oneshot, Port, Repo, Rule, Run, Secret, Tcp, Ulimit, Volume, Wait, load

Files = dict[str, str]


def write(root: Path, files: Files) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def loaded(root: Path, files: Files, **environ: str) -> Repo:
    write(root, files)
    return load(root, environ)


def one(root: Path, text: str, files: Files | None = None, **environ: str) -> Image:
    """The image 'app' with that image.yaml."""
    return loaded(root, {"images/app/image.yaml": text, **(files or {})}, **environ).image("app")


MINIMAL = "from: {image: debian:12}\n"


def test_minimal(tmp_path: Path) -> None:
    image = one(tmp_path, MINIMAL)
    assert (image.kind, image.tags, image.source.image) == ("slim", ("app:latest",), "debian:12")
    assert image.file == tmp_path / "images/app/image.yaml"
    assert image.folder == tmp_path / "images/app"
    assert image.run == Run()


def test_every_key(tmp_path: Path) -> None:
    image = one(
        tmp_path,
        """
tags: ["${REGISTRY:-our}/app:1.0", other]
from:
  dockerfile: Dockerfile
  target: last
  args: {A: b, N: 3, GIVEN: , ABSENT: }
  secrets: {token: {file: token.txt}, key: {environment: KEY}}
  ssh: [default]
  cache-from: [our/cache]
add:
  - {source: site.conf, target: /etc//site.conf}
  - {source: html, target: /srv, retrace: false}
run:
  command: serve --root '/a b'
  entrypoint: [/init]
  environment: [A=b=c, TOKEN]
  env_file: site.env
  volumes: ["./html:/data:ro", "cache:/c", /scratch, {type: tmpfs, target: /t}]
  tmpfs: /run
  ports: [80, "127.0.0.1:8443:443", "53/udp"]
  expose: [80, "53/udp"]
  ulimits: {nofile: 1024, nproc: {soft: 1, hard: 2}}
  shm_size: 64m
  sysctls: {net.core.somaxconn: 1024}
  mem_limit: 1gb
  stop_grace_period: 1m30s
  platform: linux/arm64
workload:
  - http: {path: /x, status: 206, request-headers: ["Range: bytes=0-3"], headers: ["Content-Range: x"], timeout: 500ms}
  - tcp: {port: 6379, send: "PING\\r\\n", expect: ["+PONG"]}
  - client: {image: "redis:7", command: redis-cli ping}
  - oneshot: {command: [--version], volumes: ["./html:/y"]}
  - wait: {log: /ready/, timeout: 5s}
checks:
  - http: {}
keep: ["/etc/**"]
keep-packages: [tzdata]
keep-presets: [timezones]
drop: [/etc/x]
own: [/data]
unowned: traced
granularity: file
trace: {backend: fanotify, timeout: 5m, lookups: all, allow-incomplete: true}
metadata: none
final:
  {base: "busybox:1", user: '65534:65534', command: [], environment: {A: ""}, labels: {l: x}, expose: [80]}
""",
        {
            "images/app/Dockerfile": "FROM debian:12 AS last\n",
            "images/app/token.txt": "",
            "images/app/site.conf": "",
            "images/app/site.env": "X=1\n",
            "images/app/html/index.html": "",
        },
        GIVEN="from the caller",
    )
    folder = tmp_path / "images/app"
    source, run = image.source, image.run
    assert image.tags == ("our/app:1.0", "other:latest")
    assert (source.dockerfile, source.context, source.target) == (folder / "Dockerfile", folder, "last")
    assert source.args == (("A", "b"), ("N", "3"), ("GIVEN", "from the caller"))
    assert source.secrets == (Secret("token", folder / "token.txt"), Secret("key", None, "KEY"))
    assert [(add.source, add.target, add.retrace) for add in image.add] == [
        (folder / "site.conf", "/etc/site.conf", True),
        (folder / "html", "/srv", False),
    ]
    assert (run.command, run.entrypoint) == (("serve", "--root", "/a b"), ("/init",))
    assert run.environment == (("A", "b=c"), ("TOKEN", None))
    assert run.env_file == (folder / "site.env",)
    assert run.volumes == (
        Volume("/data", str(folder / "html"), "bind", read_only=True, relative=True),
        Volume("/c", "cache"),
        Volume("/scratch"),
        Volume("/t", type="tmpfs"),
    )
    assert run.tmpfs == ("/run",)
    assert run.ports == (Port(80), Port(443, "8443", "127.0.0.1"), Port(53, protocol="udp"))
    assert run.expose == ("80/tcp", "53/udp")
    assert run.ulimits == (Ulimit("nofile", 1024, 1024), Ulimit("nproc", 1, 2))
    assert (run.shm_size, run.mem_limit, run.stop_grace_period) == (64 << 20, 1 << 30, 90.0)
    assert run.sysctls == (("net.core.somaxconn", "1024"),)
    assert [step.action for step in image.workload] == [
        Http(80, "/x", status=206, request_headers=("Range: bytes=0-3",), headers=("Content-Range: x",), timeout=0.5),
        Tcp(6379, "PING\r\n", ("+PONG",)),
        Client(("redis-cli", "ping"), image="redis:7"),
        Oneshot(("--version",), volumes=(Volume("/y", str(folder / "html"), "bind", relative=True),)),
        Wait(log="/ready/", timeout=5.0),
    ]
    assert [step.number for step in image.workload] == [1, 2, 3, 4, 5]
    assert image.workload[1].where == "images/app/image.yaml:30:5"
    assert image.keep == (Rule("/etc/**"),) and image.keep[0].where == "images/app/image.yaml:36:8"
    final = image.final
    assert (final.base, final.user, final.command, final.entrypoint) == ("busybox:1", "65534:65534", (), None)
    assert (final.expose, final.environment, final.labels) == (("80/tcp",), (("A", ""),), (("l", "x"),))


def test_toml_has_the_same_keys(tmp_path: Path) -> None:
    text = """
kind = "base"
tag = "our/debian:bookworm"
squash.remove = ["/usr/share/doc"]

[from.bootstrap]
suite = "bookworm"
include = [
  "ca-certificates",  # a comment
]

[[workload]]
oneshot = { command = ["true"] }

[[workload]]
[workload.oneshot]
command = ["sh", "-c", "exit 3"]
exit-status = 3
"""
    image = loaded(tmp_path, {"images/debian/image.toml": text}).image("debian")
    bootstrap = image.source.bootstrap
    assert bootstrap is not None and bootstrap.include == ("ca-certificates",)
    assert image.squash.remove[0].where == "images/debian/image.toml:4:18"
    assert [step.action for step in image.workload] == [
        Oneshot(("true",)),
        Oneshot(("sh", "-c", "exit 3"), exit_status=3),
    ]


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    image = one(
        tmp_path,
        MINIMAL
        + """
run: {environment: &env {A: "1", B: "2"}}
final: {environment: {<<: *env, B: "3"}, labels: *env}
""",
    )
    assert dict(image.final.environment) == {"A": "1", "B": "3"}
    assert dict(image.final.labels) == {"A": "1", "B": "2"}


def test_variables_take_the_type_that_is_needed(tmp_path: Path) -> None:
    text = (
        MINIMAL + "run: {tty: '${TTY}', user: '${PORT}'}\nworkload: [http: {port: '${PORT}', body: ['{\"a\": $1}']}]\n"
    )
    image = one(tmp_path, text, PORT="8080", TTY="true")
    assert image.workload[0].action == Http(8080, body=('{"a": $1}',))
    assert (image.run.tty, image.run.user) == (True, "8080")


def test_a_variable_that_is_not_set_is_noted(tmp_path: Path) -> None:
    repo = loaded(tmp_path, {"images/app/image.yaml": MINIMAL + "run: {user: '${WHO}'}\n"})
    assert repo.notes == ("images/app/image.yaml:2:13: run.user: the variable WHO is not set, so it is empty here",)


DEFAULTS = """
[project]
name = "x"
[tool.slimtasks]
default = ["b"]
metadata = "none"
keep = ["/etc/hosts"]
final.labels = {a = "1", b = "2"}
"""


def test_defaults_of_the_repo(tmp_path: Path) -> None:
    repo = loaded(
        tmp_path,
        {
            "pyproject.toml": DEFAULTS,
            "images/a/image.yaml": MINIMAL + "metadata: keep\nfinal: {labels: {b: '3'}}\n",
            "images/b/image.yaml": "kind: build\nfrom: {image: debian:12}\n",
        },
    )
    a, b = repo.images
    assert repo.default == ("b",)
    assert (a.metadata, dict(a.final.labels)) == ("keep", {"a": "1", "b": "3"})
    assert a.keep[0].where == "pyproject.toml:7:9"
    assert (b.keep, b.final.labels) == ((), ())  # keys that do not fit a kind are not its defaults


@pytest.mark.parametrize(("text", "shared"), [("", 6), ("layers = {}\n", 6), ("layers = {shared = 0}\n", 0)])
def test_how_many_layers_images_may_share(tmp_path: Path, text: str, shared: int) -> None:
    repo = loaded(tmp_path, {"pyproject.toml": f"[tool.slimtasks]\n{text}", "images/a/image.yaml": MINIMAL})
    assert repo.shared_layers == shared


def test_references(tmp_path: Path) -> None:
    dockerfile = """\
ARG BASE=our/debian
FROM ${BASE}:bookworm AS build
RUN --mount=from=tools,target=/t true
FROM scratch
COPY --from=build /a /a
COPY --from=busybox:latest /bin/busybox /bin/
"""
    repo = loaded(
        tmp_path,
        {
            "images/debian/image.yaml": "kind: base\ntag: our/debian:bookworm\nfrom: {bootstrap: {suite: bookworm}}\n",
            "images/busybox/image.yaml": "kind: base\nfrom: {image: 'busybox:1.36'}\n",
            "images/tools/image.yaml": "kind: build\nfrom: {image: debian}\n",
            "images/app/image.yaml": "from: {dockerfile: Dockerfile}\nfinal: {base: busybox}\n"
            "workload: [client: {image: app, command: x}, client: {image: 'other:1', command: x}]\n",
            "images/app/Dockerfile": dockerfile,
        },
    )
    assert repo.image("app").references == (
        ("busybox", "busybox"),
        ("busybox:latest", "busybox"),
        ("our/debian:bookworm", "debian"),
        ("tools", "tools"),
    )
    assert repo.image("app").depends == ("busybox", "debian", "tools")
    assert repo.image("tools").depends == ("debian",)
    assert repo.image("busybox").depends == ()


def test_a_circle_is_refused(tmp_path: Path) -> None:
    files = {f"images/{a}/image.yaml": f"from: {{image: {b}}}\ngranularity: file\n" for a, b in ("ab", "bc", "ca")}
    with pytest.raises(SpecError, match=r"images/a/image.yaml:1:7: from: found the circle a -> b -> c -> a"):
        loaded(tmp_path, files)


def test_no_images(tmp_path: Path) -> None:
    assert load(tmp_path, {}).notes == ("images/: no image is declared here yet; `doit init IMAGE` declares one",)
