"""What all the documents say of the image that they are about, with nothing in them that differs from run to run."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from slimtasks import __version__
from slimtasks.oci.config import timestamp
from slimtasks.records import ImagePath
from slimtasks.sbom.component import Component

TOOL = f"slimtasks-{__version__}"
_SERIALS = uuid.UUID("a3c1b3e4-52b5-5d2f-9a53-6f2f0f0c7f5e")  # one of ours, out of which uuid5 makes the others


@dataclass(frozen=True)
class Subject:
    """A slim image."""

    name: str  # its first tag, else its name in the repo
    config_digest: str
    created: int  # seconds since 1970, as the image's config says
    components: tuple[Component, ...]
    os_release: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[ImagePath, ...] = ()  # package databases of which no package is told

    @property
    def date(self) -> str:
        """RFC 3339."""
        return timestamp(self.created)

    @property
    def lack(self) -> str:
        """What the bill does not tell; empty where it tells all."""
        paths = ", ".join(map(printable, self.unread))
        return f"the packages of rpm are not told: {paths} is not read" if paths else ""

    def serial(self, document: str) -> uuid.UUID:
        """The same for the same image and kind of document."""
        return uuid.uuid5(_SERIALS, f"{document} {self.config_digest}")


def printable(path: str) -> str:
    """A path as text that every reader takes: bytes that are no UTF-8 become replacement characters."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
