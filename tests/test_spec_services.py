"""`services`: what each comes to, the order in which they start, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest
from refused_spec import only_mistake

from slimtasks.spec import Image, Volume, load
from slimtasks.spec.healthcheck import Healthcheck
from slimtasks.spec.host_files import mounted_files, other_foreign, other_images, workload_files
from slimtasks.spec.run import Dependency

FROM = "from: {image: debian:12}\n"


def one(root: Path, text: str, **others: str) -> Image:
    """The image 'app' with that image.yaml, beside others."""
    for name, content in {"app": text, **others}.items():
        folder = root / "images" / name
        for file in ("a.env", "sql/a.sql"):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text("")
        (folder / "image.yaml").write_text(FROM + content)
    return load(root, {}).image("app")


def test_a_service_is_started_as_compose_says(tmp_path: Path) -> None:
    text = """
services:
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: secret}
    volumes: ["./sql:/initdb:ro"]
    env_file: a.env
    healthcheck: {test: pg_isready, interval: 1s, retries: 60, start_period: 1m30s}
"""
    image = one(tmp_path, text)
    [db] = image.services
    assert (db.name, db.image, db.where) == ("db", "postgres:15", "images/app/image.yaml:4:3")
    assert db.environment == (("POSTGRES_PASSWORD", "secret"),)
    assert db.volumes == (Volume("/initdb", str(tmp_path / "images/app/sql"), "bind", True, relative=True),)
    assert db.healthcheck == Healthcheck(("CMD-SHELL", "pg_isready"), 1.0, None, 90.0, 60)
    assert [path.name for path in workload_files(image, checks=False)] == ["a.env", "a.sql"]
    assert [name for _, name in mounted_files(image, ())] == ["/initdb/a.sql"]
    assert other_images(image, ()) == {"postgres:15"}


@pytest.mark.parametrize(
    ("written", "test"),
    [
        ("[CMD, a, b]", ("CMD", "a", "b")),
        ("[CMD-SHELL, a b]", ("CMD-SHELL", "a b")),
        ("[NONE]", ("NONE",)),
        ("a || b", ("CMD-SHELL", "a || b")),
    ],
)
def test_the_forms_of_a_healthcheck(tmp_path: Path, written: str, test: tuple[str, ...]) -> None:
    [db] = one(tmp_path, f"services: {{db: {{image: x, healthcheck: {{test: {written}}}}}}}\n").services
    assert db.healthcheck == Healthcheck(test)


def test_each_stands_behind_those_that_it_depends_on(tmp_path: Path) -> None:
    text = """
run: {depends_on: {migrate: {condition: service_completed_successfully}}}
services:
  web: {image: x, depends_on: {api: {condition: service_healthy}, cache: {condition: service_started}}}
  api: {image: x, depends_on: [db]}
  cache: {image: x}
  db: {image: x}
  migrate: {image: x, depends_on: [db]}
"""
    image = one(tmp_path, text)
    assert [service.name for service in image.services] == ["db", "api", "cache", "web", "migrate"]
    web = image.services[3]
    assert web.depends_on == (Dependency("api", "service_healthy"), Dependency("cache", "service_started"))
    assert image.services[1].depends_on == (Dependency("db", "service_started"),)
    assert image.run.depends_on == (Dependency("migrate", "service_completed_successfully"),)


def test_an_image_of_this_repo_is_a_dependency(tmp_path: Path) -> None:
    image = one(tmp_path, "services: {db: {image: our/db}}\n", data="tags: [our/db]\n")
    assert image.depends == ("data",) and not other_foreign(image, image.steps)


def test_images_that_are_of_no_repo_and_what_may_not_be_pulled(tmp_path: Path) -> None:
    text = (
        "services: {db: {image: db, pull_policy: never}, far: {image: x, platform: linux/arm64}}\n"
        "workload: [client: {image: 'app:latest', command: [x]}, client: {image: y, command: [x]}]\n"
        "scenarios: {more: {checks: [client: {image: z, pull_policy: never, command: [x]}]}}\n"
    )
    image = one(tmp_path, text)
    assert other_foreign(image, image.all_steps(checks=False)) == {"db": "", "x": "linux/arm64", "y": ""}
    assert list(other_foreign(image, image.all_steps(checks=True))) == ["db", "x", "y", "z"]
    assert image.never_pulled == {"db", "z"}


def test_what_is_of_this_repo_is_pulled_from_nowhere(tmp_path: Path) -> None:
    said = "services: {db: {image: our/db, pull_policy: never}}\n"
    found = only_mistake(lambda: one(tmp_path, said, data="tags: [our/db]\n"))
    problem = "services.db.pull_policy: only beside an image of a registry; our/db is one of this repo"
    assert found == f"images/app/image.yaml:2:45: {problem}"


MISTAKES = {
    "services: [db]": "2:11: services: found a list; allowed: services by name, as in {db: {image: postgres}}",
    "services: {}": "2:11: services: found an empty mapping; allowed: services by name",
    "services: {db: }": "2:16: services.db: found nothing; allowed: a mapping",
    "services: {db: {}}": "2:16: services.db.image: is missing; needed: image",
    "services: {db: {image: a b}}": "2:24: services.db.image: found 'a b'; allowed: an image, as in 'postgres'",
    "services: {-a: {image: x}}": "2:12: services: found the name '-a'; allowed: a-z, A-Z, 0-9,",
    "services: {db: {image: x, env: {}}}": "2:27: services.db.env: unknown key; did you mean environment?",
    "services: {db: {image: x, build: .}}": "2:27: services.db.build: unknown key; ",
    "services: {db: {image: x, pull_policy: always}}": "2:40: services.db.pull_policy: found 'always'; allowed: missin",
    "checks: [client: {command: [x], pull_policy: never}]": "2:33: checks[1].client.pull_policy: only beside client.im",
    "services: {db: {image: x, ports: [y]}}": "2:35: services.db.ports[1]: found 'y'; allowed: a port",
    "services: {db: {image: x, volumes: ['./no:/x']}}": "2:37: services.db.volumes[1].source: images/app/no does not",
    "services: {db: {image: x, env_file: nil}}": "2:37: services.db.env_file: images/app/nil does not exist",
    "services: {db: {image: x, healthcheck: {test: [a]}}}": "2:47: services.db.healthcheck.test: found a list; allow",
    "services: {db: {image: x, healthcheck: {retries: 0}}}": "2:50: services.db.healthcheck.retries: found 0 (a num",
    "services: {db: {image: x, depends_on: [cahce]}, cache: {image: x}}": (
        "2:40: services.db.depends_on: found 'cahce'; did you mean cache?"
    ),
    "services: {db: {image: x, depends_on: db}}": "2:39: services.db.depends_on: found 'db'; allowed: names of serv",
    "services: {db: {image: x, depends_on: {db: {condition: ready}}}}": "2:56: services.db.depends_on[1].condition: ",
    "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}": (
        "2:38: services.a.depends_on: found the circle a -> b -> a; allowed: no service that needs itself"
    ),
    "run: {depends_on: [db]}": "2:20: run.depends_on: found 'db'; allowed: nothing, as `services` has none",
    "tags: [our/app]\nservices: {db: {image: our/app}}": "3:24: services.db.image: found 'our/app', a tag of this im",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistake(tmp_path: Path, text: str) -> None:
    found = only_mistake(lambda: one(tmp_path, f"{text}\n"))
    assert found.startswith(f"images/app/image.yaml:{MISTAKES[text]}"), found
