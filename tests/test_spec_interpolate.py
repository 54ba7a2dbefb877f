"""${VAR} as Compose replaces it."""

from __future__ import annotations

import pytest

from slimtasks.spec.interpolate import Caller

FILLED = {
    "${A}": "a",
    "x${A}y${A}z": "xayaz",
    "${EMPTY}": "",
    "${UNSET}": "",
    "${UNSET:-d}": "d",
    "${UNSET-d}": "d",
    "${EMPTY:-d}": "d",
    "${EMPTY-d}": "",
    "${A:-d}": "a",
    "${A:?why}": "a",
    "${EMPTY?why}": "",
    "${A:+o}": "o",
    "${EMPTY:+o}": "",
    "${EMPTY+o}": "o",
    "${UNSET+o}": "",
    "${UNSET:-${A}/${UNSET:-b}}": "a/b",
    "${UNSET:-}": "",
    "${UNSET:-{}}": "{}",
    "$${A}": "${A}",
    "$$": "$",
    '$A $1 /x$/ {"a": 1}': '$A $1 /x$/ {"a": 1}',
}


@pytest.mark.parametrize("text", FILLED)
def test_filled(text: str) -> None:
    assert Caller({"A": "a", "EMPTY": ""}).fill(text) == FILLED[text].replace("{}}", "{}}")


REFUSED = {
    "${UNSET:?set it}": "the variable UNSET is required: set it (`export UNSET=...` sets it)",
    "${UNSET?}": "the variable UNSET is required: it is not set (`export UNSET=...` sets it)",
    "${EMPTY:?${A}}": "the variable EMPTY is required: a (`export EMPTY=...` sets it)",
    "${}": "found '${}'; allowed: ",
    "${1}": "found '${1}'; allowed: ",
    "${A!x}": "found '${A!x}'; allowed: ",
    "${A": "found '${A', without its closing brace",
    "${UNSET:-${A}": "without its closing brace",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(ValueError) as error:
        Caller({"A": "a", "EMPTY": ""}).fill(text)
    assert REFUSED[text] in str(error.value)


def test_what_was_asked_for() -> None:
    caller = Caller({"A": "a"})
    caller.fill("${A} ${B:-x} ${C} ${A:-${D}}")
    assert (caller.asked, caller.missing) == ({"A", "B", "C"}, {"C"})
