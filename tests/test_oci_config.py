"""Our image configs."""

from __future__ import annotations

import json
from typing import Any

from slimtasks.oci.config import KIND_LABEL, Overrides, image_config

FAT: dict[str, Any] = {
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "created": "2024-05-05T05:05:05.5Z",
    "docker_version": "20.10",
    "container_config": {"Cmd": ["x"]},
    "config": {
        "Hostname": "4f2a",
        "Image": "sha256:x",
        "Env": ["PATH=/bin", "A=1", "E="],
        "Cmd": ["-g"],
        "Entrypoint": ["nginx"],
        "User": "www",
        "WorkingDir": "/srv",
        "Volumes": {"/data": {}},
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5},
        "StopSignal": "SIGQUIT",
        "Shell": ["/bin/bash", "-c"],
        "OnBuild": ["RUN x"],
        "Labels": {KIND_LABEL: "build", "maintainer": "me"},
    },
}
LAYERS = [("sha256:aa", "slimtasks application"), ("sha256:bb", "slimtasks customisation")]


def test_the_fat_images_settings_carry_over() -> None:
    raw = image_config(FAT, LAYERS, kind="slim", created=86400)
    assert json.loads(raw) == {
        "architecture": "arm64",
        "variant": "v8",
        "os": "linux",
        "created": "1970-01-02T00:00:00Z",
        "config": {
            **{key: value for key, value in FAT["config"].items() if key not in ("Hostname", "Image")},
            "Labels": {KIND_LABEL: "slim", "maintainer": "me"},
        },
        "history": [
            {"created": "1970-01-02T00:00:00Z", "created_by": "slimtasks application"},
            {"created": "1970-01-02T00:00:00Z", "created_by": "slimtasks customisation"},
        ],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:aa", "sha256:bb"]},
    }
    assert raw == image_config(dict(reversed(FAT.items())), LAYERS, kind="slim", created=86400)


def test_final_changes_what_it_names() -> None:
    overrides = Overrides(
        user="",
        command=(),
        entrypoint=("/x", "y"),
        expose=("443", "53/udp"),
        environment=(("A", "2"), ("B", "3")),
        labels=(("z", "1"), (KIND_LABEL, "mine")),
    )
    config = json.loads(image_config(FAT, [], kind="base", created=0, overrides=overrides))["config"]
    assert "User" not in config and "Cmd" not in config
    assert config["Entrypoint"] == ["/x", "y"]
    assert config["ExposedPorts"] == {"80/tcp": {}, "443/tcp": {}, "53/udp": {}}
    assert config["Env"] == ["PATH=/bin", "A=2", "E=", "B=3"]
    assert config["Labels"] == {"maintainer": "me", "z": "1", KIND_LABEL: "base"}


def test_the_base_is_named_in_ocis_labels() -> None:
    raw = image_config({}, [], kind="slim", created=0, base_name="debian:12", base_digest="sha256:1")
    assert json.loads(raw)["config"]["Labels"] == {
        KIND_LABEL: "slim",
        "org.opencontainers.image.base.name": "debian:12",
        "org.opencontainers.image.base.digest": "sha256:1",
    }
