"""What a registry's refusals and failures mean to the user, in one message each."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import requests

from slimtasks.errors import SlimError
from slimtasks.terminal import shown

_LONGEST = 200  # characters of a registry's own words


class RegistryError(SlimError):
    """The registry refused, failed or cannot be reached."""


def refused(host: str, doing: str, answer: requests.Response, source: str) -> RegistryError:
    """The error for an answer; `source` tells whose credentials it was asked with."""
    told = f"{host}: {doing}: {answer.status_code} {_words(answer)}"
    again = "what has arrived there stays: the same command goes on from there"
    if answer.status_code in (401, 403):
        return RegistryError(f"{told}; asked {source}", f"`docker login {host}`, as one who may push there")
    if answer.status_code == 429:
        wait = answer.headers.get("Retry-After")
        return RegistryError(told, f"wait {f'({shown(wait)}, it says) ' if wait else ''}and try again; {again}")
    if answer.status_code >= 500:
        return RegistryError(told, f"it is the registry's fault; try again later; {again}")
    return RegistryError(told, "see whether the repository is there, and takes this name")


def unreachable(host: str, doing: str, error: requests.RequestException) -> RegistryError:
    """The error for no answer at all."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return RegistryError(
                f"{host}: {doing}: its certificate is not trusted: {cause.verify_message}",
                f"put its CA's certificate where Docker has it, /etc/docker/certs.d/{host}/ca.crt, "
                "or name a file of CAs in SSL_CERT_FILE",
            )
        if isinstance(cause, ConnectionRefusedError):
            return RegistryError(f"{host}: {doing}: connection refused", "nobody listens there: is it the right port?")
    return RegistryError(
        f"{host}: {doing}: {shown(str(causes[-1]))[:_LONGEST]}",
        "see whether the name is right and the registry is reached from here; what has arrived there stays",
    )


def untrusted(error: BaseException) -> bool:
    """Whether TLS was spoken, with a certificate that is not trusted."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was made of, the first one last."""
    while isinstance(error, BaseException):
        yield error
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def _words(answer: requests.Response) -> str:
    """What it says itself (distribution-spec, 'Error codes'), else HTTP's word."""
    try:
        first = answer.json()["errors"][0]
        words = f"{first.get('code', '')}: {first.get('message', '')}".strip(": ")
    except (ValueError, LookupError, TypeError, AttributeError):
        words = ""
    return shown(words or answer.reason or "")[:_LONGEST].rstrip()
