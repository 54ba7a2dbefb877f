"""Makes doit's tasks of the declared images: the only module that knows doit's task dictionaries.

Every task has fixed file names, so the graph stands before anything is built and without an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from slimtasks import inputs
from slimtasks.compose_override import compose_override
from slimtasks.fingerprint import digest_of, digest_of_code
from slimtasks.job import files_of, result_file
from slimtasks.session import Session
from slimtasks.spec import Image
from slimtasks.spec.context import build_context
from slimtasks.spec.host_files import add_files, trace_lock
from slimtasks.spec.model import Limits
from slimtasks.tasks import of_commands
from slimtasks.tasks.actions import clean_stage, run_stage, write_report
from slimtasks.trace.tracer_image import sources_digest

Task = dict[str, Any]
Chains = Sequence[tuple[Image, Sequence[Task]]]


def all_tasks(session: Session) -> Iterator[Task]:
    """The tasks of every image, a word on each stage for `doit list`, and the report."""
    stages = set()
    for image in session.repo.images:
        for task in tasks_of(image, session):
            stages.add(task["basename"])  # before doit takes the dictionary apart
            yield task
    for stage, doc in _DOCS.items():
        if stage in stages:
            yield {"basename": stage, "name": None, "doc": f"of all images: {doc}"}
    yield report_task(session)
    yield of_commands.relayer_task(session)


def tasks_of(image: Image, session: Session) -> Iterator[Task]:
    """The chain of stages of one image, and the task that stands for all of it."""
    chain = list(_CHAINS[image.kind](image, session))
    variants = [(one, list(_selected_chain(one, session))) for one in image.variants]
    yield from (dict(task) for _, tasks in ((image, chain), *variants) for task in tasks)  # doit takes them apart
    if is_traced(image):
        yield of_commands.lock_task(image, session)
        yield of_commands.repair_task(image, session)
    if image.kind == "slim":
        yield of_commands.reproducible_task(image, session)
    if image.kind != "build":
        yield of_commands.push_task(image, session)
    yield from of_commands.update_tasks(image, session)
    for variant in variants:
        yield of_commands.reproducible_task(variant[0], session)
        yield _whole_task(variant[0], [(image, chain), variant], [variant], session)
    yield _whole_task(image, [(image, chain), *variants], [(image, chain), *variants], session)


def _whole_task(image: Image, chains: Chains, cleaned: Chains, session: Session) -> Task:
    """What stands for these chains, and cleans up after some of them."""
    return {
        "basename": image.name,
        "actions": None,
        "doc": f"{f'variant of {image.variant_of}' if image.variant else image.kind}: {', '.join(image.tags)}",
        "task_dep": [f"{task['basename']}:{task['name']}" for _, tasks in chains for task in tasks],
        "clean": [
            (clean_stage, [one, [Path(path) for task in tasks for path in task["targets"]], session])
            for one, tasks in cleaned
        ],
    }


def is_traced(image: Image) -> bool:
    """Whether it has a trace, which can be locked."""
    return image.kind == "slim" and not image.source.stdout


def report_task(session: Session) -> Task:
    """Writes build/report.json of whatever is there: it has no inputs, so that a failed image does not stop it."""
    return {
        "basename": "report",
        "doc": "all images side by side, in build/report.json",
        "actions": [(write_report, [session])],
        "uptodate": [False],
    }


def _base_chain(image: Image, session: Session) -> Iterator[Task]:
    files = files_of(session.workspace, image)
    tree = [image.squash, image.metadata, image.final, image.tags, session.environ.get("SOURCE_DATE_EPOCH")]
    yield _source_task("base", image, session, files.base, [files.base, files.archive], [tree])
    yield _task(
        "sbom",
        image,
        session,
        depends=[files.base, files.archive],
        targets=[files.bill, files.spdx],
        settings=[image.tags, image.limits],
        checks=inputs.young(session, image),
    )
    yield _verify_task(image, session)


def _build_chain(image: Image, session: Session) -> Iterator[Task]:
    yield _fat_task(image, session)
    yield _verify_task(image, session)


def _slim_chain(image: Image, session: Session) -> Iterator[Task]:
    yield _fat_task(image, session)
    if is_traced(image):
        yield _trace_task(image, session)
    yield from _selected_chain(image, session)


def _selected_chain(image: Image, session: Session) -> Iterator[Task]:
    """From select on: all that a variant has of its own, once the image is verified that it is a variant of."""
    files, below = files_of(session.workspace, image), session.workspace.image(image.variant_of)
    under = [below.selection, below.layers] if image.variant else []
    base = inputs.final_base_images(image)
    agreed = [path for path in (session.workspace.layers_lock,) if path.exists()]
    foreign_base = inputs.foreign(image, session, image.final.base)
    yield _task(
        "select",
        image,
        session,
        depends=[*files.of_fat, *([] if image.source.stdout else [files.trace]), *inputs.env_files(image)],
        uses=base | ({image.variant_of} - {""}),
        targets=[files.selection],
        settings=inputs.selection_settings(image),
        checks=foreign_base,
    )
    yield _task(
        "layers",
        image,
        session,
        depends=[
            *(files.selection, files.inventory, files.packages, files.fat),
            *(*inputs.added_files(image), *agreed, *under),
        ],
        uses=base | inputs.tracer_images(session),
        targets=[files.layers],
        settings=[
            [image.add, image.final.base, session.environ.get("SOURCE_DATE_EPOCH"), bool(agreed)],
            inputs.marks(path for path, _ in add_files(image)),
        ],
        checks=[inputs.layers_there(session, files), *foreign_base],
    )
    packed = [files.layers, files.fat]
    yield _task(
        "sbom",
        image,
        session,
        depends=[*files.of_fat, files.selection, files.layers],
        uses=base,
        targets=[*files.of_sbom],
        settings=[image.final, image.tags],
    )
    yield _task("context", image, session, depends=packed, uses=base, targets=[files.context], settings=[image.final])
    yield _task(
        "image",
        image,
        session,
        depends=[
            *packed,
            files.selection,
            files.inventory,
            *([files.context] if image.final.builder == "docker" else []),
            *([files.bill] if image.limits.packages is not None else []),
        ],
        uses=base | ({image.printer} - {""}),
        targets=[files.archive, files.image],
        settings=[image.final, image.tags, image.limits],
        checks=[inputs.image_there(session, files.image), *inputs.young(session, image)],
    )
    yield _verify_task(image, session)


_CHAINS: dict[str, Callable[[Image, Session], Iterator[Task]]] = {
    "base": _base_chain,
    "build": _build_chain,
    "slim": _slim_chain,
}


def _fat_task(image: Image, session: Session) -> Task:
    files = files_of(session.workspace, image)
    return _source_task("fat", image, session, files.fat, [*files.of_fat], [])


def _source_task(
    stage: str, image: Image, session: Session, result: Path, targets: list[Path], settings: list[Any]
) -> Task:
    """The task that gets what `from` says; `result` names the image that it leaves in the engine."""
    sent = build_context(image)
    return _task(
        stage,
        image,
        session,
        depends=[*inputs.source_files(sent), *inputs.packages_locks(image)],
        uses=inputs.source_images(image),
        targets=targets,
        settings=[*settings, inputs.source_settings(image, sent)],
        checks=[inputs.image_there(session, result), *_of_source(image, session)],
    )


def _of_source(image: Image, session: Session) -> list[Callable[..., bool]]:
    """The checks that what the image is made of is what it was made of."""
    return [inputs.nothing_fetched(session, image), *inputs.foreign(image, session, image.source.image)]


def _trace_task(image: Image, session: Session) -> Task:
    """With a lock nothing is started, so that no other image is needed."""
    files, lock = files_of(session.workspace, image), trace_lock(image)
    locked = lock.is_file()
    return _task(
        "trace",
        image,
        session,
        depends=[
            *inputs.traced_files(image, session),
            *(also.file for also in image.trace.also),
            *([files.inventory, files.packages, lock] if locked else []),
        ],
        uses=frozenset() if locked else inputs.traced_images(image, session),
        targets=[files.trace],
        settings=[
            locked,
            [image.trace, image.add, sources_digest()],
            inputs.marks(path for path, _ in add_files(image, retrace=True)),
            inputs.workload_settings(image, checks=False),
        ],
        checks=[] if locked else inputs.foreign_others(image, session, checks=False),
    )


def _verify_task(image: Image, session: Session) -> Task:
    """Every image has one: it is what gives the tags, even where there is no workload."""
    files = files_of(session.workspace, image)
    result = result_file(session.workspace, image)
    slim = image.kind == "slim"
    limited = [files.bill] if image.kind == "base" and image.limits != Limits() else []  # made where they are kept
    return _task(
        "verify",
        image,
        session,
        depends=[result, *inputs.workload_inputs(image, checks=True), *([files.fat] if slim else limited)],
        uses=inputs.step_images(image, checks=True) | (inputs.tracer_images(session) if slim else frozenset()),
        targets=[files.verify, files.junit, *([files.compose_override] if image.source.compose else [])],
        settings=[
            [image.trace.timeout, image.tags, compose_override(image)],
            inputs.workload_settings(image, checks=True),
        ],
        checks=[inputs.tags_there(session, image, result), *inputs.foreign_others(image, session, checks=True)],
    )


def _task(
    stage: str,
    image: Image,
    session: Session,
    *,
    depends: Iterable[Path],
    targets: list[Path],
    settings: list[Any],
    uses: inputs.Names = frozenset(),
    checks: Sequence[Callable[..., bool]] = (),
) -> Task:
    """A doit task; `uses`: declared images that it builds on, which must be verified before."""
    from doit.tools import config_changed

    finished = inputs.finished(files_of(session.workspace, image), stage)
    unaltered = inputs.Unaltered(targets)
    results = [result_file(session.workspace, session.by_name[name]) for name in uses]
    return {
        "basename": stage,
        "name": image.name,
        "doc": _DOCS[stage],
        "file_dep": sorted({str(path) for path in (*depends, *results)}),
        "task_dep": [f"verify:{name}" for name in sorted(uses)],
        "targets": [str(path) for path in targets],
        "uptodate": [config_changed(digest_of(_maker(stage), image.kind, settings)), finished, unaltered, *checks],
        "actions": [(run_stage, [stage, image, session])],
        "clean": [(clean_stage, [image, targets, session])],
    }


_SINCE = {"base": "0.1.0-2", "fat": "0.1.0-3", "trace": "0.1.0", "verify": "0.1.0-5"}
"""The version of slimtasks since which a stage that takes long makes the same out of the same.

Whoever changes what it writes puts the version in the making here ('0.2.0', a second time '0.2.0-2'); anything else
would bootstrap and build all images again with each new version. A trace knows its sources by itself.
"""


def _maker(stage: str) -> str:
    """What makes the stage's files: they are made again when it changes; of a stage that is cheap, all of slimtasks."""
    return _SINCE.get(stage) or _code()


@cache
def _code() -> str:
    return digest_of_code((Path(__file__).parents[1], ("**/*.py",)))


_DOCS = {
    "base": "a Debian tree, purged and squashed to one layer",
    "fat": "the image that gets slimmed, and the list of its files",
    "trace": "what the image uses while its workload runs",
    "select": "which files stay, and why",
    "layers": "the files, packed by how often they change",
    "sbom": "the packages that are in it, whole or in part",
    "context": "a build context that makes the same image with any builder",
    "image": "the slim image as a file, loaded into the engine",
    "verify": "the same workload on the result",
}
