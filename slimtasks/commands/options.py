"""Options behind the names, as in `doit removed web -n 5`, which doit does not take by itself."""

from __future__ import annotations

import getopt
from typing import Any

from doit.cmd_base import Command
from doit.cmdparse import CmdParse, CmdParseError


class OptionsAnywhere(Command):  # type: ignore[misc]  # doit has no types
    """A command that takes its options behind the names, too."""

    def parse_execute(self, in_args: list[str]) -> Any:
        """Puts them first, where doit looks for them."""
        return super().parse_execute(_options_first(self.cmdparser, self.get_name(), in_args))


def _options_first(parser: CmdParse, command: str, words: list[str]) -> list[str]:
    """The words with the options before the names; CmdParseError for an option that is none."""
    try:
        options, names = getopt.gnu_getopt(words, parser.get_short(), parser.get_long())
    except getopt.GetoptError as error:
        raise CmdParseError(f"{command}: {error}") from None
    return [*(word for option in options for word in option if word), "--", *names]
