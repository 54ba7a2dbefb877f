"""`from: {compose: ..., service: ...}`: what a service of a Compose file comes to, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from refused_spec import only_mistake

from slimtasks.spec import Image, Port, Run, Volume, load
from slimtasks.spec.healthcheck import Healthcheck
from slimtasks.spec.run import Dependency

SPEC = "from: {compose: ../../compose.yaml, service: web}\n"
FILES = ("app/Dockerfile", "app/x.env", "sub/Other", "tok")


def one(
    root: Path, compose: str, spec: str = "", *, images: Mapping[str, str] = {}, environ: Mapping[str, str] = {}
) -> Image:
    """The image 'web' of that Compose file; `images` are declared beside it."""
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("FROM debian:12 AS last\n" if "er" in name else "")
    for name, text in {"web": SPEC + spec, **images}.items():
        (root / "images" / name).mkdir(parents=True)
        (root / "images" / name / "image.yaml").write_text(text)
    (root / "compose.yaml").write_text(compose)
    return load(root, environ).image("web")


def web(root: Path, service: str, **environ: str) -> Run:
    """How that service is started."""
    return one(root, f"services: {{web: {{image: x, {service}}}}}\n", environ=environ).run


def test_an_image(tmp_path: Path) -> None:
    image = one(tmp_path, "services:\n  web: {image: 'debian:12'}\n")
    assert image.source.image == "debian:12"
    assert (image.source.compose, image.source.service) == (tmp_path / "compose.yaml", "web")
    assert image.run == Run()
    assert image.tags == ("web:latest",)


def test_only_never_is_taken_over_of_when_an_image_is_pulled(tmp_path: Path) -> None:
    compose = (
        "services:\n"
        "  web: {image: ground, pull_policy: never, depends_on: [db, cache, near]}\n"
        "  db: {image: postgres, pull_policy: never}\n"
        "  cache: {image: redis, pull_policy: always}\n"
        "  near: {image: near, pull_policy: never}\n"
    )
    spec = "services: {near: {pull_policy: missing}}\n"
    ground = {"ground": "kind: base\nfrom: {image: x}\n"}  # which the Compose file need not know of
    image = one(tmp_path, compose, spec, images=ground)
    assert image.never_pulled == {"ground", "postgres"} and image.depends == ("ground",)


BUILDS = {
    "app": ("app/Dockerfile", "app", "", ()),
    "{context: app, target: last, args: {A: 1, B: , C: , D: true}}": (
        "app/Dockerfile",
        "app",
        "last",
        (("A", "1"), ("B", "b"), ("D", "true")),
    ),
    "{context: ., dockerfile: sub/Other, args: [A=1, B, C], labels: {x: y}}": (
        "sub/Other",
        "",
        "",
        (("A", "1"), ("B", "b")),
    ),
    "{dockerfile: ./sub/Other}": ("sub/Other", "", "", ()),
}


@pytest.mark.parametrize("build", BUILDS)
def test_a_build(tmp_path: Path, build: str) -> None:
    source = one(tmp_path, f"services: {{web: {{image: our/web, build: {build}}}}}\n", environ={"B": "b"}).source
    dockerfile, context, target, args = BUILDS[build]
    assert (source.dockerfile, source.context) == (tmp_path / dockerfile, tmp_path / context)
    assert (source.target, source.args, source.image) == (target, args, "")


def test_secrets_of_a_build(tmp_path: Path) -> None:
    text = "services: {web: {build: {context: app, secrets: [tok, {source: key, target: k}]}}}\n"
    source = one(tmp_path, f"{text}secrets: {{tok: {{file: ./tok}}, key: {{environment: KEY}}}}\n").source
    assert [(one.id, one.file, one.environment) for one in source.secrets] == [
        ("tok", tmp_path / "tok", ""),
        ("k", None, "KEY"),
    ]


RUNS = {
    "command: sh -c 'a $$B'": Run(command=("sh", "-c", "a $B")),
    "command: , entrypoint: [/init], user: '1:1', working_dir: /w": Run(
        entrypoint=("/init",), user="1:1", working_dir="/w"
    ),
    "ports: ['8080:80', 3000-3001, '90-91:80-81/udp', '127.0.0.1::53']": Run(
        ports=(
            Port(80, "8080"),
            Port(3000),
            Port(3001),
            Port(80, "90", protocol="udp"),
            Port(81, "91", protocol="udp"),
            Port(53, host_ip="127.0.0.1"),
        )
    ),
    "ports: [{target: 80, published: 8080, mode: host, name: x}, {target: '90', published: '1-2'}]": Run(
        ports=(Port(80, "8080"), Port(90, "1-2"))
    ),
    "expose: [80, '90-91/udp']": Run(expose=("80/tcp", "90/udp", "91/udp")),
    "ports: [22:22]": Run(ports=(Port(22, "22"),)),
    "environment: {A: yes, B: 1, C: $X, D: '${Y:-y}', E: , F: , G: }": Run(
        environment=(("A", "yes"), ("B", "1"), ("C", "x"), ("D", "y"), ("E", None), ("F", "of the file"))
    ),
    "environment: [A=b=c, E, F, G]": Run(environment=(("A", "b=c"), ("E", None), ("F", "of the file"))),
    "volumes: [data:/data, /anon, {type: volume, source: data, target: /d, volume: {}}]": Run(
        volumes=(Volume("/data", "data"), Volume("/anon"), Volume("/d", "data"))
    ),
    "volumes: [{type: tmpfs, target: /a}, {type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}}], tmpfs: /u": Run(
        volumes=(Volume("/a", type="tmpfs"),), tmpfs=("/u", "/t:size=1m,mode=700")
    ),
    "extra_hosts: {a: 1.2.3.4, b: ['::1', 5.6.7.8]}": Run(extra_hosts=("a:1.2.3.4", "b:::1", "b:5.6.7.8")),
    "extra_hosts: ['a=1.2.3.4', 'b:5.6.7.8']": Run(extra_hosts=("a:1.2.3.4", "b:5.6.7.8")),
    "devices: [/dev/a, {source: /dev/a, target: /dev/b, permissions: r}]": Run(devices=("/dev/a", "/dev/a:/dev/b:r")),
    "healthcheck: {test: ask, interval: 5s, start_interval: 1s}": Run(
        healthcheck=Healthcheck(("CMD-SHELL", "ask"), 5.0)
    ),
    "container_name: shop-web, networks: {front: {aliases: [a, b]}, back: }": Run(aliases=("shop-web", "a", "b")),
    "networks: [front], restart: always, deploy: {replicas: 2}, profiles: [x], x-mine: {}, privileged: false": Run(),
    "read_only: true, cap_add: [NET_ADMIN], stop_grace_period: 1m": Run(
        read_only=True, cap_add=("NET_ADMIN",), stop_grace_period=60.0
    ),
}


@pytest.mark.parametrize("written", RUNS)
def test_how_it_is_started(tmp_path: Path, written: str) -> None:
    (tmp_path / ".env").write_text("F='of the file'\nX=not this\n")
    assert web(tmp_path, written, X="x", E="e") == RUNS[written]


def test_files_are_found_from_the_compose_file(tmp_path: Path) -> None:
    run = one(
        tmp_path,
        """
