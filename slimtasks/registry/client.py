"""Asks one repository of a registry (OCI distribution-spec 1.1), and proves who we are when it asks for that."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.auth import AuthBase

from slimtasks.oci.document import INDEX, MANIFEST
from slimtasks.registry.blob import Blob
from slimtasks.registry.credentials import Credentials, credentials
from slimtasks.registry.reference import Reference
from slimtasks.registry.refusal import RegistryError, refused, unreachable, untrusted

_CERTIFICATES = Path("/etc/docker/certs.d")
_TIMEOUT = (10, 300)  # seconds to connect; without a byte of the answer


class _Authorization(AuthBase):
    """Adds the header to what goes to the registry itself, and nowhere else: uploads may lead to a store."""

    def __init__(self) -> None:
        self.origin = ""
        self.header = ""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.header and _origin(str(request.url)) == self.origin:
            request.headers["Authorization"] = self.header
        return request


class Registry:
    """One repository, as whom Docker's config says we are."""

    def __init__(self, place: Reference, environ: Mapping[str, str]) -> None:
        self.place = place
        self._credentials = credentials(place.host, environ)
        self._session = requests.Session()
        self._authorities = _authorities(place.host, environ)
        self._session.headers["User-Agent"] = "slimtasks"
        self._session.auth = self._authorization = _Authorization()
        self._origin = self._authorization.origin = self._found()

    def _found(self) -> str:
        """'https://host', or on this machine, where nobody speaks TLS, 'http://host'."""
        secure = f"https://{self.place.address}"
        try:
            self._session.get(f"{secure}/v2/", timeout=_TIMEOUT, verify=self._authorities)
        except requests.exceptions.SSLError as error:
            if self.place.loopback and not untrusted(error):
                return f"http://{self.place.address}"
            raise unreachable(self.place.host, "asking", error) from error
        except requests.RequestException as error:
            raise unreachable(self.place.host, "asking", error) from error
        return secure

    # What the repository has

    def has(self, blob: Blob) -> bool:
        path = f"/blobs/{blob.digest}"
        return self._ask("HEAD", path, f"looking for {blob.digest[:19]}", (200, 404)).status_code == 200

    def digest(self, reference: str) -> str:
        """Of the manifest that a tag or digest names; empty where there is none."""
        answer = self._ask("HEAD", f"/manifests/{reference}", f"looking for {reference}", (200, 404), headers=_ACCEPTED)
        return answer.headers.get("Docker-Content-Digest", "") if answer.status_code == 200 else ""

    def manifest(self, tag: str) -> bytes:
        """What a tag names; empty where there is none."""
        answer = self._ask("GET", f"/manifests/{tag}", f"reading {tag[:19]}", (200, 404), headers=_ACCEPTED)
        return answer.content if answer.status_code == 200 else b""

    def lists_referrers(self, digest: str) -> bool:
        """Whether it tells by itself what refers to a manifest, as registries do since OCI 1.1."""
        doing = f"asking what refers to {digest[:19]}"
        return self._ask("GET", f"/referrers/{digest}", doing, (200, 400, 404, 405, 501)).status_code == 200

    # What is sent

    def mount(self, blob: Blob, repository: str) -> bool:
        """Takes it over from another repository of the registry, where that is allowed."""
        path = f"/blobs/uploads/?mount={quote(blob.digest, safe='')}&from={quote(repository, safe='')}"
        doing = f"taking {blob.digest[:19]} from {repository}"
        return self._ask("POST", path, doing, (201, 202, 401, 403, 404)).status_code == 201

    def send(self, blob: Blob) -> None:
        """Uploads it in one request; it is not held in memory."""
        doing = f"sending {blob.digest[:19]}"
        begun = self._ask("POST", "/blobs/uploads/", doing, (202,))
        place = urljoin(begun.url, begun.headers.get("Location", ""))
        place += f"{'&' if urlsplit(place).query else '?'}digest={quote(blob.digest, safe='')}"
        headers = {"Content-Type": "application/octet-stream"}
        with blob.open() as content:
            self._ask("PUT", place, doing, (201,), data=content, headers=headers)

    def put(self, manifest: Blob, reference: str) -> Mapping[str, str]:
        """Writes a manifest by tag or digest; the answer's headers."""
        doing = f"writing the manifest {reference[:19]}"
        headers = {"Content-Type": manifest.media_type}
        return self._ask(
            "PUT", f"/manifests/{reference}", doing, (201,), data=manifest.content, headers=headers
        ).headers

    # HTTP

    def _ask(self, method: str, path: str, doing: str, expected: tuple[int, ...], **options: Any) -> requests.Response:
        """`path` within the repository, or a whole URL; RegistryError for what is not `expected`."""
        doing = f"{self.place.repository}: {doing}"
        url = path if "://" in path else f"{self._origin}/v2/{self.place.repository}{path}"
        answer = self._answer(method, url, doing, options)
        if answer.status_code == 401 and self._prove(answer, doing):
            if hasattr(options.get("data"), "seek"):
                options["data"].seek(0)
            answer = self._answer(method, url, doing, options)
        if answer.status_code not in expected:
            raise refused(self.place.host, doing, answer, self._credentials.source)
        return answer

    def _answer(self, method: str, url: str, doing: str, options: Mapping[str, Any]) -> requests.Response:
        options = {**options, "verify": self._authorities, "allow_redirects": method in ("GET", "HEAD")}
        try:
            return self._session.request(method, url, timeout=_TIMEOUT, **options)
        except requests.RequestException as error:
            raise unreachable(self.place.host, doing, error) from error

    def _prove(self, answer: requests.Response, doing: str) -> bool:
        """Answers a challenge (RFC 9110, 11.6.1), so that it is worth asking again."""
        scheme, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
        mine, before = self._credentials, self._authorization.header
        if scheme.lower() == "basic" and mine.user:
            self._authorization.header = _basic(mine)
        elif scheme.lower() == "bearer":
            words = dict(re.findall(r'(\w+)="([^"]*)"', rest))
            self._authorization.header = f"Bearer {self._token(words, doing)}"
        return self._authorization.header != before

    def _token(self, words: Mapping[str, str], doing: str) -> str:
        """Fetched from whom the challenge names (distribution, 'Token Authentication')."""
        mine, realm = self._credentials, words.get("realm", "")
        mine_here = f"repository:{self.place.repository}:"
        others = [scope for scope in words.get("scope", "").split() if not scope.startswith(mine_here)]
        asked = {"service": words.get("service", ""), "scope": [f"{mine_here}pull,push", *others]}
        if urlsplit(realm).scheme != "https" and not self._origin.startswith("http:"):
            raise RegistryError(f"{self.place.host}: {doing}: it wants a secret sent to {realm}, without TLS")
        if mine.identity_token:
            grant = {"grant_type": "refresh_token", "refresh_token": mine.identity_token, "client_id": "slimtasks"}
            answer = self._answer("POST", realm, doing, {"data": {**asked, **grant}})
        else:
            header = {"Authorization": _basic(mine)} if mine else {}
            answer = self._answer("GET", realm, doing, {"params": asked, "headers": header})
        if answer.status_code != 200:
            raise refused(self.place.host, f"{doing}: token of {urlsplit(realm).netloc}", answer, mine.source)
        try:
            body = answer.json()
            return str(body.get("token") or body["access_token"])
        except (ValueError, LookupError, AttributeError) as error:
            raise RegistryError(f"{self.place.host}: {doing}: no token in the answer of {realm}") from error


_ACCEPTED = {"Accept": f"{MANIFEST}, {INDEX}"}


def _basic(mine: Credentials) -> str:
    return "Basic " + b64encode(f"{mine.user}:{mine.password}".encode()).decode()


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _authorities(host: str, environ: Mapping[str, str]) -> str | bool:
    """The CAs to trust: those that Docker has for the host, else those that were named, else the system's."""
    own, paths = _CERTIFICATES / host / "ca.crt", ssl.get_default_verify_paths()
    folder = paths.capath if paths.capath and any(Path(paths.capath).iterdir()) else ""
    named = environ.get("SSL_CERT_FILE") or environ.get("REQUESTS_CA_BUNDLE")
    return str(own) if own.exists() else named or paths.cafile or folder or True
