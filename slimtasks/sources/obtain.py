"""Gets the image that a spec's `from:` means into the engine."""

from __future__ import annotations

import os
import shlex
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from slimtasks.ages import note_fetched
from slimtasks.engine.build import Build
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.failure import Gone, Refused
from slimtasks.engine.stopwatch import PROGRAMS
from slimtasks.errors import BuildError, EngineError, SlimError
from slimtasks.fingerprint import digest_of_file
from slimtasks.job import Fetched, Job, Source
from slimtasks.oci.archive import write_image
from slimtasks.oci.config import KIND_LABEL, image_config
from slimtasks.records import whole_file
from slimtasks.sources.bootstrap import bootstrap
from slimtasks.sources.foreign import described
from slimtasks.sources.held import making_tag
from slimtasks.sources.package_lock import PackagesLock, fitting, packages_lock_text, read_packages_lock
from slimtasks.sources.steady import steady
from slimtasks.spec import Bootstrap
from slimtasks.spec.context import build_context, dockerfile_name
from slimtasks.spec.host_files import packages_lock
from slimtasks.spec.names import tagged

_TRIES = 3
_PRINTS = "it has to print a build context, that is a tar with a Dockerfile, and nothing else, and to end with 0"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def obtain(job: Job) -> str:
    """The id of the source image; build/<n>/packages.lock says what a bootstrap has installed, fetched.json how old."""
    source = job.fetched or fetch(job)
    note_fetched(job.files, source.fetched)
    if source.packages_lock:
        with whole_file(job.files.packages_lock) as file:
            file.write(source.packages_lock.encode())
    return source.id


def fetch(job: Job, *, fresh: bool = False) -> Source:
    """The source image: bootstrapped, built, declared in this repo, in the engine, or pulled.

    `fresh`: bootstrapped whatever is locked, built without cache.
    """
    try:
        if job.image.source.bootstrap:
            return _bootstrapped(job, job.image.source.bootstrap, fresh=fresh)
        return Source(_obtained(job, fresh=fresh), fetched=described(job, fresh=fresh))
    except BaseException:
        with suppress(EngineError):  # which is gone, perhaps
            job.engine.untag(making_tag(job))
        raise


def _obtained(job: Job, *, fresh: bool) -> str:
    source = job.image.source
    found = _built(job, fresh=fresh) if source.dockerfile else _existing(job)
    return _from_stdout(job, found) if source.stdout else found


def _bootstrapped(job: Job, wanted: Bootstrap, *, fresh: bool) -> Source:
    """An image with the bootstrapped tree as its only layer."""
    began, architecture = int(time.time()), job.engine.info.architecture
    shown = f"images/{job.image.name}/{packages_lock(job.image).name}"
    lock = None if fresh else read_packages_lock(packages_lock(job.image), shown)
    locked = fitting(lock, shown, wanted.suite, architecture) if lock else ()
    folder = job.workspace.scratch_folder()
    tree, archive = folder / f"{job.image.name}-tree.tar", folder / f"{job.image.name}-tree-image.tar"
    try:
        with job.engine.clock.on(PROGRAMS):
            installed = bootstrap(wanted, tree, job.engine, job.environ, job.say, shown, locked)
        tells = PackagesLock(wanted.suite, architecture, lock.fetched if lock else began, installed)
        diff_id = digest_of_file(tree)
        tree = tree.replace(folder / f"{diff_id}.tar")
        bare = {"architecture": architecture, "os": "linux", "config": {"Env": [_PATH], "Cmd": ["sh"]}}
        made = [(f"sha256:{diff_id}", f"mmdebstrap {wanted.suite}")]
        config = image_config(bare, made, kind="build", created=0)
        write_image(archive, config, [tree], [making_tag(job)])
        loaded = job.engine.load(archive)
        fetched = (Fetched(wanted.suite, tells.fetched, "fetched"),)
        return Source(loaded, packages_lock_text(job.image.name, tells) if installed else "", fetched)
    finally:
        tree.unlink(missing_ok=True)
        archive.unlink(missing_ok=True)


def _existing(job: Job) -> str:
    source = job.image.source
    identity = taken(job, source.image, f"{source.where}: from.image", job.image.run.platform)
    labels = ((job.engine.inspect_image(identity) or {}).get("Config") or {}).get("Labels") or {}
    if job.image.kind == "slim" and not source.stdout and labels.get(KIND_LABEL) == "slim":
        raise SlimError(
            f"{source.where}: from.image: {source.image} is slim already (label {KIND_LABEL})",
            "name the image that it was cut out of, or a base or build image",
        )
    return identity


def taken(job: Job, wanted: str, key: str, platform: str = "") -> str:
    """The id of the image that the spec calls `wanted`: declared in this repo, in the engine, or, if it may be, pulled.

    `key` is where it says so, for the error.
    """
    declared = dict(job.image.references).get(wanted)
    if declared:
        return job.built(declared)
    found = job.engine.inspect_image(wanted)
    if found:
        return str(found["Id"])
    if wanted in job.image.never_pulled:
        raise EngineError(
            f"{key}: {wanted} is not in the engine, and pull_policy: never",
            "`docker pull` or `docker load` it, or take the pull_policy out",
        )
    try:
        return job.engine.pull(wanted, platform=platform, progress=job.say)
    except Gone:
        raise
    except EngineError as error:
        raise EngineError(
            f"{key}: {error.what}",
            "load it into the engine, declare it below images/, or correct its name",
        ) from error


