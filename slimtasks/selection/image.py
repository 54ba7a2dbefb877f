"""The fat image as a selection sees it: the tree, its packages, what its config says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from slimtasks.ldso import Search
from slimtasks.packages.distributions import Distributions
from slimtasks.packages.installed import named_directories
from slimtasks.records import Entry, ImagePath, Package
from slimtasks.rootfs import Tree, normalise
from slimtasks.selection.inputs import Inputs

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Caches and lists of package managers, logs, temporary files.
_NOBODYS = re.compile(
    r"/(?:var/)?tmp/.+|/(?:var/)?run/.+|/var/log/.+"
    r"|/var/lib/(?:apt|aptitude|dnf|yum|zypp)(?:/.+)?"
    r"|/var/lib/dpkg/(?:.+-old|lock.*|available|(?:triggers|updates|parts)(?:/.+)?)"
    r"|/var/cache/(?:apt|apk|debconf|dnf|yum|zypp|ldconfig|man|fontconfig|pip|libdnf5)(?:/.+)?|/etc/apk/cache/.+|/(?:usr/)?lib/apk/db/lock"
    r"|/(?:root|home/[^/]+|var/www)/\.(?:cache|npm|cargo/registry|m2|gradle|gem/specs|bundle/cache|composer/cache)(?:/.+)?"
    r"|/(?:.+/)?\.cache(?:/.+)?|/usr/local/share/\.cache(?:/.+)?|/(?:root/)?go/pkg/mod/cache/.+|/(?:root/)?\.ash_history"
    r"|/root/\.(?:bash_history|wget-hsts|python_history|lesshst)|/var/backups/.+",
    re.DOTALL,
)


def is_nobodys(path: str) -> bool:
    """Whether the path is a package manager's cache, a log or temporary."""
    return _NOBODYS.fullmatch(path) is not None


@dataclass(frozen=True)
class Account:
    """A line of /etc/passwd (passwd(5))."""

    name: str
    home: str


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
    def environments(self) -> tuple[Mapping[str, str], ...]:
        """One for each way to start it."""
        pairs = (str(item).partition("=") for item in self.config.get("Env") or ())
        own = {name: value for name, _, value in pairs}
        return tuple({**own, **dict(given)} for given in self.inputs.environments)

    @cached_property
    def search(self) -> Search:
        """How ld.so searches; in all of its LD_LIBRARY_PATHs, where there are several."""
        paths = dict.fromkeys(environment.get("LD_LIBRARY_PATH", "") for environment in self.environments)
        return Search(self.tree, self.inputs.captured, {"LD_LIBRARY_PATH": ":".join(filter(None, paths))})

    @property
    def working_directory(self) -> ImagePath:
        return normalise(str(self.config.get("WorkingDir") or "/"))

    @cached_property
    def executed(self) -> frozenset[ImagePath]:
        """The files that the run executed."""
        executed = (access.path for access in self.inputs.accesses if access.how == "exec")
        return frozenset(self.tree.walk(path).resolved for path in executed)

    @cached_property
    def opened(self) -> frozenset[ImagePath]:
        """The files that the run opened or executed; a directory that was listed tells of nothing in it."""
        paths = {access.path for access in self.inputs.accesses if access.how in ("exec", "read", "map")}
        finals = (self.tree.walk(path).final for path in paths)
        return frozenset(final.path for final in finals if final is not None and final.type == "file")

    @cached_property
    def distributions(self) -> Distributions:
        """The packages of languages."""
        return Distributions.of(self.tree, self.inputs.captured)

    @cached_property
    def named_directories(self) -> frozenset[ImagePath]:
        """The directories that the distribution's packages know of."""
        return named_directories(self.inputs.packages, self.tree)

    def command_places(self, name: str) -> tuple[ImagePath, ...]:
        """Where PATH would find the command, in order."""
        return tuple(normalise(f"{directory}/{name}") for directory in self.path)

    @cached_property
    def command_directories(self) -> frozenset[ImagePath]:
        """The directories of PATH, symlinks resolved."""
        return frozenset(self.tree.walk(directory).resolved for directory in self.path)

    @property
    def path(self) -> list[str]:
        """The directories of PATH; where scenarios have several, of all."""
        paths = (environment.get("PATH") or DEFAULT_PATH for environment in self.environments)
        return [directory for directory in dict.fromkeys(":".join(paths).split(":")) if directory]

    @cached_property
    def users(self) -> tuple[str, ...]:
        """As whom containers start, 'user' or 'user:group', each a name or a number; '' is root."""
        own = str(self.config.get("User") or "")
        return tuple(dict.fromkeys(user or own for user in self.inputs.users or ("",)))

    def account(self, user: str) -> Account | None:
        """The line of /etc/passwd with that name or number."""
        for fields in self._accounts("/etc/passwd"):
            if len(fields) > 5 and user in (fields[0], fields[2]):
                return Account(fields[0], fields[5])
        return None

    def group_members(self) -> Iterator[tuple[str, ...]]:
        """Who is a member, for each line of /etc/group."""
        return (tuple(fields[3].split(",")) for fields in self._accounts("/etc/group") if len(fields) > 3)

    def homes(self) -> tuple[ImagePath, ...]:
        """HOME of the environment, else of the users as whom containers start."""
        told = [environment.get("HOME", "") for environment in self.environments]
        accounts = [self.account(user.partition(":")[0] or "0") for user in self.users]
        of_users = [account.home for account in accounts if account and account.home.startswith("/")]
        homes = (home for name in told for home in ([name] if name.startswith("/") else of_users))
        return tuple(dict.fromkeys(map(normalise, homes)))

    def _accounts(self, path: str) -> Iterator[list[str]]:
        text = self.inputs.captured.get(self.tree.walk(path).resolved, b"").decode("utf-8", "surrogateescape")
        return (line.split(":") for line in text.split("\n"))

    def is_unowned(self, entry: Entry) -> bool:
        return not entry.package and entry.type != "dir" and not self.is_distributed(entry.path)

    def is_distributed(self, path: ImagePath) -> bool:
        """Whether a package of a language owns it that did not come from a folder of the user's."""
        owner = self.distributions.owners.get(path)
        return owner is not None and not owner.local
