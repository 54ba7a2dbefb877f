"""README.md says all keys of a spec, and its links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from slimtasks.spec.healthcheck import Healthcheck
from slimtasks.spec.model import Add, Also, Bootstrap, Final, From, Image, Limits, Squash, Trace
from slimtasks.spec.run import Port, Run, Ulimit, Volume
from slimtasks.spec.scenario import Scenario
from slimtasks.spec.service import Service
from slimtasks.spec.steps import ACTIONS, StructureTest
from slimtasks.spec.validate import field_alias

README = Path(__file__).parent.parent / "README.md"
SECTIONS: dict[str, tuple[type, ...]] = {
    "## The spec": (Image, From, Bootstrap, Squash, Add, Trace, Final, Scenario),
    "### Traces from elsewhere": (Also,),
    "### Steps": tuple(action for action in ACTIONS.values() if action is not StructureTest),
    "### Starting it": (Run, Volume, Port, Ulimit, Healthcheck),
    "### Limits": (Limits,),
}


def section(heading: str) -> str:
    """What stands below the heading, up to the next one; code included."""
    body = README.read_text().partition(f"\n{heading}\n")[2]
    return re.split(r"\n#{2,3} ", body)[0]


def code(text: str) -> str:
    """What of it is no prose."""
    blocks = re.compile(r"```.*?```|^ {4}[^\n]*", re.DOTALL | re.M)
    return " ".join([*blocks.findall(text), *re.findall(r"`[^`]+`", blocks.sub("", text))])


def keys(kind: type) -> list[str]:
    """Those that a file may have."""
    names = [field_alias(kind, field.name) for field in dataclasses.fields(kind)]
    return [name for name in names if not name.startswith("@")]


@pytest.mark.parametrize("heading", SECTIONS)
def test_all_keys(heading: str) -> None:
    said = set(re.findall(r"[a-z][\w-]*", code(section(heading))))
    assert [key for kind in SECTIONS[heading] for key in keys(kind) if key not in said] == []


def test_a_service_has_no_more_than_is_said() -> None:
    assert set(keys(Service)) - set(keys(Run)) == {"image", "pull_policy"}
    assert {"`image`", "[`pull_policy`](#updates)"} <= set(re.split(r",? ", section("### Services").replace("\n", " ")))


def test_no_other_keys() -> None:
    """The tables of keys and steps name none that is refused."""
    named = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \|", section("## The spec"), re.M)
    assert set(re.findall(r"[\w-]+", " ".join(named))) == {*keys(Image), "tag"}
    assert re.findall(r"^\| `([\w-]+)` \|", section("### Steps"), re.M) == list(ACTIONS)
    run = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", section("### Starting it")))
    assert set(run) - {"run"} == set(keys(Run))
    assert re.findall(r"^\| `([\w-]+)` \|", section("### Limits"), re.M) == keys(Limits)


def test_links() -> None:
    text = README.read_text()
    titles = re.findall(r"^#{2,3} (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert len(set(anchors)) == len(anchors)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert [link for link in links if link.startswith("#") and link[1:] not in anchors] == []
    files = [link for link in links if not link.startswith(("#", "http"))]
    assert files and [link for link in files if not (README.parent / link).exists()] == []
