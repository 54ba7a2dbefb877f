"""The workload of a spec as trace and verify run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from slimtasks.additions import as_tar
from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.records import Fat
from slimtasks.spec import Step
from slimtasks.spec.host_files import other_images
from slimtasks.workload.failure import StepFailed
from slimtasks.workload.others import other_image
from slimtasks.workload.report import StepResult
from slimtasks.workload.trial import Workload


def workload_on(
    job: Job, image_id: str, steps: tuple[Step, ...], *, fat_id: str, tracer: str, customised: bool
) -> Workload:
    """`customised`: whether the image has what `add:` brings; otherwise it is put into the container."""
    return Workload(
        image=job.image,
        steps=steps,
        image_id=image_id,
        fat_id=fat_id,
        tracer_image=tracer,
        environ=job.environ,
        files=b"" if customised else as_tar(job.image),
        others=declared_others(job, steps),
    )


def teller(job: Job) -> Callable[[StepResult], None]:
    """Says which step went well."""

    def tell(step: StepResult) -> None:
        if not step.failed:
            job.say(f"{step.name} {step.title}: {step.seconds:.2f} s")

    return tell


def of_another_machine(job: Job, fat: Fat) -> SlimError | None:
    """That the fat image is for another machine than the engine's; None where it is not."""
    machine, system = fat.config.get("architecture") or "", fat.config.get("os") or "linux"
    here = job.engine.info.architecture
    if system == "linux" and machine in ("", here):
        return None
    image = job.image.source.image
    pull = f"get the one for it: `docker pull --platform linux/{here} {image}`"
    return SlimError(
        f"the image is for {system}/{machine}, this engine runs linux/{here}",
        f"{pull if image else f'build it for linux/{here}'}; or do this on an engine for {machine}",
    )


def declared_others(job: Job, steps: tuple[Step, ...]) -> Mapping[str, str]:
    """The declared images that services and `client` steps run, as the spec writes them, to their ids."""
    wanted = other_images(job.image, steps)
    return {written: job.built(name) for written, name in job.image.references if written in wanted}


def other_ids(job: Job, steps: tuple[Step, ...]) -> Mapping[str, str]:
    """The ids of all images that services and `client` steps run, less the fat one; '' of one that cannot be had.

    One that the engine lacks is pulled now, so that the id does not change when a step needs it.
    """
    declared = declared_others(job, steps)
    foreign = other_images(job.image, steps) - declared.keys() - {""}
    return {**declared, **{reference: _foreign_id(job, reference) for reference in foreign}}


def _foreign_id(job: Job, reference: str) -> str:
    try:
        return other_image(job.engine, job.image, {}, reference)
    except StepFailed:
        return ""  # the step or service that needs it tells
