"""What goes wrong at a registry, in one message each; and who we are to it."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from debian_registry import Registries, built, free_port

from slimtasks.errors import SlimError
from slimtasks.operations.pushing import send
from slimtasks.workspace import Workspace

pytest_plugins = ("debian_registry",)
pytestmark = pytest.mark.loopback

USER, PASSWORD = "ann", "s3cret-pass"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuV7fpPozvyqJfnY19y0802WTlXUm6Rjy\n"  # bcrypt of PASSWORD
HELPER = f"""\
#!/bin/sh
if [ "$(cat)" != HOST ]; then echo credentials not found in native keychain; exit 1; fi
echo '{{"Username": "{USER}", "Secret": "{PASSWORD}"}}'
"""


@pytest.fixture
def push(tmp_path: Path) -> Callable[..., str]:
    """Pushes one small image; nothing of this machine's config is seen."""
    workspace = Workspace(tmp_path / "checkout")
    image = built(workspace)

    def push(to: str, **environ: str) -> str:
        return send(workspace, image, to, {"HOME": str(tmp_path), **environ}, lambda line: None)

    return push


def refusal(push: Callable[..., str], to: str, **environ: str) -> str:
    with pytest.raises(SlimError) as caught:
        push(to, **environ)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def docker_config(folder: Path, **content: object) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content))
    return str(folder)


def login(host: str, password: str = PASSWORD) -> dict[str, dict[str, str]]:
    return {host: {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}}


@pytest.fixture
def guarded(start_registry: Registries, tmp_path: Path) -> str:
    """A registry that asks for a password."""
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    return start_registry(f"auth: {{htpasswd: {{realm: here, path: {tmp_path}/htpasswd}}}}\n")


def test_basic_credentials_of_the_config(push: Callable[..., str], guarded: str, tmp_path: Path) -> None:
    config = docker_config(tmp_path / "mine", auths=login(guarded))
    assert " 0 of 3 blobs were there" in push(f"{guarded}/app:1", DOCKER_CONFIG=config)
    assert ": 0 B sent" in push(f"{guarded}/app:1", DOCKER_CONFIG=config)
    docker_config(tmp_path / ".docker", auths=login(guarded))
    assert ": 0 B sent" in push(f"{guarded}/app:1")


def test_credentials_that_are_none_or_wrong(push: Callable[..., str], guarded: str, tmp_path: Path) -> None:
    path = tmp_path / ".docker/config.json"
    none = refusal(push, f"{guarded}/app:1")
    assert "401 UNAUTHORIZED: authentication required; asked without credentials" in none or "401 Unauthorized" in none
    assert f"(there is no {path})\n  -> `docker login {guarded}`" in none
    docker_config(tmp_path / ".docker", auths=login("elsewhere.example"))
    assert f"({path} has none for {guarded})" in refusal(push, f"{guarded}/app:1")
    docker_config(tmp_path / ".docker", auths=login(guarded, "wrong"))
    assert f"asked as 'ann' of {path}" in refusal(push, f"{guarded}/app:1")
    path.write_text("{")
    assert f"{path} is no config of Docker's" in refusal(push, f"{guarded}/app:1")
    assert not (tmp_path / "checkout/build/app/pushed.json").exists()


def test_a_credential_helper(
    push: Callable[..., str], guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = docker_config(tmp_path / "mine", credHelpers={guarded: "slimtest"})
    said = refusal(push, f"{guarded}/app:1", DOCKER_CONFIG=config)
    assert f"docker-credential-slimtest, which {config}/config.json names for {guarded}, fails: " in said
    assert "not installed" in said
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    helper = tmp_path / "docker-credential-slimtest"
    helper.write_text(HELPER.replace("HOST", guarded))
    helper.chmod(0o755)
    assert "0 of 3 blobs were there" in push(f"{guarded}/app:1", DOCKER_CONFIG=config)
    helper.write_text(HELPER.replace("HOST", "another"))
    said = refusal(push, f"{guarded}/app:1", DOCKER_CONFIG=config)
    assert f"without credentials ({config}/config.json has none for {guarded})" in said


def test_a_token(push: Callable[..., str], start_registry: Registries, tmp_path: Path) -> None:
    """From whom the registry names: for a password, or for the identity token that a login has left."""
    key, certificate = tls_files(tmp_path)
    with token_server(key) as (realm, asked):
        token = f"{{realm: '{realm}', service: slim, issuer: test, rootcertbundle: {certificate}}}"
        host = start_registry(f"auth: {{token: {token}}}\n")
        config = docker_config(tmp_path / "mine", auths=login(host))
        assert "0 of 3 blobs were there" in push(f"{host}/our/app:1", DOCKER_CONFIG=config)
        assert asked[0] == {"service": ["slim"], "scope": ["repository:our/app:pull,push"]}
        config = docker_config(tmp_path / "token", auths={host: {"identitytoken": "long-lived"}})
        assert ": 0 B sent" in push(f"{host}/our/app:1", DOCKER_CONFIG=config)
        assert (asked[-1]["grant_type"], asked[-1]["refresh_token"]) == (["refresh_token"], ["long-lived"])
        config = docker_config(tmp_path / "wrong", auths=login(host, "wrong"))
        said = refusal(push, f"{host}/our/app:1", DOCKER_CONFIG=config)
        assert f"token of {urlsplit(realm).netloc}: 403 Forbidden; asked as 'ann' of {config}/config.json" in said


def tls_files(folder: Path) -> tuple[Path, Path]:
    """A key, and a certificate of it for 127.0.0.1 that signed itself."""
    key, certificate = folder / "key.pem", folder / "ca.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    options += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *options], check=True, capture_output=True)
    return key, certificate


@contextmanager
def token_server(key: Path) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """Gives tokens to USER (RFC 7519, signed with `key`); its URL, and what it was asked."""
    asked: list[dict[str, list[str]]] = []
    right = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def answer(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], str]:
        asked.append(parse_qs(body.decode() or urlsplit(url).query))
        if method == "GET" and headers.get("Authorization") != f"Basic {right}":
            return 403, {}, ""
        return 200, {}, json.dumps({"access_token": signed(key, "our/app")})

    with serving(answer) as host:
        yield f"http://{host}/token", asked


