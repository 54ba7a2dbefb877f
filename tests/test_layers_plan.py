"""The plan of shared layers, and what each image uses of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from slimtasks.layers.lock import Lock
from slimtasks.layers.members import Bundle, split
from slimtasks.layers.plan import WORTH, plan
from slimtasks.layers.sharing import Sharing, share
from slimtasks.records import Entry, ImagePath

BIG = 10 * WORTH


def bundle(*names: str, size: int = BIG, content: str = "") -> Bundle:
    """One whose paths are those of its members."""
    paths = sorted(split(name)[1] for name in names)
    found = (
        Entry(path, "file", 0o644, size=size, digest=content, hardlink=paths[0] if path != paths[0] else "")
        for path in paths
    )
    return Bundle(tuple(sorted(names)), tuple(found))


def images(**files: str) -> dict[str, list[Bundle]]:
    """`a="x/1 y/2"`: image a has path /1 of package deb/x, and /2 of deb/y."""
    return {
        name: [bundle("deb/{}:/{}".format(*file.split("/"))) for file in text.split()] for name, text in files.items()
    }


def shipped(package: str, path: ImagePath) -> bool | None:
    return True


def uses(lock: Lock, fleet: Mapping[str, Sequence[Bundle]]) -> dict[str, Sharing]:
    return {name: share(lock, found, shipped) for name, found in fleet.items()}


def dump(lock: Lock) -> list[str]:
    return [f"{group.kind} {group.name}: {' '.join(group.members)}" for group in lock.groups]


def test_files_of_the_same_images_share_a_layer_and_what_most_have_lies_lowest() -> None:
    fleet = images(a="c/1 c/2 z/3", b="c/1 c/2 z/3", c="c/1 c/2 own/9", d="q/8", e="c/1 c/2")
    assert dump(plan(fleet, 6, 0)) == ["root c: deb/c:/1 deb/c:/2", "infrastructure z: deb/z:/3"]


def test_no_image_gets_more_layers_than_allowed_and_the_largest_savings_come_first() -> None:
    fleet = images(a="x/1 y/2 z/3", b="x/1 y/2", c="x/1 z/3", d="x/1")
    fleet["a"][2] = fleet["c"][1] = bundle("deb/z:/3", size=2 * BIG)
    assert dump(plan(fleet, 1, 0)) == ["root x: deb/x:/1"]
    assert [group.name for group in plan(fleet, 2, 0).groups] == ["x", "z"]
    assert plan(fleet, 0, 0).groups == ()


def test_what_several_have_and_no_layer_is_common() -> None:
    fleet = images(a="x/1 y/2 q/3", b="x/1 y/2", c="x/1 z/4", d="x/1 z/4 q/5")
    lock = plan(fleet, 1, 0)
    assert dump(lock) == ["root x: deb/x:/1"]
    assert lock.common == ("deb/y:/2", "deb/z:/4")
    used = uses(lock, fleet)
    assert [[entry.path for entry in part] for part in (used["a"].common, used["a"].rest)] == [["/2"], ["/3"]]
    assert (used["c"].common, used["c"].rest) == (used["d"].common, ())


def test_what_saves_nothing_worth_a_layer_is_left_alone() -> None:
    fleet = {name: [bundle("deb/x:/1", size=WORTH - 1)] for name in "ab"}
    assert plan(fleet, 6, 0).groups == ()


def test_what_has_the_same_name_and_another_content_saves_nothing() -> None:
    fleet = {name: [bundle("deb/x:/1", content=name)] for name in "ab"}
    assert plan(fleet, 6, 0).groups == ()
    assert dump(plan({**fleet, "c": fleet["a"]}, 6, 0)) == ["root x: deb/x:/1"]


def test_groups_of_one_package_have_names_of_their_own() -> None:
    fleet = images(a="x/1 x/2", b="x/1 x/2", c="x/1", d="q/7", e="q/8")
    assert [group.name for group in plan(fleet, 6, 0).groups] == ["x", "x-2"]


def test_a_group_that_was_there_before_keeps_its_name_and_kind() -> None:
    fleet = images(a="x/1 x/2", b="x/1", c="x/2")
    old = plan(fleet, 6, 0)
    assert dump(old) == ["root x: deb/x:/1", "root x-2: deb/x:/2"]
    more = {**fleet, **images(d="x/3 q/8", e="x/3 q/9", f="x/2", g="q/7")}
    kept = ["root x-2: deb/x:/2", "root x: deb/x:/1", "infrastructure x-3: deb/x:/3"]
    assert dump(plan(more, 6, 0, old)) == kept
    assert dump(plan(more, 6, 0))[0] == "infrastructure x: deb/x:/2"


def test_an_image_that_is_added_changes_nothing_for_the_others() -> None:
    fleet = images(a="c/1 c/2 z/3", b="c/1 c/2 z/3", c="c/1 c/2")
    lock = plan(fleet, 6, 0)
    before = uses(lock, fleet)
    after = uses(lock, {**fleet, **images(d="c/1 c/2 n/5")})
    assert {name: after[name] for name in fleet} == before
    assert [use.group.name for use in after["d"].uses] == ["c"]
    assert after["d"].uses[0].entries == before["a"].uses[0].entries
    assert [entry.path for entry in after["d"].rest] == ["/5"]


def test_an_image_that_fits_more_groups_than_allowed_uses_the_largest() -> None:
    lock = replace(plan(images(a="x/1", b="x/1", c="y/2", d="y/2"), 6, 0), most=1)
    added = [bundle("deb/x:/1"), bundle("deb/y:/2", size=2 * BIG)]
    assert [use.group.name for use in share(lock, added, shipped).uses] == ["y"]


def test_an_update_changes_the_content_of_its_layer_and_not_the_plan() -> None:
    fleet = images(a="c/1 z/3", b="c/1 z/3", c="c/1")
    lock = plan(fleet, 6, 0)
    updated = {
        name: [bundle("deb/z:/3", content="new") if found.members == ("deb/z:/3",) else found for found in have]
        for name, have in fleet.items()
    }
    before, after = uses(lock, fleet), uses(lock, updated)
    for name in "ab":
        assert [use.group.name for use in after[name].uses] == ["c", "z"]
        assert after[name].uses[0] == before[name].uses[0]
        assert after[name].uses[1].entries[0].digest == "new"
    assert after["c"] == before["c"]
    assert plan(updated, 6, 0) == lock


def test_a_layer_is_used_only_whole_but_for_what_its_package_ships_no_longer() -> None:
    lock = plan(images(a="x/1 x/2 y/3", b="x/1 x/2 y/3"), 6, 0)

    def had(ships: bool | None) -> list[tuple[str, ...]]:
        found = share(lock, [bundle("deb/x:/1"), bundle("deb/y:/3")], lambda *_: ships)
        return [use.passed for use in found.uses]

    assert had(True) == [] and had(None) == []
    assert had(False) == [("deb/x:/2",)]


def test_a_layer_of_which_nothing_is_shipped_any_longer_is_none() -> None:
    lock = plan(images(a="x/1", b="x/1"), 6, 0)
    assert share(lock, [], lambda *_: False).uses == ()


def test_an_inode_of_which_a_name_would_stay_behind_goes_nowhere() -> None:
    one, both = bundle("deb/x:/1"), bundle("deb/x:/1", "deb/x:/2")
    lock = plan({"a": [one], "b": [one], "c": [both]}, 6, 0)
    assert [group.members for group in lock.groups] == [("deb/x:/1",)]
    assert share(lock, [both], shipped).uses == ()
    assert share(plan({"a": [both], "b": [both]}, 6, 0), [one], shipped).uses == ()


FLEETS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.dictionaries(st.integers(0, 15), st.sampled_from(["one", "two"]), max_size=16),
    min_size=1,
)


@given(FLEETS, st.integers(0, 4))
def test_any_plan_keeps_its_promises(drawn: dict[str, dict[int, str]], most: int) -> None:
    fleet = {
        name: [
            bundle(f"deb/p{number % 3}:/{number:02}", size=BIG * (number + 1), content=content)
            for number, content in sorted(files.items())
        ]
        for name, files in drawn.items()
    }
    lock = plan(fleet, most, 0)
    assert lock == plan(dict(reversed(fleet.items())), most, 0)
    members = [name for group in lock.groups for name in group.members]
    assert len(members) == len(set(members))
    assert len({group.name for group in lock.groups}) == len(lock.groups)
    stored = {}
    for name, sharing in uses(lock, fleet).items():
        assert len(sharing.uses) <= most
        layers = [*(use.entries for use in sharing.uses), sharing.common, sharing.rest]
        held = [entry for layer in layers for entry in layer]
        assert sorted(entry.path for entry in held) == [entry.path for have in fleet[name] for entry in have.entries]
        stored.update({layer if layer is not layers[-1] else (name, layer): layer for layer in layers})
    flat = sum(have.size for found in fleet.values() for have in found)
    assert sum(entry.size for layer in stored.values() for entry in layer) <= flat