services:
  web:
    image: x
    volumes: ["./app:/srv:ro,z", {type: bind, source: sub, target: /b, bind: {create_host_path: true}}]
    env_file: [app/x.env, {path: no.env, required: false}, {path: app/x.env, required: true}]
    secrets: [tok]
    configs: [{source: site, target: /etc/site.conf, mode: 0440}]
secrets: {tok: {file: ./tok}}
configs: {site: {file: sub/Other}}
""",
    ).run
    assert run.env_file == (tmp_path / "app/x.env", tmp_path / "app/x.env")
    assert run.volumes == tuple(
        Volume(target, str(tmp_path / source), "bind", read_only, relative=True)
        for target, source, read_only in (
            ("/srv", "app", True),
            ("/b", "sub", False),
            ("/run/secrets/tok", "tok", True),
            ("/etc/site.conf", "sub/Other", True),
        )
    )


SHOP = """
services:
  web:
    image: x
    depends_on: {api: {condition: service_started}, db: {condition: service_healthy, restart: true}}
  api: {image: y, depends_on: [db, cache]}
  db: {image: postgres, environment: {A: a, B: b}, ports: [1:1], healthcheck: {test: ask}}
  cache: {image: redis}
  other: {privileged: true, bogus: 1, image: 1}
"""


def test_what_it_depends_on_comes_with_it(tmp_path: Path) -> None:
    image = one(tmp_path, SHOP)
    assert [(service.name, service.image) for service in image.services] == [
        ("db", "postgres"),
        ("cache", "redis"),
        ("api", "y"),
    ]
    assert image.run.depends_on == (Dependency("db", "service_healthy"),)  # and all others ready
    assert image.services[2].depends_on == (Dependency("db"), Dependency("cache"))
    assert image.services[0].where == "compose.yaml:7:3"


def test_the_spec_says_otherwise_by_key(tmp_path: Path) -> None:
    image = one(
        tmp_path,
        "services: {web: {image: x, user: a, command: c, environment: {A: a, B: b}, depends_on: [db]}, "
        "db: {image: postgres, user: u, environment: {A: a}}}\n",
        "run: {command: [d], environment: {B: c}}\nservices: {db: {environment: {C: c}}, more: {image: z}}\n"
        "scenarios: {one: {run: {user: b}}}\n",
    )
    assert (image.run.user, image.run.command) == ("a", ("d",))
    assert image.run.environment == (("A", "a"), ("B", "c"))
    assert image.scenarios[0].run.user == "b" and image.scenarios[0].run.command == ("d",)
    db, more = image.services
    assert (db.image, db.user, db.environment) == ("postgres", "u", (("A", "a"), ("C", "c")))
    assert more.image == "z"


BUILT = "services: {web: {image: x, depends_on: [api]}, api: {build: app}}\n"


def test_a_service_that_is_built_is_another_image_of_the_same_file(tmp_path: Path) -> None:
    api = {"shop-api": SPEC.replace("web", "api")}
    image = one(tmp_path, BUILT, images=api)
    assert [service.image for service in image.services] == ["shop-api"]
    assert image.depends == ("shop-api",)


def test_a_service_that_is_built_may_be_given_an_image(tmp_path: Path) -> None:
    image = one(tmp_path, BUILT, "services: {api: {image: our/api}}\n")
    assert [service.image for service in image.services] == ["our/api"]


def test_a_change_of_the_env_file_beside_it_is_seen(tmp_path: Path) -> None:
    assert web(tmp_path, "user: $WHO", WHO="a").user == "a"
    (tmp_path / ".env").write_text("WHO=b\n")
    assert load(tmp_path, {}).image("web").run.user == "b"


def test_a_variable_that_is_not_set_is_told(tmp_path: Path) -> None:
    web(tmp_path, "user: '$WHO'")
    assert load(tmp_path, {}).notes == (
        "compose.yaml:1:34: services.web.user: the variable WHO is not set, so it is empty here",
    )


MISTAKES = {
    "{}": "1:1: services: found nothing; allowed: services by name",
    "services: [web]": "1:11: services: found a list; allowed: services by name",
    "services: {web: }": "1:17: services.web: found nothing; allowed: a mapping",
    "services: {web: {user: a}}": "1:17: services.web: found neither image nor build; needed: one of them",
    "service: {}\nservices: {web: {image: x}}": "1:1: service: unknown key; did you mean services? allowed: services,",
    "include: [a.yaml]\nservices: {web: {image: x}}": "1:1: include: not taken over, as `docker compose config",
    "services: {web: {image: x, comand: a}}": "1:28: services.web.comand: unknown key; did you mean command? allowed: ",
    "services: {web: {image: x, privileged: true}}": "1:28: services.web.privileged: not taken over, as nothing is",
    "services: {web: {image: x, extends: {service: y}}}": "1:28: services.web.extends: not taken over, as `docker comp",
    "services: {web: {image: x, network_mode: host}}": "1:28: services.web.network_mode: not taken over, as all contai",
    "services: {web: {image: x, networks: {a: {ipv4_address: 1.2.3.4}}}}": "1:57: services.web.networks.a.ipv4_addre",
    "services: {web: {image: x, ports: [a]}}": "1:36: services.web.ports[1]: found 'a'; allowed: a port as '80'",
    "services: {web: {image: x, ports: ['1-3:80-81']}}": "1:36: services.web.ports[1]: found '1-3:80-81'; allowed: a p",
    "services: {web: {image: x, volumes: ['./no:/x']}}": "1:38: services.web.volumes[1].source: no does not exist",
    "services: {web: {image: x, volumes: ['a:/b:shared']}}": "1:38: services.web.volumes[1]: found 'a:/b:shared'; allo",
    "services: {web: {image: x, volumes: [{type: volume, source: a, target: /b, volume: {nocopy: true}}]}}": (
        "1:93: services.web.volumes[1].volume.nocopy: not taken over, as volumes start empty"
    ),
    "services: {web: {image: x, env_file: no.env}}": "1:38: services.web.env_file[1]: no.env does not exist",
    "services: {web: {image: x, env_file: [{path: app/x.env, format: raw}]}}": (
        "1:65: services.web.env_file[1].format: not taken over, as only Compose's own format is read"
    ),
    "services: {web: {image: x, secrets: [s]}}": "1:38: services.web.secrets[1]: found 's'; allowed: nothing, as none",
    "services: {web: {image: x, secrets: [s]}}\nsecrets: {s: {environment: S}}": (
        "2:14: secrets.s: not taken over, as it is not of a `file`"
    ),
    "services: {web: {image: x, configs: [c]}}\nconfigs: {c: {content: C}}": "2:14: configs.c: neither of a file nor",
    "services: {web: {build: no}}": "1:25: services.web.build.context: no does not exist",
    "services: {web: {build: {context: app, dockerfile: No}}}": (
        "1:52: services.web.build.dockerfile: app/No does not exist"
    ),
    "services: {web: {build: 'https://x/y.git'}}": "1:25: services.web.build.context: found 'https://x/y.git'; allowed",
    "services: {web: {build: {context: app, dockerfile_inline: FROM x}}}": (
        "1:40: services.web.build.dockerfile_inline: not taken over, as a build needs its Dockerfile as a file"
    ),
    "services: {web: {build: {context: app, target: no}}}": "1:48: services.web.build.target: found 'no', not a stage",
    "services: {web: {build: {context: app, args: [[a]]}}}": "1:46: services.web.build.args: found a list; allowed: a",
    "services: {web: {image: x, depends_on: [bd]}, db: {image: y}}": (
        "1:41: services.web.depends_on: found 'bd'; allowed: web, db"
    ),
    "services: {web: {image: x, depends_on: [db]}, db: {user: a}}": "1:51: services.db.image: is missing; needed: imag",
    "services: {web: {image: x, depends_on: [db]}, db: {image: y, depends_on: [web]}}": (
        "1:75: services.db.depends_on: found 'web'; allowed: db"
    ),
    BUILT: "1:54: services.api.build: found a service that is built; allowed: one that an image of this repo is made "
    "of (`from: {compose: compose.yaml, service: api}`), or its `image` in the `services` of the spec",
    "services: {web: {image: '${NO:?why}'}}": "1:25: services.web.image: the variable NO is required: why (`export NO=",
    "services: {web: {image: x, user: &a 0x10}}\nx: [": "3:1: bad YAML: ",
    "": "1:1: the file is empty; allowed: a mapping of keys",
}


@pytest.mark.parametrize("compose", MISTAKES)
def test_mistake(tmp_path: Path, compose: str) -> None:
    found = only_mistake(lambda: one(tmp_path, f"{compose}\n"))
    assert found.startswith(f"compose.yaml:{MISTAKES[compose]}"), found


SPECS = {
    "from: {compose: no.yaml, service: web}": "1:17: from.compose: images/web/no.yaml does not exist",
    "from: {compose: , service: web}": "1:17: from.compose: found nothing; allowed: a path",
    "from: {compose: ../../compose.yaml}": "1:7: from.service: is missing; needed: the name of a service of the",
    "from: {compose: ../../compose.yaml, service: wbe}": "1:46: from.service: found 'wbe'; allowed: web, db",
    "from: {compose: ../../compose.yaml, service: [web]}": "1:46: from.service: found a list; allowed: a name",
    "from: {service: web, image: x}": "1:8: from.service: only beside from.compose",
    "from: {compose: ../../compose.yaml, service: web, image: x}": "1:8: from: found image beside compose; allowed: e",
    "from: {compose: ../../compose.yaml, service: web, target: x}": "1:51: from.target: only beside from.dockerfile",
    f"{SPEC}run: {{depends_on: [bd]}}": "2:20: run.depends_on: found 'bd'; allowed: db",
    f"{SPEC}tags: [our/x]": "compose.yaml:1:25: from.image: found 'our/x', a tag of this image itself",
}


@pytest.mark.parametrize("spec", SPECS)
def test_mistake_in_the_spec(tmp_path: Path, spec: str) -> None:
    compose = "services: {web: {image: our/x, depends_on: [db]}, db: {image: y}}\n"
    found = only_mistake(lambda: one(tmp_path, compose, images={"web": f"{spec}\n"}))
    expected = SPECS[spec]
    assert found.startswith(expected if expected.startswith("compose") else f"images/web/image.yaml:{expected}"), found


def test_a_mistake_of_the_variables_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n'b\n")
    assert only_mistake(lambda: web(tmp_path, "user: a")) == ".env:1:1: .env:2: not NAME=value: 'b"


def test_where_it_is_wrong_all_else_is_told_too(tmp_path: Path) -> None:
    from slimtasks.errors import SpecError

    spec = "keeps: []\nrun: {depends_on: [db]}\nservices: {db: {user: a}}\n"
    with pytest.raises(SpecError) as error:
        one(tmp_path, "services: {web: {image: x, pid: host}}\n", spec)
    assert [line.split(": ")[1] for line in error.value.what.splitlines()] == ["services.web.pid", "keeps"]
