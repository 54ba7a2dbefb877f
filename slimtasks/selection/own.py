"""The user's own files: what COPY and ADD brought, and what nobody owns where users put things."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from slimtasks.packages.languages import tree_of
from slimtasks.records import Entry, ImagePath, Reason
from slimtasks.rootfs import is_below, parent
from slimtasks.selection.history import History
from slimtasks.selection.image import FatImage, is_nobodys
from slimtasks.selection.kept import Kept

USERS_PLACES = ("/app", "/srv", "/opt", "/home")

# Directories of the Filesystem Hierarchy Standard: that COPY put a file there does not make the rest the user's.
_SYSTEM = re.compile(
    r"/|/(?:s?bin|boot|dev|etc|home|lib\w*|media|mnt|opt|proc|root|run|srv|sys|tmp|usr|var)"
    r"|/usr/(?:local/)?(?:s?bin|etc|games|include|lib\w*|libexec|man|share|src)|/usr/local"
    r"|/usr/(?:local/)?share/(?:doc|man|info|locale|misc|applications|pixmaps)|/(?:usr/)?lib/[^/]+-linux-[^/]+"
    r"|/var/(?:backups|cache|lib|local|lock|log|mail|opt|run|spool|tmp)"
    r"|/etc/(?:init\.d|rc\d?\.d|cron\.\w+|profile\.d|ssl(?:/certs|/private)?|alternatives|pam\.d|ld\.so\.conf\.d|skel)"
)
# What package scripts generate in directories that no package ships, or that hold nothing else.
_GENERATED = re.compile(
    r"/etc/(?:alternatives|ssl/certs|rc[\dS]\.d|systemd|ld\.so\.cache|machine-id|passwd-?|group-?|shadow-?|gshadow-?)(?:/.*)?"
    r"|/var/lib/(?:dpkg|systemd|pam|ucf|python|xml-core|sgml-base|ghostscript|misc|dbus|apk|rpm)(?:/.*)?|/var/cache/.*"
    r"|/(?:usr/)?lib/apk/.*|/etc/apk/(?:arch|world)"
    r"|/usr/(?:lib|share)/.*(?:\.pyc|/mime/.*|/icons/.*\.cache|/gschemas\.compiled|/locale-archive|/fonts\.\w+)"
    r"|/usr/lib/(?:locale|sysimage)/.*",
    re.DOTALL,
)

Claim = Callable[[Entry], Reason | None]


def keep_own(image: FatImage, history: History, kept: Kept, notes: list[str]) -> None:
    """Keeps the user's own files, as `unowned` says."""
    unowned = image.inputs.unowned
    if unowned == "traced":
        return
    if unowned == "all":
        claim: Claim = _anything_unowned(image)
    elif history.usable:
        claim = _by_history(image, history)
    else:
        claim = _all_but_generated(image)
        notes.append(
            "the image's history does not tell what was copied into it: every file that no package owns counts as "
            "your own, but for caches and what was generated in /etc, /usr and /var (`unowned: traced` keeps less)"
        )
    for entry in image.tree:
        if entry.type != "dir" and not is_nobodys(entry.path):
            reason = claim(entry)
            if reason is not None:
                _keep(entry.path, reason, kept)
    for distribution in image.distributions.all:
        if distribution.local:
            reason = Reason("own", f"{distribution.name}, installed from {distribution.local}")
            for path in distribution.paths:
                _keep(path, reason, kept)


def _keep(path: ImagePath, reason: Reason, kept: Kept) -> None:
    """Keeps it with what it leads to, which may be a package's: /usr/bin/python3 of /venv/bin/python."""
    walk = kept.tree.walk(path)
    kept.keep(path, reason)
    if walk.final is None or walk.final.path == path:
        return
    if kept.keep(walk.final.path, Reason("needed", f"the symlink {path} leads to it", path)):
        kept.keep_passed(walk, path, reason)


def _anything_unowned(image: FatImage) -> Claim:
    reason = Reason("own", "no package owns it (unowned: all)")
    return lambda entry: reason if image.is_unowned(entry) else None


def _by_history(image: FatImage, history: History) -> Claim:
    copied = {
        layer: Reason("own", made.text)
        for layer in range(len(history.instructions))
        if (made := history.copied(layer)) is not None
    }
    places = _places(image, history)
    inside: dict[ImagePath, Reason | None] = {}

    def claim(entry: Entry) -> Reason | None:
        if entry.layer in copied:
            return None if image.is_distributed(entry.path) else copied[entry.layer]
        if not image.is_unowned(entry) or tree_of(entry.path) is not None:
            return None
        directory = parent(entry.path)
        if directory not in inside:
            inside[directory] = next((reason for place, reason in places.items() if is_below(directory, place)), None)
        return inside[directory]

    return claim


def _places(image: FatImage, history: History) -> Mapping[ImagePath, Reason]:
    """The directories in which what nobody owns is the user's, resolved."""
    tree = image.tree
    places: dict[ImagePath, Reason] = {}
    for directory in USERS_PLACES:
        places.setdefault(tree.walk(directory).resolved, Reason("own", f"in {directory}"))
    for place, made in history.written_to(tree, image.working_directory).items():
        if not _SYSTEM.fullmatch(place) and place not in image.named_directories:
            places.setdefault(place, Reason("own", f"in {place}, where {made.verb} wrote"))
    if image.working_directory != "/":
        place = tree.walk(image.working_directory).resolved
        places.setdefault(place, Reason("own", f"in WORKDIR {image.working_directory}"))
    places.pop(ImagePath("/"), None)
    return places


def _all_but_generated(image: FatImage) -> Claim:
    reason = Reason("own", "no package owns it, and the history does not tell whose it is")

    def claim(entry: Entry) -> Reason | None:
        return reason if image.is_unowned(entry) and not _is_generated(entry.path, image) else None

    return claim


def _is_generated(path: ImagePath, image: FatImage) -> bool:
    """Unowned in a directory of /etc, /usr (not /usr/local) or /var that packages know, or what their scripts make."""
    if not path.startswith(("/etc/", "/usr/", "/var/", "/bin", "/sbin", "/lib")) or not image.packages:
        return False
    if path.startswith("/usr/local/"):
        return False
    return parent(path) in image.named_directories or _GENERATED.fullmatch(path) is not None
