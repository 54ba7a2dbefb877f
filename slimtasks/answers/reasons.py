"""Why a path stays: its reasons, each followed to where it comes from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from slimtasks.answers.built import Built
from slimtasks.answers.uses import Uses
from slimtasks.records import ImagePath, Reason, bare_name
from slimtasks.selection.spec_lines import spec_line
from slimtasks.spec import Rule

_SEEN = ("traced", "asked")  # kinds of which the trace tells more than the selection


@dataclass(frozen=True)
class Link:
    """One link of a chain: a path that stays, and why."""

    path: ImagePath
    kind: str
    text: str


@dataclass(frozen=True)
class Because:
    """One reason, and how the path for whose sake it is came to stay, as a chain that ends with a reason of its own."""

    kind: str
    text: str
    chain: tuple[Link, ...] = ()


class Reasons:
    """The reasons of one image's paths, told."""

    def __init__(self, built: Built) -> None:
        self._built = built

    @cached_property
    def uses(self) -> Uses:
        """What the trace tells."""
        return Uses(self._built.trace, self._built.tree)

    def of(self, path: ImagePath) -> tuple[Because, ...]:
        """Why the path of the fat image stays; nothing where it does not."""
        choice = self._built.selected.get(path)
        found = []
        for reason in choice.reasons if choice else ():
            chain = self._chain(reason.by, path) if reason.by else ()
            found += [Because(reason.kind, text, chain) for text in self._texts(path, reason)]
        return tuple(dict.fromkeys(found))

    def _chain(self, start: ImagePath, end: ImagePath) -> tuple[Link, ...]:
        """The shortest way from `start` to a path that stays for no other one's sake, not by way of `end`."""
        first = self._final(start)
        ways: deque[tuple[tuple[ImagePath, Reason], ...]] = deque()
        seen = {first, end}
        ways.extend(((first, reason),) for reason in self._reasons(first))
        while ways:
            way = ways.popleft()
            reason = way[-1][1]
            if not reason.by:
                return tuple(Link(path, why.kind, self._texts(path, why)[0]) for path, why in way)
            following = self._final(reason.by)
            if following not in seen:
                seen.add(following)
                ways.extend((*way, (following, more)) for more in self._reasons(following))
        return ()

    def _reasons(self, path: ImagePath) -> tuple[Reason, ...]:
        choice = self._built.selected.get(path)
        return choice.reasons if choice else ()

    def _final(self, path: ImagePath) -> ImagePath:
        """A library is named by the path that ld.so took."""
        final = self._built.tree.walk(path).final
        return final.path if final else path

    def _texts(self, path: ImagePath, reason: Reason) -> tuple[str, ...]:
        """The reason in words; one that the trace tells in more, as often as it does."""
        image = self._built.image
        if reason.kind in _SEEN:
            texts = tuple(use.text for use in self.uses.of(path) if use.kind == reason.kind)
            return texts or (reason.detail,)
        if reason.kind == "kept":
            return (
                self._of_rule("keep", image.keep, reason.detail)
                or self._of_rule("keep-packages", image.keep_packages, reason.detail.removeprefix("package "))
                or self._of_rule("keep-presets", image.keep_presets, reason.detail.removeprefix("preset "))
                or reason.detail,
            )
        if reason.kind == "own":
            return (self._of_rule("own", image.own, reason.detail) or reason.detail,)
        return (reason.detail,)

    def _of_rule(self, key: str, rules: Iterable[Rule], text: str) -> str:
        """The rule as the spec has it, and where; empty where it has none such."""
        toml = self._built.image.file.suffix == ".toml"
        found = (rule for rule in rules if text in (rule.text, bare_name(rule.text)))
        return next((f"by {spec_line(key, rule.text, toml=toml)} at {rule.where}" for rule in found), "")
