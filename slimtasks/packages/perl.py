"""Perl distributions that were installed from CPAN: each has a list of its files, auto/Foo/Bar/.packlist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from slimtasks.packages.distribution import Distribution
from slimtasks.records import ImagePath
from slimtasks.rootfs import Tree, normalise

_PACKLIST = re.compile(r"/.*/auto/(?P<name>.+)/\.packlist", re.DOTALL)


def captured(path: str) -> bool:
    """Whether finding distributions takes the file's content."""
    return path.endswith("/.packlist")


def cpan_distributions(tree: Tree, files: Mapping[ImagePath, bytes]) -> Iterator[Distribution]:
    """What the lists name (ExtUtils::Packlist); perl's own one, which is not below auto/, is not told."""
    for path, content in sorted(files.items()):
        match = _PACKLIST.fullmatch(path) if captured(path) else None
        if match is None:
            continue
        lines = content.decode("utf-8", "surrogateescape").splitlines()
        named = (normalise(re.sub(r"(?: \w+=\S*)+$", "", line)) for line in lines if line.startswith("/"))
        paths = {found for found in named if (entry := tree.lookup(found)) is not None and entry.type != "dir"}
        yield Distribution(f"cpan/{match['name'].replace('/', '::')}", path, tuple(sorted({*paths, path})))
