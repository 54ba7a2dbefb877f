"""What syft finds in an image file: a scanner that knows nothing of us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

KINDS = {
    "deb": "deb",
    "apk": "apk",
    "rpm": "rpm",
    "python": "pypi",
    "npm": "npm",
    "gem": "gem",
    "java-archive": "maven",
}
"""syft's types of packages as package URLs name them; it also takes programs for packages, which nobody installed."""

Named = tuple[str, str, str]
"""Type, name and version of a package."""


def found_in(archive: Path) -> set[Named]:
    """The packages that syft finds in an image as `docker save` writes it."""
    return {_named(one) for one in scan(archive) if one["type"] in KINDS}


def scan(archive: Path) -> list[dict[str, Any]]:
    """All that syft finds in an image as `docker save` writes it, as its own JSON has it."""
    return _run("scan", f"docker-archive:{archive}")


def read_bill(file: Path) -> set[str]:
    """The package URLs, decoded, that syft reads in a bill of materials."""
    return purls(one for one in _run("convert", str(file)) if one["purl"])


def purls(artifacts: Iterable[Any]) -> set[str]:
    """Their package URLs, decoded."""
    return {unquote(one["purl"]) for one in artifacts}


def _run(*arguments: str) -> list[dict[str, Any]]:
    """Its artifacts; syft looks nothing up."""
    program = Path(sys.executable).with_name("syft")
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    command = [str(program), *arguments, "--quiet", "--output", "syft-json"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    return list(json.loads(done.stdout)["artifacts"])


def _named(one: dict[str, Any]) -> Named:
    kind = KINDS.get(one["type"], one["type"])
    version = one["version"].replace("UNKNOWN", "")
    return kind, one["name"], version
