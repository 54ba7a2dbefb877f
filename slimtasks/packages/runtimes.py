"""The runtimes of languages: each one's own library, whoever put it there, is a package."""

from __future__ import annotations

import re
from collections.abc import Iterator

from slimtasks.packages.distribution import Distribution
from slimtasks.records import ImagePath
from slimtasks.rootfs import Tree, join, parent

# By a file that each root has. Debian's Perl and Ruby have two roots or three below /usr, which belong together; what
# is in perl/5.36.0 below /usr/local is the administrator's.
_PREFIX, _ARCH = r"(?P<prefix>/(?:.*/)?)", r"(?:/[^/]+-linux-[^/]+)"
_MARKS = {
    "Python": rf"(?P<root>{_PREFIX}lib(?:64)?/(?:python\d+\.\d+t?|pypy[\d.]+))/os\.py",
    "Ruby": rf"(?P<root>{_PREFIX}lib(?:64)?{_ARCH}?/ruby/\d[\d.]*)/(?:English|rbconfig)\.rb",
    "Perl": rf"(?P<root>{_PREFIX}(?:(?:share|lib{_ARCH}?)/perl/5[\d.]*|lib{_ARCH}?/perl-base"
    r"|lib(?:64)?/perl5/5\.\d+\.\d+|(?:share|lib)/perl5/core_perl))/(?:strict|Config)\.pm",
    "Java": r"(?P<root>(?P<prefix>/.+))/lib/(?:modules|rt\.jar)",
}
_MARK = {language: re.compile(regex) for language, regex in _MARKS.items()}
_ENDS = ("/os.py", "/English.rb", "/rbconfig.rb", "/strict.pm", "/Config.pm", "/lib/modules", "/lib/rt.jar")


def runtimes(tree: Tree) -> Iterator[Distribution]:
    """Each runtime's library, less what was installed into it: Python's site-packages."""
    roots: dict[tuple[str, str], set[ImagePath]] = {}
    for path in tree.paths:
        entry = tree.lookup(path) if path.endswith(_ENDS) else None
        if entry is not None and entry.type == "file":  # /usr/lib/modules is the kernel's
            for language, regex in _MARK.items():
                match = regex.fullmatch(path)
                if match is not None:
                    root = _home(match["root"], tree) if language == "Java" else ImagePath(match["root"])
                    if root:
                        together = match["prefix"] if language in ("Ruby", "Perl") else root
                        roots.setdefault((language, together), set()).add(root)
    for (language, _), found in sorted(roots.items()):
        yield Distribution(language, min(found), tuple(path for root in sorted(found) for path in _own(root, tree)))


def _home(root: str, tree: Tree) -> ImagePath | None:
    """JAVA_HOME, which has bin/java; of a JDK 8, the directory that its jre is in."""
    places = (parent(root), ImagePath(root)) if root.endswith("/jre") else (ImagePath(root),)
    return next((place for place in places if join(place, "bin/java") in tree), None)


def _own(root: ImagePath, tree: Tree) -> Iterator[ImagePath]:
    installed = (f"{root}/site-packages/", f"{root}/dist-packages/")
    for path in tree.below(root):
        entry = tree.lookup(path)
        if entry is not None and entry.type != "dir" and not path.startswith(installed):
            yield path
