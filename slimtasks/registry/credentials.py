"""Who we are to a registry, by Docker's config and its credential helpers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docker import auth
from docker.errors import DockerException

from slimtasks.errors import SlimError


@dataclass(frozen=True)
class Credentials:
    """What to say, and in messages `source`: whose they are and where from, never the secret."""

    source: str
    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)  # to be exchanged (OAuth2's refresh token)

    def __bool__(self) -> bool:
        return bool(self.user or self.identity_token)


def credentials(host: str, environ: Mapping[str, str]) -> Credentials:
    """Those of $DOCKER_CONFIG/config.json, or of the helper that it names; none is no error.

    SlimError where the helper fails.
    """
    folder = environ.get("DOCKER_CONFIG") or f"{environ.get('HOME', '')}/.docker"
    path = Path(folder) / "config.json"
    if not path.exists():
        return Credentials(f"without credentials (there is no {path})")
    config = _read(path, environ)
    helper = config.get_credential_store(host)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a helper that is missing is an error below
            found = config.resolve_authconfig(host) or {}
    except (DockerException, ValueError, LookupError, OSError) as error:
        raise SlimError(
            f"docker-credential-{helper}, which {path} names for {host}, fails: {error.__cause__ or error}",
            f"see that it is installed and unlocked: `echo {host} | docker-credential-{helper} get`",
        ) from error
    user = found.get("Username") or found.get("username") or ""
    token = found.get("IdentityToken") or ""
    if not (user or token):
        return Credentials(f"without credentials ({path} has none for {host})")
    where = f"docker-credential-{helper}" if helper and "ServerAddress" in found else str(path)
    who = f"as {user!r}" if user else "with an identity token"
    return Credentials(f"{who} of {where}", user, found.get("Password") or found.get("password") or "", token)


def _read(path: Path, environ: Mapping[str, str]) -> auth.AuthConfig:
    try:
        found = {"auths": {}, **json.loads(path.read_bytes())}  # nothing at all would be looked for elsewhere
        return auth.AuthConfig.load_config(None, found, credstore_env=dict(environ))
    except (DockerException, ValueError, TypeError, AttributeError) as error:
        raise SlimError(f"{path} is no config of Docker's: {error}", "`docker login` writes one") from error
