"""A service: another container on the network of the image under test, which needs it (Compose's `services`)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated

from slimtasks.spec.fields import Parsed, PullPolicy, matching, spelled
from slimtasks.spec.run import Run


@dataclass(frozen=True)
class Service(Run):
    """How another image is started beside the one under test."""

    _: KW_ONLY
    image: Annotated[str, Parsed(matching(r"[^\s]+", "an image, as in 'postgres' or 'our/db:15'"))]
    pull_policy: PullPolicy = "missing"
    name: str = ""
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = spelled("_", name="@name", aliases="@aliases")
