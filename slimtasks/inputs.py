"""What the tasks depend on besides each other's files: sources, other images, settings, the engine's images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimtasks.ages import age
from slimtasks.errors import Damaged
from slimtasks.job import files_of, named_image
from slimtasks.records import intact, read_json
from slimtasks.session import Session
from slimtasks.sources.tracer import TRACER
from slimtasks.spec import Image
from slimtasks.spec.context import Context
from slimtasks.spec.host_files import add_files, other_foreign, other_images, packages_lock, workload_files
from slimtasks.spec.names import tagged
from slimtasks.workspace import ImageFiles

Names = frozenset[str]
"""Of declared images."""


def source_files(sent: Context) -> list[Path]:
    """The files of the build context whose content is sent."""
    return [path for _, path in sent.files if path.is_file() and not path.is_symlink()]


def packages_locks(image: Image) -> list[Path]:
    """Which versions a bootstrap installs, where that is locked."""
    path = packages_lock(image)
    return [path] if image.source.bootstrap and path.is_file() else []


def source_images(image: Image) -> Names:
    """The declared images that the source is, or is built on."""
    if image.source.dockerfile:
        return frozenset(name for _, name in image.references)
    return _named(image, {image.source.image})


def users(image: Image, session: Session) -> list[Image]:
    """The images that are made of that one or tried with it, over others too."""
    found = [image]
    for one in found:
        found += [other for other in session.repo.images if one.name in other.depends and other not in found]
    return found[1:]


def is_fetched(image: Image) -> bool:
    """Whether there is anything to fetch that the image itself is made of."""
    return bool(image.source.bootstrap or image.source.dockerfile or image.foreign)


def is_updated(image: Image) -> bool:
    """Whether there is anything to fetch for the image."""
    return is_fetched(image) or bool(other_foreign(image, image.all_steps(checks=True)))


def source_settings(image: Image, sent: Context) -> list[Any]:
    """What makes the fat image another one although no file's content changed."""
    names = [[name for name, _ in part] for part in (sent.files, sent.folders)]
    return [image.source, names, marks(path for _, path in sent.files)]


class ForeignImage:
    """Whether the engine's image `wanted`, which is not declared in this repo, is the one that the task took.

    As doit has it: called before the task, and told by it afterwards. One that is not there is no news: nothing is
    fetched by itself.
    """

    def __init__(self, session: Session, wanted: str) -> None:
        self._session = session
        self._wanted = wanted

    def configure_task(self, task: Any) -> None:
        """Asks doit to save what the task took."""
        task.value_savers.append(self._taken)

    def __call__(self, task: Any, values: Mapping[str, Any]) -> bool:
        images = (self._session.images or {}).items()
        wanted = tagged(self._wanted)
        now = [identity for identity, tags in images if wanted in tags or identity == self._wanted]
        return not now or values.get(self._wanted) in now

    def __repr__(self) -> str:
        return f"{self._wanted} is the image that was taken"

    def _taken(self) -> dict[str, Any]:
        return {self._wanted: (self._session.engine.inspect_image(self._wanted) or {}).get("Id")}


def foreign(image: Image, session: Session, written: str) -> list[ForeignImage]:
    """The check for an image that the spec names, if it names one that is not of this repo."""
    return [] if written in ("", "scratch") or _named(image, {written}) else [ForeignImage(session, written)]


def final_base_images(image: Image) -> Names:
    """The declared image that the slim one is laid over."""
    return _named(image, {image.final.base})


def step_images(image: Image, *, checks: bool) -> Names:
    """The declared images that services and `client` steps run."""
    return _named(image, other_images(image, image.all_steps(checks=checks)))


def foreign_others(image: Image, session: Session, *, checks: bool) -> list[ForeignImage]:
    """The checks for the images of services and `client` steps that are not of this repo."""
    return [ForeignImage(session, name) for name in other_foreign(image, image.all_steps(checks=checks))]


def tracer_images(session: Session) -> Names:
    """The tracer image where the repo declares one, as a checkout of slimtasks itself does."""
    return frozenset({TRACER} & set(session.by_name))


def workload_inputs(image: Image, *, checks: bool) -> list[Path]:
    """The files that the steps read; less what has no content of its own, as a link that leads nowhere."""
    return [path for path in workload_files(image, checks=checks) if path.is_file()]


def workload_settings(image: Image, *, checks: bool) -> list[Any]:
    """How the image is started, and what it has to do then; with what no content tells of the files for that."""
    steps = [[one.scenario, one.run, one.workload, one.checks if checks else ()] for one in image.by_scenario]
    return [steps, image.services, image.final.healthcheck, marks(workload_files(image, checks=checks))]


def traced_files(image: Image, session: Session) -> list[Path]:
    """What a trace is made of, besides images."""
    fat = files_of(session.workspace, image).fat
    return [fat, *added_files(image, retrace=True), *workload_inputs(image, checks=False)]


