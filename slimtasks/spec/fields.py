"""The kinds of values that keys take, told to pydantic without importing it.

The model's classes are plain dataclasses: an unpickled spec needs neither pydantic nor yaml. What pydantic
has to know stands in `__pydantic_config__` and in `Annotated` marks that import it only when asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any


def spelled(style: str = "-", **special: str) -> dict[str, Any]:
    """The pydantic config of a class whose keys are its field names with `style` for '_', less the special ones.

    A field spelled with a leading '@' is filled by the loader; no file can set it.
    """
    special = {"where": "@where", **special}

    def alias(field: str) -> str:
        return special.get(field, field.replace("_", style))

    return {"extra": "forbid", "strict": True, "alias_generator": alias}


@dataclass(frozen=True)
class Parsed:
    """Sends the raw value through `parse` first, which raises ValueError(what is allowed)."""

    parse: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self.parse, handler(source))


@dataclass(frozen=True)
class PairsOf:
    """Reads a mapping, or Compose's list of NAME=value, into a tuple of pairs in the order of the file."""

    bare: bool  # whether a name may stand without a value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        value = core_schema.no_info_plain_validator_function(self._value)
        mapping = core_schema.dict_schema(core_schema.str_schema(strict=True, min_length=1), value)
        listed = core_schema.no_info_before_validator_function(self._mapping, mapping)
        return core_schema.no_info_after_validator_function(lambda pairs: tuple(pairs.items()), listed)

    def _value(self, value: object) -> str | None:
        if value is None and self.bare:
            return None
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)  # only plain decimals come this far, so this is what the file says
        raise ValueError("a string" + (", or nothing to take it from the caller" if self.bare else ""))

    def _mapping(self, raw: object) -> object:
        if not isinstance(raw, list):
            return raw
        if not all(isinstance(item, str) for item in raw):
            raise ValueError("a mapping, or a list of strings NAME=value")
        pairs = [item.partition("=") for item in raw]
        if not self.bare and not all(equals for _, equals, _ in pairs):
            raise ValueError("a mapping, or a list of strings NAME=value")
        return {name: (value if equals else None) for name, equals, value in pairs}


# Patterns are compiled when first used: an import alone, as of a cached spec, should cost nothing.
_DURATION = r"(\d+(?:\.\d+)?)(h|ms|m|s|us)"
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_AGE = r"(\d+(?:\.\d+)?)([dh])"
_AGE_UNITS = {"d": 86400, "h": 3600}
_SIZE = r"(\d+(?:\.\d+)?) ?(?:([kmgtKMGT])[iI]?[bB]?|[bB])?"
_DECIMAL_SIZE = r"(\d+(?:\.\d+)?) ?([kmgtKMGT]?)([iI]?)[bB]"
_PULL_POLICIES = "missing, never (nothing is fetched again by itself: `doit update NAME` asks the registry)"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def duration(raw: object) -> float:
    """Seconds, from a duration as Go and Compose write it: '1m30s'."""
    parts = re.findall(_DURATION, raw) if isinstance(raw, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != raw:
        raise ValueError("a duration such as '30s', '1m30s' or '500ms'")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def age(raw: object) -> float:
    """Seconds, from days or hours: '30d'."""
    match = re.fullmatch(_AGE, raw) if isinstance(raw, str) else None
    if not match:
        raise ValueError("days or hours, as '30d' or '12h'")
    return float(match[1]) * _AGE_UNITS[match[2]]


def size(raw: object) -> int:
    """Bytes, from a size as Compose writes it: '64m' and '64MB' are both 64 * 1024 * 1024."""
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    match = re.fullmatch(_SIZE, raw) if isinstance(raw, str) else None
    if not match:
        raise ValueError("a size such as '64m', '12MB' or '1gb'")
    return int(float(match[1]) * 1024 ** _POWERS[(match[2] or "").lower()])


def decimal_size(raw: object) -> int:
    """Bytes, from a size as tables and `docker image ls` show it: '12MB' is 12,000,000, '12MiB' 12 * 1024 * 1024."""
    if isinstance(raw, int) and not isinstance(raw, bool) and raw >= 0:
        return raw
    match = re.fullmatch(_DECIMAL_SIZE, raw) if isinstance(raw, str) else None
    if not match:
        raise ValueError("a size such as '12MB', '9.5MB' or '8MiB'")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2].lower()])


