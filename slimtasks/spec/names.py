"""Names that an image may have, and its tags."""

from __future__ import annotations

import re

# The grammar of https://github.com/distribution/reference
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = rf"{_COMPONENT}(?:/{_COMPONENT})*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"

_NAME = re.compile(_COMPONENT)

_STAGES = frozenset(
    ("base", "fat", "trace", "select", "sbom", "layers", "context", "image", "harden", "verify", "report")
)
_STORES = frozenset(("traces", "scratch", "compressed"))
_DOIT_COMMANDS = frozenset(
    (
        "list",
        "run",
        "clean",
        "help",
        "info",
        "forget",
        "ignore",
        "auto",
        "dumpdb",
        "reset-dep",
        "strace",
        "tabcompletion",
    )
)
_RUN_WORDS = frozenset(
    (
        "test",
        "stop",
        "corpus",
        "wheel",
        "lint",
        "typecheck",
        "init",
        "why",
        "removed",
        "diff",
        "lock",
        "record",
        "relayer",
        "repair",
        "update",
        "push",
        "sweep",
        "doctor",
        "verify-reproducible",
    )
)
_FILES = frozenset(("report.json", "specs.pickle"))


def name_problem(name: str) -> str:
    """Why an image cannot have this name; empty where it can."""
    if name in _STAGES:
        return f"'{name}' is the name of a stage; allowed: any other folder name"
    if name in _STORES:
        return f"'{name}' is a folder of the tool in build/; allowed: any other folder name"
    if name in _DOIT_COMMANDS:
        return f"'{name}' is a command of doit; allowed: any other folder name"
    if name in _RUN_WORDS:
        return f"'{name}' is a word of ./run; allowed: any other folder name"
    if name in _FILES:
        return f"'{name}' is a file in build/; allowed: any other folder name"
    if not _NAME.fullmatch(name):
        return f"found the folder name '{name}'; allowed: a-z, 0-9, and '.', '_', '-' between them"
    return ""


_TAG = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?"  # a registry's host
    rf"{REPOSITORY}(?::{TAG})?"
)


def is_tag(text: str) -> bool:
    """Whether an engine takes it as a tag: https://github.com/distribution/reference, without a digest."""
    return bool(_TAG.fullmatch(text))


def tagged(reference: str) -> str:
    """The reference with its tag, or digest; `:latest` where it has neither."""
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else reference + ":latest"
