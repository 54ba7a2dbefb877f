"""The Compose file that takes the slim image."""

from __future__ import annotations

from pathlib import Path

from slimtasks.compose_override import compose_override
from slimtasks.spec import From, Image

ROOT = Path("/repo")


def image(source: From) -> Image:
    return Image(source, tags=("our/web:latest", "our/web:1"), name="web", folder=ROOT / "images/web")


def test_an_image_of_no_compose_file_has_none() -> None:
    assert compose_override(image(From(image="a"))) == ""


def test_the_service_takes_the_first_tag() -> None:
    source = From(image="a", compose=ROOT / "deploy/compose.yaml", service="web")
    assert compose_override(image(source)).splitlines() == [
        "# docker compose -f deploy/compose.yaml -f build/web/compose.override.yaml up",
        "services:",
        '  "web":',
        '    image: "our/web:latest"',
        "    pull_policy: if_not_present",
    ]


def test_what_is_built_is_not_built_over_it() -> None:
    source = From(dockerfile=ROOT / "Dockerfile", context=ROOT, compose=ROOT / "compose.yaml", service="web")
    assert compose_override(image(source)).splitlines()[-1] == "    build: !reset null"
