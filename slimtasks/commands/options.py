"""Options behind the names, as in `doit removed web -n 5`, which doit does not take by itself."""

from __future__ import annotations

import getopt

from doit.cmdparse import CmdParse, CmdParseError


def options_first(parser: CmdParse, command: str, words: list[str]) -> list[str]:
    """The words with the options before the names; CmdParseError for an option that is none."""
    try:
        options, names = getopt.gnu_getopt(words, parser.get_short(), parser.get_long())
    except getopt.GetoptError as error:
        raise CmdParseError(f"{command}: {error}") from None
    return [*(word for option in options for word in option if word), "--", *names]
