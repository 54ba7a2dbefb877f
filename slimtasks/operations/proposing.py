"""Writes the first spec of an image: gets it, starts it once, and says what it saw and what it does not know."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from slimtasks import fatfiles
from slimtasks.errors import SlimError, WorkloadError
from slimtasks.job import Job, result_file
from slimtasks.oci.config import KIND_LABEL
from slimtasks.operations.cleaning import clean
from slimtasks.proposal.facts import Facts, facts_of, started_by
from slimtasks.proposal.looking import look
from slimtasks.proposal.seen import Seen
from slimtasks.proposal.steps import Guess, guess
from slimtasks.proposal.text import Draft, spec_text
from slimtasks.proposal.wish import Wish, draft_of
from slimtasks.proving import of_another_machine, workload_on
from slimtasks.records import Fat, whole_file
from slimtasks.rootfs import Tree
from slimtasks.selection.inputs import NotKept
from slimtasks.selection.kept import Kept
from slimtasks.selection.presets import not_kept
from slimtasks.session import Session
from slimtasks.sizes import count, size_text
from slimtasks.sources.tracer import TRACER, tracer_id
from slimtasks.spec import load
from slimtasks.spec.sources import SPEC_NAMES
from slimtasks.stages import fat as fat_stage
from slimtasks.workload.health import tried_config
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.trial import Trial
from slimtasks.workload.unstarted import START_HINT

DODO = "dodo.py"
_OTHERWISE = "start it otherwise: `doit init IMAGE COMMAND...`; or correct CMD and ENTRYPOINT of the image"
_DODO_TEXT = """\
# What doit reads: the images below images/.
from slimtasks.dodo import DOIT_CONFIG, task_images