def signed(key: Path, repository: str) -> str:
    """A token as docker-registry reads it: its key is told by the certificate, which the registry trusts."""
    pem = (key.parent / "ca.pem").read_text()
    der = "".join(line for line in pem.splitlines() if "-----" not in line)
    access = [{"type": "repository", "name": repository, "actions": ["pull", "push"]}]
    claims = {
        "iss": "test",
        "aud": "slim",
        "sub": USER,
        "nbf": 0,
        "exp": 1 << 33,
        "iat": 0,
        "jti": "1",
        "access": access,
    }
    head = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
    text = ".".join(unpadded(json.dumps(part).encode()) for part in (head, claims))
    command = ["openssl", "dgst", "-sha256", "-sign", str(key)]
    signature = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    return f"{text}.{unpadded(signature)}"


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_a_certificate_that_nobody_vouches_for(
    push: Callable[..., str], start_registry: Registries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tls_files(tmp_path)
    host = start_registry(http=f", tls: {{certificate: {certificate}, key: {key}}}")
    said = refusal(push, f"{host}/app:1")
    assert f"{host}: asking: its certificate is not trusted: self-signed certificate\n  -> " in said
    assert f"/etc/docker/certs.d/{host}/ca.crt" in said
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert "0 of 3 blobs were there" in push(f"{host}/app:1")


def test_nobody_listens(push: Callable[..., str]) -> None:
    host = f"127.0.0.1:{free_port()}"
    assert refusal(push, f"{host}/app:1").startswith(f"{host}: asking: connection refused\n  -> nobody listens there")


Answer = Callable[[str, str, Mapping[str, str], bytes], tuple[int, dict[str, str], str]]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A web server that answers as it is told; its 'host:port'."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, text = answer(self.command, self.path, self.headers, body)  # type: ignore[arg-type]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode() if self.command != "HEAD" else b"")

        do_GET = do_HEAD = do_POST = do_PUT = handle_one

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_registry_that_lists_referrers_needs_no_index(push: Callable[..., str]) -> None:
    written: list[str] = []

    def registry(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], str]:
        if method == "GET":
            return 200, {}, "{}"
        if method == "PUT" and "/manifests/" in url:
            written.append(url.rpartition("/")[2][:7])
        return {"HEAD": 404, "POST": 202, "PUT": 201}[method], {"Location": "/put"}, ""

    with serving(registry) as host:
        push(f"{host}/app:1")
    assert written == ["sha256:"] * 4 + ["1"]


@pytest.mark.parametrize(
    ("status", "headers", "code", "said"),
    [
        (429, {"Retry-After": "30"}, "TOOMANYREQUESTS", "-> wait (30, it says) and try again; what has arrived"),
        (429, {}, "TOOMANYREQUESTS", "-> wait and try again; what has arrived"),
        (503, {}, "UNAVAILABLE", "-> it is the registry's fault; try again later"),
        (403, {}, "DENIED", "; asked without credentials (there is no "),
        (404, {}, "NAME_UNKNOWN", "-> see whether the repository is there"),
        (400, {}, "NAME_INVALID\x1b[31m", r"NAME_INVALID\x1b[31m: no"),
    ],
)
def test_refusals(push: Callable[..., str], status: int, headers: dict[str, str], code: str, said: str) -> None:
    text = json.dumps({"errors": [{"code": code, "message": "no"}]})

    def answer(method: str, url: str, _: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], str]:
        return (404, {}, "") if method == "HEAD" else (status, headers, text)

    with serving(answer) as host:
        told = refusal(push, f"{host}/app:1")
    assert told.startswith(f"{host}: app: sending sha256:") and f": {status} {code[:12]}" in told and said in told


def test_no_secret_goes_where_an_upload_is_led_to(push: Callable[..., str], tmp_path: Path) -> None:
    """As registries do that keep their blobs in a store of somebody else."""
    seen: list[str] = []

    def store(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], str]:
        seen.append(f"{method} {headers.get('Authorization')} {urlsplit(url).query[:24]}")
        return 201, {}, ""

    def registry(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], str]:
        if not headers.get("Authorization"):
            return 401, {"WWW-Authenticate": 'Basic realm="x"'}, ""
        if method == "POST":
            return 202, {"Location": f"http://{other}/put?state=1"}, ""
        return (201 if method == "PUT" else 404), {}, ""

    with serving(store) as other, serving(registry) as host:
        push(f"{host}/app:1", DOCKER_CONFIG=docker_config(tmp_path / "mine", auths=login(host)))
    assert len(seen) > 3 and set(seen) == {"PUT None state=1&digest=sha256%3A"}
