"""What mmdebstrap is told to do on the way (mmdebstrap(1), HOOKS), and what comes of it.

What the hooks tell, they write to stderr, which comes through from this machine and from a container alike.
"""

from __future__ import annotations

from collections.abc import Callable

from slimtasks.sources.package_lock import Installed

_INSTALLED, _ABSENT = "slimtasks-installed", "slimtasks-absent"

# The date of each password's last change is the day of the bootstrap: empty is what shadow(5) offers instead.
_UNDATE = (
    'cd "$1/etc" && for file in shadow shadow-; do [ ! -e $file ] || '
    "sed -i -E 's/^(([^:]*:){2})[0-9]+:/\\1:/' $file; done"
)
# What is installed, as the index of the mirror has it, which the next step removes.
_TELL = (
    'all=$(dpkg-query --admindir="$1/var/lib/dpkg" -W -f \'${binary:Package}=${Version}\\n\'); [ -z "$all" ] || '
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache show $all | '
    "awk '/^(Package|Version|Architecture|SHA256):/ { told[$1] = $2 } "
    f'/^$/ {{ if (told["SHA256:"]) print "{_INSTALLED}", told["Package:"], told["Version:"], '
    'told["Architecture:"], told["SHA256:"]; split("", told) }\' >&2'
)
# Lets apt take no other version of $pins, which are words NAME=VERSION, and ends where the mirror lacks one of them.
_PREFERENCES = '"$1/etc/apt/preferences.d/slimtasks"'
_PIN = (
    'set -e; for pin in $pins; do printf "Package: %s\\nPin: version %s\\nPin-Priority: 1001\\n\\n" '
    f'"${{pin%%=*}}" "${{pin#*=}}"; done >{_PREFERENCES}; '
    'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; apt-get update --error-on=any >&2; '
    "apt-cache madison $(for pin in $pins; do echo ${pin%%=*}; done) | awk -F ' *[|] *' -v pins=\"$pins\" '"
    '{ sub(/^ +/, "", $1); if ($3 ~ /Packages$/) has[$1] = has[$1] " " $2 } '
    'END { n = split(pins, all, " "); for (i = 1; i <= n; i++) { at = index(all[i], "="); '
    "name = substr(all[i], 1, at - 1); version = substr(all[i], at + 1); "
    'if (!index(has[name] " ", " " version " ")) '
    f'{{ print "{_ABSENT}", name, version has[name]; lacking = 1 }} }} exit lacking }}\' >&2'
)


def hooks(locked: tuple[Installed, ...]) -> list[str]:
    """The options; with `locked`, apt takes those versions."""
    pins = " ".join(f"{package.name}={package.version}" for package in locked)
    pinned = [f"--setup-hook=pins='{pins}'; {_PIN}", f"--customize-hook=rm {_PREFERENCES}"] if locked else []
    return [*pinned, f"--customize-hook={_UNDATE}", f"--customize-hook={_TELL}"]


class Telling:
    """Takes what the hooks of a bootstrap tell out of its output; the rest goes on to `progress`."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._installed: set[Installed] = set()
        self.absent: list[tuple[str, str, tuple[str, ...]]] = []

    def __call__(self, line: str) -> None:
        mark, *words = line.split() or [""]
        if mark == _INSTALLED and len(words) == 4:
            self._installed.add(Installed(*words))
        elif mark == _ABSENT and len(words) >= 2:
            self.absent.append((words[0], words[1], tuple(dict.fromkeys(words[2:]))))
        elif not line.startswith("I: running --"):  # a hook, all of its script
            self._progress(line)

    @property
    def installed(self) -> tuple[Installed, ...]:
        """Sorted."""
        return tuple(sorted(self._installed))