__all__ = ["DOIT_CONFIG", "task_images"]
"""


def propose(wish: Wish, environ: Mapping[str, str], say: Callable[[str], None], note: Callable[[str], None]) -> None:
    """Writes images/NAME/image.yaml, and dodo.py where there is none; `say` hears how it goes, `note` what came of it.

    Nothing is overwritten, and nothing is left of it where it fails.
    """
    name, draft = draft_of(wish)
    file = Path("images", name, SPEC_NAMES[0])
    with _without_places_in(file):
        session = Session(Path(), environ, note, {file.absolute(): draft.text().encode()})
        image = session.by_name[name]
        job = Job(image, session.by_name, session.workspace, session.engine, environ, say, note)
        with session.alone(), _no_new_build(session), _nothing_left(session, job):
            guessed, text = _looked_at(job, draft)
            load(Path(), environ, {file.absolute(): text.encode()})
            _write(file, text)
            taken = _taken(job)
    for line in (*_told(wish, file, guessed, by_itself=name in session.repo.default), *taken):
        note(line)


def _looked_at(job: Job, draft: Draft) -> tuple[Guess, str]:
    """What to try, and the whole spec."""
    for below in job.image.depends:
        _must_be_built(job, below)
    job.say("getting the image")
    fat_stage.run(job)
    fat = fatfiles.fat(job.files)
    facts = _facts(job, fat)
    job.say("starting it once")
    guessed = guess(facts, _seen(job, fat, facts))
    of_image = facts_of(fat.config.get("config") or {})
    return guessed, spec_text(draft, _about(job, fat), of_image, guessed, _missed(job))


def _must_be_built(job: Job, name: str) -> None:
    if not result_file(job.workspace, job.images[name]).exists():
        raise SlimError(
            f"{job.image.name} is made of {name}, another image of this repo, which is not built yet",
            f"`doit {name}`, then the same command again",
        )


@contextmanager
def _without_places_in(file: Path) -> Iterator[None]:
    """Errors of the body do not name the lines of a file that nobody can look at."""
    try:
        yield
    except SlimError as error:
        raise SlimError(
            re.sub(rf"{re.escape(str(file))}(:\d+)*: (from\.image: )?", "", error.what), error.hint
        ) from error


@contextmanager
def _nothing_left(session: Session, job: Job) -> Iterator[None]:
    """Removes what the fat stage made where the body fails."""
    there = job.files.folder.exists()
    try:
        yield
    except BaseException:
        for _ in clean(session, job.image, job.files.of_fat, dryrun=False):
            pass
        if not there:
            with suppress(OSError):
                job.files.folder.rmdir()
        raise


@contextmanager
def _no_new_build(session: Session) -> Iterator[None]:
    """Removes build/ where the body fails and nothing was there before."""
    build, lock = session.workspace.build, session.workspace.lock
    new = set(build.iterdir()) <= {lock}
    try:
        yield
    except BaseException:
        if new:
            shutil.rmtree(build, ignore_errors=True)
        raise


def _facts(job: Job, fat: Fat) -> Facts:
    """How the image is started; SlimError where it cannot be run here."""
    foreign = of_another_machine(job, fat)
    if foreign:
        raise SlimError(f"{job.image.name}: {foreign.what}", foreign.hint)
    facts = started_by(facts_of(tried_config(job.image, fat.config.get("config") or {})), job.image.run)
    if not facts.entrypoint and not facts.command:
        raise SlimError(
            f"{job.image.name}: the image has neither CMD nor ENTRYPOINT, so nothing says what it runs",
            "say it: `doit init IMAGE COMMAND...`, with `--` before a COMMAND that has options",
        )
    return facts


def _seen(job: Job, fat: Fat, facts: Facts) -> Seen:
    workload = workload_on(job, fat.id, (), fat_id=fat.id, tracer=_tracer(job), customised=True)
    try:
        return look(Trial(job.engine, PlainLauncher(job.engine), workload), facts)
    except WorkloadError as error:
        raise WorkloadError(error.what, _OTHERWISE if error.hint == START_HINT else error.hint) from error


def _tracer(job: Job) -> str:
    """The image by which containers of an engine elsewhere are reached; '' in a checkout that has not made it yet."""
    unmade = TRACER in job.images and not result_file(job.workspace, job.images[TRACER]).exists()
    return "" if unmade else tracer_id(job)


def _missed(job: Job) -> tuple[NotKept, ...]:
    """What the image has of what presets keep and a few requests seldom show."""
    tree = Tree(fatfiles.inventory(job.files))
    return not_kept(tree, Kept(tree, {}, frozenset()))


def _about(job: Job, fat: Fat) -> str:
    files, packages = fatfiles.counts(job.files)
    machine = f"{fat.config.get('os') or 'linux'}/{fat.config.get('architecture') or job.engine.info.architecture}"
    return f"{size_text(fat.size)}, {count(files, 'file')}, {count(packages, 'package')}; {machine}."


def _taken(job: Job) -> list[str]:
    """A line for each tag of the slim image that another one has by now."""
    found = {tag: job.engine.inspect_image(tag) for tag in job.image.tags}
    kinds = {tag: ((one.get("Config") or {}).get("Labels") or {}).get(KIND_LABEL) for tag, one in found.items() if one}
    return [
        f"the engine has another image {tag}, from which `doit` takes that tag; see `tags:`"
        for tag, kind in kinds.items()
        if kind != "slim"
    ]


def _write(file: Path, text: str) -> None:
    with whole_file(file) as written:
        written.write(text.encode("utf-8", "backslashreplace"))
    if not Path(DODO).exists():
        with whole_file(Path(DODO)) as written:
            written.write(_DODO_TEXT.encode())


def _told(wish: Wish, file: Path, guessed: Guess, *, by_itself: bool) -> Iterator[str]:
    """What the user should know, and do next."""
    if guessed.missing:
        yield f"{file} is written, but the image does not run as it is:"
        yield from (f"  {line}" for line in guessed.missing)
        yield "  -> say in it, below `run:`, what is missing; or have it written anew:"
        yield f"     rm {file} && doit init {wish.again((guessed.variables or ('NAME',))[0])}"
    else:
        steps = ", ".join(step[1:].partition(":")[0] for step in guessed.steps)
        tried = f"with {count(len(guessed.steps), 'step')} ({steps})" if steps else "without a step: its start is tried"
        yield f"{file} is written, {tried}"
        yield from (f"  {question}" for question in guessed.questions)
        yield f"next: `doit{'' if by_itself else f' {file.parent.name}'}`"
    if "slimtasks" not in Path(DODO).read_text(errors="replace"):
        yield f"{DODO} knows of no images yet: it lacks `from slimtasks.dodo import DOIT_CONFIG, task_images`"
