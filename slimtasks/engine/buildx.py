"""Builds by `docker buildx`, the only way to hand secrets and ssh agents to BuildKit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping

from slimtasks import process
from slimtasks.engine.build import Build
from slimtasks.engine.context import tar_chunks
from slimtasks.errors import BuildError, EngineError

_TAIL = 20  # lines of output shown


def build_with_buildx(build: Build, context: str, environ: Mapping[str, str], progress: Callable[[str], None]) -> None:
    """Builds on the engine of the docker context; the result has the build's tag.

    Raises EngineError where the plugin is missing, BuildError where the build fails.
    """
    _need_buildx(build, environ)
    with tempfile.TemporaryFile() as tar:
        for piece in tar_chunks(build.context):
            tar.write(piece)
        tar.seek(0)
        done = process.run(
            command(build, context), env=_environment(environ), stdin=tar, check=False, progress=progress
        )
    if done.status:
        lines = done.stderr.decode(errors="replace").splitlines()[-_TAIL:]
        text = "".join(f"\n  {line}" for line in lines)
        raise BuildError(f"{build}: docker buildx build ended with exit status {done.status}{text}")


def command(build: Build, context: str) -> list[str]:
    """The command line; the context is its stdin."""
    options = ["--builder", context, "--load", "--progress", "plain", "--tag", build.tag, "--file", build.dockerfile]
    for name, values in (
        ("--build-arg", [f"{key}={value}" for key, value in build.args]),
        ("--label", [f"{key}={value}" for key, value in build.labels]),
        ("--cache-from", build.cache_from),
        ("--secret", build.secrets),
        ("--ssh", build.ssh),
        ("--target", (build.target,)),
        ("--platform", (build.platform,)),
        ("--network", (build.network,)),
    ):
        options += [option for value in values if value for option in (name, value)]
    options += ["--no-cache"] * build.no_cache + ["--pull"] * build.pull
    return ["docker", "buildx", "build", *options, "-"]


def _need_buildx(build: Build, environ: Mapping[str, str]) -> None:
    keys = " and ".join(f"`{key}`" for key, used in (("secrets", build.secrets), ("ssh", build.ssh)) if used)
    try:
        found = process.run(["docker", "buildx", "version"], env=environ, check=False, timeout=60).status == 0
    except process.CommandNotFound:
        found = False
    if not found:
        raise EngineError(
            f"{build}: {keys} of a Dockerfile build need the docker command with its buildx plugin, which is not here",
            "install it (docker-buildx-plugin of Docker's own packages, docker-buildx of Debian 13 and of Ubuntu), "
            f"or leave {keys} out",
        )


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    # attestations would make the result an index with a random part
    return {**environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
