"""What the engine reads of the image before it starts a container: who the user is."""

from __future__ import annotations

from collections.abc import Iterator

from slimtasks.records import ImagePath, Reason
from slimtasks.selection.image import FatImage
from slimtasks.selection.kept import Kept

PASSWD, GROUP = ImagePath("/etc/passwd"), ImagePath("/etc/group")


def keep_for_engine(image: FatImage, kept: Kept) -> None:
    """Keeps /etc/passwd and /etc/group where the start of a container depends on them.

    No trace shows that, as the engine reads them before there is a container to watch (moby, `user.GetExecUser`):
    names of user and group have to be found, HOME is the user's home, and groups come from being a member.
    """
    for user in image.users:
        name, _, group = user.partition(":")
        for path, why in _reasons(name or "0", group, image):
            kept.follow(path, Reason("needed", f"by the engine, for {why} of user {user or 'root'}"))


def _reasons(user: str, group: str, image: FatImage) -> Iterator[tuple[ImagePath, str]]:
    account = image.account(user)
    if not user.isdecimal():
        yield PASSWD, "the number"
    elif account and not all("HOME" in one for one in image.environments) and not _told_by_base(image):
        home = image.tree.walk(account.home).final
        if home is not None and home.path != "/":
            yield PASSWD, "the HOME"
    if group and not group.isdecimal():
        yield GROUP, f"the group {group}"
    elif account and not group and any(account.name in members for members in image.group_members()):
        yield PASSWD, "the groups"
        yield GROUP, "the groups"


def _told_by_base(image: FatImage) -> bool:
    return image.base is not None and image.base.walk(PASSWD).final is not None
