"""The fat image as a selection sees it: the tree, its packages, what its config says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from slimtasks.ldso import Search
from slimtasks.packages.dpkg import named_directories
from slimtasks.records import Entry, ImagePath, Package
from slimtasks.rootfs import Tree, normalise
from slimtasks.selection.inputs import Inputs

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Caches and lists of package managers, logs, temporary files.
_NOBODYS = re.compile(
    r"/(?:var/)?tmp/.+|/(?:var/)?run/.+|/var/log/.+"
    r"|/var/lib/(?:apt|aptitude|dnf|yum|zypp)(?:/.+)?"
    r"|/var/lib/dpkg/(?:.+-old|lock.*|available|(?:triggers|updates|parts)(?:/.+)?)"
    r"|/var/cache/(?:apt|apk|debconf|dnf|yum|zypp|ldconfig|man|fontconfig|pip|libdnf5)(?:/.+)?|/etc/apk/cache/.+"
    r"|/(?:root|home/[^/]+|var/www)/\.(?:cache|npm|cargo/registry|m2|gradle|gem/specs|bundle/cache|composer/cache)(?:/.+)?"
    r"|/(?:.+/)?\.cache(?:/.+)?|/usr/local/share/\.cache(?:/.+)?|/(?:root/)?go/pkg/mod/cache/.+|/(?:root/)?\.ash_history"
    r"|/root/\.(?:bash_history|wget-hsts|python_history|lesshst)|/var/backups/.+",
    re.DOTALL,
)


def is_nobodys(path: str) -> bool:
    """Whether the path is a package manager's cache, a log or temporary."""
    return _NOBODYS.fullmatch(path) is not None


class FatImage:
    """The inputs, looked at in the ways that selecting needs."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.tree = Tree(inputs.entries)
        self.packages: Mapping[str, Package] = {package.name: package for package in inputs.packages}
        self.added = frozenset(normalise(path) for path in inputs.added)
        inner = inputs.config.get("config")
        self.config: Mapping[str, Any] = inner if isinstance(inner, Mapping) else inputs.config

    @cached_property
    def base(self) -> Tree | None:
        """The tree of final.base."""
        return Tree(self.inputs.base) if self.inputs.base else None

    @cached_property
    def environment(self) -> Mapping[str, str]:
        pairs = (str(item).partition("=") for item in self.config.get("Env") or ())
        return {**{name: value for name, _, value in pairs}, **dict(self.inputs.environment)}

    @cached_property
    def search(self) -> Search:
        return Search(self.tree, self.inputs.captured, self.environment)

    @property
    def working_directory(self) -> ImagePath:
        return normalise(str(self.config.get("WorkingDir") or "/"))

    @cached_property
    def named_directories(self) -> frozenset[ImagePath]:
        """The directories that the distribution's packages know of."""
        return named_directories(self.inputs.packages, self.tree)

    def command_places(self, name: str) -> tuple[ImagePath, ...]:
        """Where PATH would find the command, in order."""
        directories = (self.environment.get("PATH") or DEFAULT_PATH).split(":")
        return tuple(normalise(f"{directory}/{name}") for directory in directories if directory)

    def home(self) -> ImagePath | None:
        """HOME of the environment, else of the config's user in /etc/passwd."""
        if self.environment.get("HOME", "").startswith("/"):
            return normalise(self.environment["HOME"])
        user = str(self.config.get("User") or "0").partition(":")[0]
        passwd = self.inputs.captured.get(ImagePath("/etc/passwd"), b"").decode("utf-8", "surrogateescape")
        for line in passwd.split("\n"):
            fields = line.split(":")
            if len(fields) > 5 and user in (fields[0], fields[2]) and fields[5].startswith("/"):
                return normalise(fields[5])
        return None

    def is_unowned(self, entry: Entry) -> bool:
        return not entry.package and entry.type != "dir"
