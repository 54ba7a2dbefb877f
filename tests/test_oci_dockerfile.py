"""The Dockerfile of context.tar; test_oci_archive has a real builder read it."""

from __future__ import annotations

import pytest

from slimtasks.errors import SlimError
from slimtasks.oci.dockerfile import dockerfile


def test_every_instruction() -> None:
    run = {
        "Env": ['A=$x "y" \\'],
        "Labels": {"b": "2", "a": "1"},
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/$v": {}},
        "WorkingDir": "/w x",
        "User": "1:1",
        "StopSignal": "SIGINT",
        "Shell": ["/bin/sh", "-c"],
        "Entrypoint": ["x"],
        "Cmd": ["a\n$b"],
        "Healthcheck": {"Test": ["CMD-SHELL", "x || y"], "Interval": 3, "Retries": 4},
        "OnBuild": ["RUN x"],
    }
    assert dockerfile({"config": run}, ["1-a.tar"]).splitlines() == [
        "FROM scratch",
        'ADD "1-a.tar" /',
        r'ENV "A"="\$x \"y\" \\"',
        'LABEL "a"="1"',
        'LABEL "b"="2"',
        "EXPOSE 80/tcp",
        r'VOLUME ["/\\$v"]',
        'WORKDIR "/w x"',
        'USER "1:1"',
        'STOPSIGNAL "SIGINT"',
        'SHELL ["/bin/sh", "-c"]',
        'ENTRYPOINT ["x"]',
        r'CMD ["a\n$b"]',
        "HEALTHCHECK --interval=3ns --retries=4 CMD x || y",
        "ONBUILD RUN x",
    ]


def test_on_a_base_what_it_starts_is_cleared() -> None:
    assert dockerfile({"config": {}}, [], "our/busybox").splitlines() == [
        "FROM our/busybox",
        "ENTRYPOINT []",
        "CMD []",
        "HEALTHCHECK NONE",
    ]
    assert dockerfile({"config": {}}, []).splitlines() == ["FROM scratch"]


@pytest.mark.parametrize("run", [{"Env": ["A=1\n2"]}, {"OnBuild": ["RUN x \\"]}])
def test_what_a_line_cannot_hold_is_refused(run: dict[str, list[str]]) -> None:
    with pytest.raises(SlimError, match="cannot hold a line break"):
        dockerfile({"config": run}, [])
