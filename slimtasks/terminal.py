"""Text of images as a terminal may have it: whoever made the image chose the names in it."""

from __future__ import annotations


def shown(text: str) -> str:
    """The text in one line; bytes that are not UTF-8 stay as they are, what a terminal would obey is written out."""
    return "".join(char if char.isprintable() or _is_byte(char) else _written(char) for char in text)


def _is_byte(char: str) -> bool:
    """Whether it stands for a byte that is not UTF-8."""
    return "\udc80" <= char <= "\udcff"


def _written(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"
