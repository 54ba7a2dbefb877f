"""Lines of a spec as messages tell them, to be copied into it as they are."""

from __future__ import annotations

import re

_WILDCARD = re.compile(r"[*?\[]")


def spec_line(key: str, *texts: str, toml: bool = False) -> str:
    """A list of rules, as a spec has it: 'keep: ["/etc/passwd"]', or 'keep = [...]' of an image.toml."""
    return f"{key}{' = ' if toml else ': '}[{', '.join(map(quoted, texts))}]"


def pattern_of(path: str) -> str:
    """The pattern that names the path; a byte of it that is not UTF-8, which no spec can hold, as `?`."""
    literal = _WILDCARD.sub(lambda match: f"[{match[0]}]", path)
    return "".join("?" if "\udc80" <= char <= "\udcff" else char for char in literal)


def quoted(text: str) -> str:
    """In double quotes, which mean the same in YAML and TOML."""
    return '"' + "".join(map(_escaped, literal(text))) + '"'


def literal(text: str) -> str:
    """As it has to be written so that nothing of it is taken for a variable."""
    return text.replace("$", "$$") if "${" in text or "$$" in text else text


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"
