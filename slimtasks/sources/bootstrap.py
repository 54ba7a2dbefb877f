"""A Debian tree from its packages, by mmdebstrap: on this machine, or in a container where it has none."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from slimtasks import process
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.errors import BuildError, SlimError
from slimtasks.records import whole_file
from slimtasks.sources.bootstrap_hooks import Telling, hooks
from slimtasks.sources.package_lock import Installed, absent, check_installed
from slimtasks.sources.trees import tree_folder
from slimtasks.spec import Bootstrap

_CALLER = ("PATH", "HOME", "http_proxy", "https_proxy", "no_proxy", "SOURCE_DATE_EPOCH")
_IMAGES = ("debian:{suite}", "debian:{suite}-slim", "debian:stable", "debian:stable-slim", "debian:latest")


def bootstrap(
    wanted: Bootstrap,
    target: Path,
    engine: Engine,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
    lock: str = "",
    locked: tuple[Installed, ...] = (),
) -> tuple[Installed, ...]:
    """Writes the tree as a tar to `target`; what is installed in it.

    With `locked`, which messages call `lock`, that is exactly these packages. BuildError with the end of mmdebstrap's
    output, or with what of the lock cannot be had.
    """
    telling = Telling(progress)
    try:
        if shutil.which("mmdebstrap", path=environ.get("PATH")):
            _on_host(wanted, locked, target, environ, telling)
        else:
            _in_container(wanted, locked, target, engine, telling)
        if locked:
            check_installed(lock, locked, telling.installed)
    except process.CommandNotFound:
        raise
    except SlimError as error:
        cause = absent(lock, telling.absent) if telling.absent else error
        raise BuildError(
            f"the bootstrap of {wanted.suite} failed: {cause.what}",
            cause.hint or "see whether the mirror can be reached, and whether suite and packages exist there",
        ) from error
    return telling.installed


def _command(wanted: Bootstrap, locked: tuple[Installed, ...], *options: str) -> list[str]:
    """mmdebstrap with the tree on its standard output."""
    include = [f"--include={','.join(wanted.include)}"] if wanted.include else []
    return [
        *("mmdebstrap", *options, f"--variant={wanted.variant}", "--format=tar", "--skip=output/dev"),
        *(*hooks(locked), *include, wanted.suite, "-"),
        *([wanted.mirror] if wanted.mirror else []),
    ]


def _on_host(
    wanted: Bootstrap,
    locked: tuple[Installed, ...],
    target: Path,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
) -> None:
    child = {name: environ[name] for name in _CALLER if name in environ}
    with tree_folder(environ) as (folder, lock), whole_file(target) as file:
        child |= {"TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}
        process.run(_command(wanted, locked), env=child, stdout=file, progress=progress, pass_fds=(lock,))


def _in_container(
    wanted: Bootstrap,
    locked: tuple[Installed, ...],
    target: Path,
    engine: Engine,
    progress: Callable[[str], None],
) -> None:
    """mmdebstrap in a container of a Debian image, which needs no more than Docker's usual capabilities."""
    image = _debian(wanted.suite, engine, progress)
    inner = shlex.join(_command(wanted, locked, "--mode=root", "--skip=chroot/mount"))
    script = (
        "set -e; exec 3>&1 >&2; command -v mmdebstrap || "
        "{ apt-get update -q; apt-get install -qy --no-install-recommends mmdebstrap; }; "
        f"{inner} >&3"
    )
    config = ContainerConfig(
        image, entrypoint=("sh", "-c", script), command=(), user="0", log_driver="none", healthcheck=False
    )
    tail: list[str] = []
    with engine.container(config) as container, whole_file(target) as file:
        with container.attach() as stream:
            container.start()
            for number, data in stream:
                if number == 1:
                    file.write(data)
                    continue
                lines = data.decode(errors="replace").splitlines()
                tail = [*tail, *lines][-20:]
                for line in lines:
                    progress(line)
        status = container.wait()
        if status:
            raise SlimError("\n".join([f"mmdebstrap in a container of {image}: exit status {status}", *tail]))


def _debian(suite: str, engine: Engine, progress: Callable[[str], None]) -> str:
    names = [name.format(suite=suite) for name in _IMAGES]
    for name in names:
        if engine.inspect_image(name):
            return name
    try:
        engine.pull(names[1], progress=progress)
    except SlimError as error:
        raise SlimError(
            f"this machine has no mmdebstrap, and the engine has none of {', '.join(names)} to run it in: {error.what}",
            "install mmdebstrap (sudo apt install mmdebstrap), or load a Debian image into the engine",
        ) from error
    return names[1]