def not_negative(raw: object) -> object:
    if isinstance(raw, (int, float)) and not isinstance(raw, bool) and raw < 0:
        raise ValueError("a number that is not below 0")
    return raw


def command(raw: object) -> object:
    """The arguments, split like a shell does where they come as one string."""
    if isinstance(raw, str):
        import shlex

        try:
            return tuple(shlex.split(raw))
        except ValueError as error:
            raise ValueError(f"a list of arguments, or a string that a shell can split ({error})".lower()) from None
    return tuple(raw) if isinstance(raw, list) else raw


def needed_command(raw: object) -> object:
    arguments = command(raw)
    if not arguments:
        raise ValueError("a program and its arguments")
    return arguments


def healthcheck(raw: object) -> object:
    """None for the image's own, () for none, else the command, which no shell sees."""
    if raw in ("keep", "drop"):
        return None if raw == "keep" else ()
    words = raw if isinstance(raw, list) and all(isinstance(word, str) for word in raw) else []
    if words and words[0] not in ("CMD", "CMD-SHELL", "NONE"):
        return tuple(words)
    raise ValueError("keep, drop, or a program and its arguments, as in [pg_isready, -q], without CMD in front")


def one_or_many(raw: object) -> object:
    return (raw,) if isinstance(raw, str) else tuple(raw) if isinstance(raw, list) else raw


def port(raw: object) -> object:
    if isinstance(raw, int) and not isinstance(raw, bool) and not 1 <= raw <= 65535:
        raise ValueError("a port from 1 to 65535")
    return raw


def exposed(raw: object) -> object:
    """A port with its protocol: 80 and '80' are '80/tcp'."""
    number, slash, protocol = str(raw).partition("/")
    known = protocol in ("tcp", "udp", "sctp") if slash else isinstance(raw, (str, int))
    if isinstance(raw, bool) or not known or not number.isdecimal() or not 1 <= int(number) <= 65535:
        raise ValueError("a port from 1 to 65535, alone or as '53/udp'")
    return f"{int(number)}/{protocol or 'tcp'}"


def matching(pattern: str, allowed: str) -> Callable[[Any], Any]:
    """A check that a string is all of `pattern`."""

    def check(raw: object) -> object:
        if isinstance(raw, str) and not re.fullmatch(pattern, raw):
            raise ValueError(allowed)
        return raw

    return check


def between(lowest: int, highest: int) -> Callable[[Any], Any]:
    def check(raw: object) -> object:
        if isinstance(raw, int) and not isinstance(raw, bool) and not lowest <= raw <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return raw

    return check


def image_path(raw: object) -> object:
    """An absolute path in an image, normalised."""
    if isinstance(raw, str):
        parts = raw.split("/")
        if not raw.startswith("/") or ".." in parts or "\0" in raw:
            raise ValueError("an absolute path in the image, without '..'")
        return "/" + "/".join(part for part in parts if part not in ("", "."))
    return raw


Seconds = Annotated[float, Parsed(duration)]
Age = Annotated[float, Parsed(age)]
Bytes = Annotated[int, Parsed(size)]
DecimalBytes = Annotated[int, Parsed(decimal_size)]
Number = Annotated[int, Parsed(not_negative)]
NotNegative = Annotated[float, Parsed(not_negative)]
Command = Annotated[tuple[str, ...], Parsed(command)]
HealthCommand = Annotated[tuple[str, ...] | None, Parsed(healthcheck)]
NeededCommand = Annotated[tuple[str, ...], Parsed(needed_command)]
OneOrMany = Annotated[tuple[str, ...], Parsed(one_or_many)]
PortNumber = Annotated[int, Parsed(port)]
Exposed = Annotated[str, Parsed(exposed)]
TargetPath = Annotated[str, Parsed(image_path)]
ExitStatus = Annotated[int, Parsed(between(0, 255))]
Variables = Annotated[tuple[tuple[str, str | None], ...], PairsOf(bare=True)]
Pairs = Annotated[tuple[tuple[str, str], ...], PairsOf(bare=False)]
PullPolicy = Annotated[str, Parsed(matching("missing|never", _PULL_POLICIES))]
Word = Annotated[str, Parsed(matching(r"[^\s]+", "a word without spaces"))]
