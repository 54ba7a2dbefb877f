"""Writes the Dockerfile that gives an image again from its layers (Dockerfile reference)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slimtasks.errors import SlimError

_HEALTHCHECK_OPTIONS = (
    ("Interval", "interval"),
    ("Timeout", "timeout"),
    ("StartPeriod", "start-period"),
    ("StartInterval", "start-interval"),
)


def dockerfile(config: Mapping[str, Any], layers: Sequence[str], base: str = "scratch") -> str:
    """The text that builds an image with this (whole) config from `layers`, names of tars in the context.

    SlimError where the config has what a Dockerfile cannot say: a line break, or a backslash at the end,
    in what is no JSON array.
    With a `base`, what the base has and the config has not is cleared where a Dockerfile can clear it.
    """
    run = config.get("config") or {}
    lines = [f"FROM {base}", *(f"ADD {_word(name)} /" for name in layers), *_instructions(run, base != "scratch")]
    for line in lines:
        if "\n" in line or "\r" in line or line.rstrip().endswith("\\"):
            raise SlimError(
                f"a Dockerfile cannot hold a line break, or a backslash at the end: {line[:200]!r}",
                "take it out of the image's config, or use image.tar instead of context.tar",
            )
    return "\n".join(lines) + "\n"


def _instructions(run: Mapping[str, Any], on_base: bool) -> Iterator[str]:
    for variable in run.get("Env") or ():
        name, _, value = variable.partition("=")
        yield f"ENV {_word(name)}={_word(value)}"
    for name, value in sorted((run.get("Labels") or {}).items()):
        yield f"LABEL {_word(name)}={_word(value)}"
    for port in sorted(run.get("ExposedPorts") or {}):
        yield f"EXPOSE {port}"
    if run.get("Volumes"):
        yield "VOLUME " + json.dumps([_escaped(path) for path in sorted(run["Volumes"])])
    for key, instruction in (("WorkingDir", "WORKDIR"), ("User", "USER"), ("StopSignal", "STOPSIGNAL")):
        if run.get(key):
            yield f"{instruction} {_word(run[key])}"
    for key, instruction in (("Shell", "SHELL"), ("Entrypoint", "ENTRYPOINT"), ("Cmd", "CMD")):
        if run.get(key) or (on_base and key != "Shell"):
            yield f"{instruction} {json.dumps(run.get(key) or [])}"
    if run.get("Healthcheck") or on_base:
        yield _healthcheck(run.get("Healthcheck") or {})
    for trigger in run.get("OnBuild") or ():
        yield f"ONBUILD {trigger}"


def _healthcheck(check: Mapping[str, Any]) -> str:
    test = check.get("Test") or ["NONE"]
    if test[0] == "NONE":
        return "HEALTHCHECK NONE"
    options = [f"--{option}={check[key]}ns" for key, option in _HEALTHCHECK_OPTIONS if check.get(key)]
    if check.get("Retries"):
        options.append(f"--retries={check['Retries']}")
    command = test[1] if test[0] == "CMD-SHELL" else json.dumps(test[1:])
    return " ".join(["HEALTHCHECK", *options, "CMD", command])


def _word(text: str) -> str:
    """A word in double quotes, in which the builder replaces nothing."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'


def _escaped(text: str) -> str:
    """An element of a JSON array in which the builder would replace variables and take quotes away."""
    return "".join("\\" + char if char in "\\$\"'" else char for char in text)
