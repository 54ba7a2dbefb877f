"""Ranges of ports, as Compose files and some images' configs have them."""

from __future__ import annotations

import re

_RANGE = re.compile(r"(\d+)-(\d+)")
_MOST = 1000  # ports


def port_range(written: str) -> range:
    """The numbers that '8000-8010' stands for; none where it is no range, or a very long one."""
    match = _RANGE.fullmatch(written)
    first, last = (int(match[1]), int(match[2])) if match else (1, 0)
    return range(first, last + 1) if last - first < _MOST else range(0)
