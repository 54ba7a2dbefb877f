"""Sizes and numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def size_text(size: int) -> str:
    """Decimal units, as docker's: '9.67 MB', '4.2 kB', '17 B'."""
    for unit, bytes_of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_of:
            digits = 1 if size >= 100 * bytes_of or unit == "kB" else 2
            return f"{size / bytes_of:.{digits}f} {unit}"
    return f"{size} B"


def count(number: int, noun: str) -> str:
    """'1 step', '2 steps'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def whole_packages(header: Mapping[str, Any]) -> tuple[str, ...]:
    """What selection.jsonl's header says of them, for the user, in at most one sentence."""
    number, unseen = header.get("whole", 0), header.get("unseen", "")
    if not number:
        return (f"{unseen}, AND NOTHING THAT WAS USED IS OF A PACKAGE",) if unseen else ()
    others = ", WITH ALL THAT THEY DEPEND ON" if header.get("depended_on") else ""
    what = f"{unseen}, SO PACKAGES STAY WHOLE{others}: {number}" if unseen else f"{count(number, 'package')} whole"
    return (f"{what} (`granularity: file` would save {size_text(header['beyond'])})",)


def for_health(header: Mapping[str, Any]) -> tuple[str, ...]:
    """What it says of the HEALTHCHECK, in at most one sentence."""
    size = header.get("healthcheck", 0)
    return (f"up to {size_text(size)} for the HEALTHCHECK alone (`final: {{healthcheck: drop}}`)",) if size else ()
