"""Names of images in registries (distribution/reference; OCI distribution-spec, 'Pulling manifests')."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from slimtasks.errors import SlimError
from slimtasks.spec.names import REPOSITORY, TAG

_HUB = "docker.io"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"


@dataclass(frozen=True)
class Reference:
    """Where an image goes: 'host[:port]', the repository there, and a tag."""

    host: str
    repository: str
    tag: str = "latest"

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}"

    @property
    def address(self) -> str:
        """The host that answers; Docker Hub has another one than its name."""
        return "registry-1.docker.io" if self.host == _HUB else self.host

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine, where Docker does without TLS, too."""
        name = re.sub(r":[0-9]+\Z", "", self.host).strip("[]")
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"


def parse(text: str) -> Reference:
    """The place that 'REPOSITORY[:TAG]' names, read as Docker does: without a host it is Docker Hub.

    SlimError where it is none.
    """
    if "@" in text:
        raise SlimError(f"{text!r}: a digest is not chosen, it comes out", "write it as HOST/NAME:TAG")
    first, slash, rest = text.partition("/")
    hosted = bool(slash) and (first == "localhost" or any(mark in first for mark in ".:["))
    host, path = (first, rest) if hosted else (_HUB, text)
    repository, colon, tag = path.partition(":")
    if not hosted and "/" not in repository:
        repository = f"library/{repository}"
    for what, pattern, found, allowed in (
        ("host", _HOST, host, "a name or address, and a port"),
        ("repository", REPOSITORY, repository, "a-z, 0-9 and / between, with single . - _ inside"),
        ("tag", TAG, tag if colon else "latest", "up to 128 of A-Z a-z 0-9 . _ -, not beginning with . or -"),
    ):
        if not re.fullmatch(pattern, found):
            told = f"{text!r} names no place for an image: {what} {found!r}; allowed: {allowed}"
            raise SlimError(told, "write it as HOST/NAME:TAG")
    return Reference(host, repository, tag or "latest")
