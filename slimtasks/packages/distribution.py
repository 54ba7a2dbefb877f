"""A package of a language: what its tools call a distribution, a module, a gem; or all that a runtime brings itself."""

from __future__ import annotations

from dataclasses import dataclass

from slimtasks.records import ImagePath


@dataclass(frozen=True)
class Distribution:
    """Files that were installed together, wherever they came from."""

    name: str  # 'pypi/flask', 'npm/express', 'gem/rack', 'cpan/Mojolicious', 'deb/python3-flask', 'Python', 'Java'
    place: ImagePath  # its metadata, or the directory that it is in: tells two of one name apart
    paths: tuple[ImagePath, ...]  # files and symlinks of the tree
    needs: tuple[str, ...] = ()  # names of the same type that it says it depends on, without what only extras need
    local: str = ""  # from which folder or file of the build's it was installed: it is the user's own