def traced_images(image: Image, session: Session) -> Names:
    """The declared images that a trace needs."""
    return step_images(image, checks=False) | tracer_images(session)


def env_files(image: Image) -> list[Path]:
    """What `run.env_file` names, in any scenario."""
    return [path for one in image.by_scenario for path in one.run.env_file]


def added_files(image: Image, *, retrace: bool | None = None) -> list[Path]:
    """The files that `add:` brings, less symlinks, of which only the target counts."""
    return [path for path, _ in add_files(image, retrace=retrace) if not path.is_symlink()]


def selection_settings(image: Image) -> list[Any]:
    """The rules; where they are written is told in messages, but is no reason to select again."""
    return [
        [image.keep, image.keep_packages, image.keep_presets, image.variant, image.drop, image.own],
        [image.unowned, image.granularity, image.metadata, image.final.base],
        [target for _, target in add_files(image)],
        [[one.run.environment, one.run.user, one.run.healthcheck] for one in image.by_scenario],
        [image.final.user, image.final.healthcheck],
    ]


def marks(paths: Iterable[Path]) -> list[Any]:
    """What of the files reaches a container besides their content: where links lead, whether they can be run."""
    return [str(path.readlink()) if path.is_symlink() else bool(path.stat().st_mode & 0o100) for path in paths]


@dataclass(frozen=True)
class Check:
    """Asked before a task, for `doit info` in words."""

    what: str
    holds: Callable[[], bool]
    engine: bool = False  # whether it asks one
    clock: bool = False  # whether it fails by time alone

    def __call__(self) -> bool:
        """No, where what it has to read is damaged: the task makes that anew."""
        try:
            return self.holds()
        except Damaged:
            return False

    def __repr__(self) -> str:
        return self.what


class Unaltered:
    """Whether a task's targets are as long as when it had made them; one that somebody wrote to is made anew.

    Not by their mtimes, which a copy of the checkout would change.
    """

    def __init__(self, targets: Sequence[Path]) -> None:
        self._targets = targets

    def configure_task(self, task: Any) -> None:
        """Asks doit to save their sizes."""
        task.value_savers.append(lambda: {"sizes": self._sizes()})

    def __call__(self, task: Any, values: Mapping[str, Any]) -> bool:
        return values.get("sizes") in (None, self._sizes())

    def __repr__(self) -> str:
        return "its targets are as it made them"

    def _sizes(self) -> list[int]:
        return [path.stat().st_size if path.exists() else -1 for path in self._targets]


def finished(files: ImageFiles, stage: str) -> Check:
    """Whether the stage's last run went well to its end."""
    return Check("its last run went well to its end", lambda: not files.unfinished(stage).exists())


def nothing_fetched(session: Session, image: Image) -> Check:
    """Whether `doit update` has fetched nothing for the image that it is not made of."""
    return Check("nothing newer was fetched", lambda: image.name not in session.fetched)


def young(session: Session, image: Image) -> list[Check]:
    """Whether what the image is made of is not too old by now, if its spec limits that."""
    limit = image.limits.age
    if limit is None:
        return []

    def holds() -> bool:
        return age(session.workspace, session.by_name, image, time.time())[0] <= limit

    return [Check("what it is made of is not older than limits.age", holds, clock=True)]


def image_there(session: Session, result: Path) -> Check:
    """Whether the engine has the image that `result` names."""

    def holds() -> bool:
        return result.exists() and named_image(result) in (session.images or {})

    return Check(f"the engine has the image of {result}", holds, engine=True)


def tags_there(session: Session, image: Image, result: Path) -> Check:
    """Whether the image's tags are on the image that `result` names."""

    def holds() -> bool:
        return result.exists() and set(image.tags) <= set((session.images or {}).get(named_image(result), ()))

    return Check(f"{', '.join(image.tags)} is the image of {result}", holds, engine=True)


def asks_files(check: Any) -> bool:
    """Whether a check of a task asks files alone: no engine, and no clock."""
    return not isinstance(check, ForeignImage) and not (isinstance(check, Check) and (check.engine or check.clock))


def layers_there(session: Session, files: ImageFiles) -> Check:
    """Whether the store has every layer that layers.json names, the base's too."""

    def holds() -> bool:
        if not files.layers.exists():
            return False
        with intact(files.layers):
            written = read_json(files.layers)
            diff_ids = [*written["below"], *(layer["diff_id"] for layer in written["layers"])]
        return all(session.workspace.layer(diff_id).exists() for diff_id in diff_ids)

    return Check(f"{session.workspace.layer_store} has the layers of {files.layers}", holds)


def _named(image: Image, written: Iterable[str]) -> Names:
    wanted = set(written)
    return frozenset(name for reference, name in image.references if reference in wanted)