def _built(job: Job, *, fresh: bool) -> str:
    """Builds the Dockerfile; if somebody else moved a base's tag meanwhile, builds again."""
    named = [one for one in job.image.references if one[0] in job.image.dockerfile_images]
    bases = [(written, job.built(name)) for written, name in named]
    tags = {tag for _, name in named for tag in job.images[name].tags}
    with steady(job, {*tags, *(written for written, _ in bases)}), _put_back(job, {written for written, _ in named}):
        for _ in range(_TRIES):
            job.engine.untag(making_tag(job))  # of a try before
            for written, identity in bases:
                job.engine.tag(identity, written)
            built = _build_once(job, replace(_build(job), no_cache=fresh))
            if all((job.engine.inspect_image(written) or {}).get("Id") == identity for written, identity in bases):
                return built
    names = ", ".join(written for written, _ in bases)
    raise BuildError(
        f"{job.image.name}: something else keeps moving the tags {names} while they are built on", "run it again"
    )


def _build_once(job: Job, wanted: Build) -> str:
    """The image's id. Of a base that the engine has for another machine, builders say that there is none."""
    try:
        return job.engine.build(wanted, job.say)
    except BuildError as error:
        found = (job.engine.inspect_image(error.base) if error.base else None) or {}
        here = wanted.platform or f"linux/{job.engine.info.architecture}"
        there = f"{found.get('Os')}/{found.get('Architecture')}"
        if not found or f"{here}/".startswith(f"{there}/"):  # behind them may stand a variant
            raise
        raise BuildError(
            f"{job.image.name}: the base image {error.base} is in the engine for {there}, and this is built for {here}",
            f"`docker pull --platform {here} {error.base}`, or build on what is for {here}",
        ) from error


@contextmanager
def _put_back(job: Job, written: set[str]) -> Iterator[None]:
    """At the end, of these names those that are no tags of this repo mean again what they meant before.

    A Dockerfile may call an image by its name in this repo, 'redis', which the engine has another image of.
    """
    own = {tag for image in job.images.values() for tag in image.tags}
    before = {name: job.engine.inspect_image(name) for name in sorted(written) if tagged(name) not in own}
    try:
        yield
    finally:
        for name, found in before.items():
            if found:
                job.engine.tag(str(found["Id"]), name)
            else:
                job.engine.untag(name)


def _build(job: Job) -> Build:
    source, image = job.image.source, job.image
    assert source.dockerfile and source.context
    sent = build_context(image)
    return Build(
        context=[(name, path, path.lstat().st_mode) for name, path in (*sent.folders, *sent.files)],
        tag=making_tag(job),
        dockerfile=dockerfile_name(source.context, source.dockerfile),
        args=source.args,
        target=source.target,
        platform=image.run.platform,
        labels=((KIND_LABEL, "build"),),
        cache_from=source.cache_from,
        secrets=tuple(_secret(secret.id, secret.file, secret.environment) for secret in source.secrets),
        ssh=source.ssh,
        name=image.name,
        file=os.path.relpath(source.dockerfile, job.workspace.root),
    )


def _secret(identity: str, file: Path | None, environment: str) -> str:
    return f"id={identity},src={file}" if file else f"id={identity},env={environment}"


def _from_stdout(job: Job, printer: str) -> str:
    """The image whose build context a container of `printer` prints on its standard output."""
    path = job.workspace.scratch_folder() / f"{job.image.name}-stdout.tar"
    try:
        _print_to(job, printer, path)
        _check_context(job, path)
        job.engine.untag(making_tag(job))  # of the printer, where it was built for this
        return job.engine.build(
            Build(context=path, tag=making_tag(job), labels=((KIND_LABEL, "build"),), name=job.image.name), job.say
        )
    finally:
        path.unlink(missing_ok=True)


def _print_to(job: Job, printer: str, path: Path) -> None:
    """Attached before the start and with log driver none: a log would mangle what is not text."""
    command = job.image.source.stdout
    config = ContainerConfig(
        printer, entrypoint=(), command=command, network="none", log_driver="none", healthcheck=False
    )
    said = b""
    with job.engine.container(config) as container:
        with container.attach() as stream, path.open("wb") as file:
            try:
                container.start()
            except Refused as error:
                raise SlimError(f"{_printing(job)}: {error.reason}", error.hint or _PRINTS) from error
            for number, data in stream:
                if number == 1:
                    file.write(data)
                else:
                    said = (said + data)[-2000:]
        status = container.wait()
    if status:
        text = said.decode(errors="replace").strip()
        raise SlimError(f"{_printing(job)}: exit status {status}\n  {text}".rstrip(), _PRINTS)


def _printing(job: Job) -> str:
    return f"{job.image.source.where}: from.stdout: {shlex.join(job.image.source.stdout)}"


def _check_context(job: Job, path: Path) -> None:
    where = _printing(job)
    try:
        with tarfile.open(path, "r:") as tar:
            names = {name.removeprefix("./") for name in tar.getnames()}
    except tarfile.TarError as error:
        raise SlimError(f"{where}: printed no whole tar: {error}", _PRINTS) from error
    if "Dockerfile" not in names:
        raise SlimError(f"{where}: the tar that it printed has no Dockerfile", "put one at its top")
