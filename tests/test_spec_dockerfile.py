"""Which images a Dockerfile names."""

from __future__ import annotations

import pytest

from slimtasks.spec.dockerfile import image_names, stage_names

NAMES: dict[str, tuple[str, ...]] = {
    "FROM a": ("a",),
    "from a as b\nfrom B": ("a",),
    "FROM --platform=$BUILDPLATFORM a AS x": ("a",),
    "FROM scratch": (),
    "ARG V=1\nFROM a:$V": ("a:1",),
    "ARG V=1\nFROM a:${V}-slim": ("a:1-slim",),
    'ARG V="1"\nFROM a:${V}': ("a:1",),
    "ARG R=our\nARG B=${R}/debian\nFROM $B": ("our/debian",),
    "ARG A=x B=y\nFROM $B": ("y",),
    "ARG V\nFROM a:$V": (),
    "FROM a:${V:-2}": ("a:2",),
    "FROM a${V:+-x}": ("a",),
    "FROM a\nARG V=1\nFROM b:$V": ("a",),
    "FROM a\nCOPY --from=b /x /y": ("a", "b"),
    "FROM a AS s\nFROM c\nCOPY --chown=1 --from=s /x /\nCOPY --from=0 / /\nCOPY --from=d --link / /": ("a", "c", "d"),
    "FROM a\nADD --from=b x y": ("a", "b"),
    "FROM a\nRUN --mount=type=bind,from=b,target=/x --mount=from=c,target=/y echo --from=d": ("a", "b", "c"),
    "FROM a\nRUN --mount=type=bind,target=/from=no true": ("a",),
    "FROM \\\n  # a comment\n\n  a \\\n  AS b\nFROM b": ("a",),
    "# escape=`\nFROM `\n a\nRUN dir c:\\\nFROM b": ("a", "b"),
    "# syntax=docker/dockerfile:1\n# FROM x\nFROM a": ("a",),
    "FROM a\nRUN <<EOF\nFROM no\nEOF\nCOPY --from=b / /": ("a", "b"),
    "FROM a\nRUN <<-'END' cat <<X\nFROM no\n\tEND\nFROM no\nX\nFROM b": ("a", "b"),
    "FROM a\nRUN echo \\\nFROM no": ("a",),
    "FROM a\r\nCOPY --from=b / /\r\n": ("a", "b"),
    "FROM a\n\\\n": ("a",),
    "": (),
    "FROM": (),
}


@pytest.mark.parametrize("text", NAMES)
def test_names(text: str) -> None:
    assert image_names(text) == NAMES[text]


def test_args_beat_defaults() -> None:
    assert image_names("ARG V=1\nARG W\nFROM a:$V-$W", [("V", "2"), ("W", "3")]) == ("a:2-3",)


TARGETS: dict[str, tuple[str, ...]] = {"": ("a", "b", "c"), "one": ("a",), "TWO": ("a", "b"), "0": ("a",)}


@pytest.mark.parametrize("target", TARGETS)
def test_only_stages_up_to_the_target(target: str) -> None:
    assert image_names("FROM a AS one\nFROM b AS two\nFROM c", target=target) == TARGETS[target]


def test_stage_names() -> None:
    assert stage_names("FROM a AS One\nFROM b") == ("one",)
