"""Engines that are far away, and engines that go away: all through a relay that can be cut."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from engine_relay import SOCKET, Relay
from tars import f, tar

from slimtasks.engine.build import Build
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig, Mount
from slimtasks.engine.connection import Connection
from slimtasks.engine.endpoint import endpoint
from slimtasks.engine.failure import Gone
from slimtasks.engine.heartbeat import heartbeat
from slimtasks.engine.listing import images
from slimtasks.engine.pipe import SocketPipe

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images"]


@pytest.fixture(params=["tcp", "tls", "ssh"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine, reached in another way than by its socket."""
    if request.param == "ssh":
        pytest.importorskip("paramiko", reason="the docker SDK needs paramiko for ssh, whoever makes the connection")
        program = tmp_path / "ssh"
        program.write_text(f"#!{sys.executable}\n{DIAL_STDIO}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        yield Engine(tmp_path, {"DOCKER_HOST": "ssh://me@far.example"})
        return
    environ, context = certificates(tmp_path) if request.param == "tls" else ({}, None)
    with Relay(tls=context) as relay:
        yield Engine(tmp_path, {"DOCKER_HOST": relay.address.replace("127.0.0.1", "localhost"), **environ})


DIAL_STDIO = f"""
import os, socket, sys, threading
engine = socket.socket(socket.AF_UNIX)
engine.connect({SOCKET!r})
def forth():
    while data := os.read(0, 65536):
        engine.sendall(data)
    engine.shutdown(socket.SHUT_WR)
threading.Thread(target=forth, daemon=True).start()
while data := engine.recv(65536):
    os.write(1, data)
os._exit(0)
"""


def certificates(folder: Path) -> tuple[dict[str, str], ssl.SSLContext]:
    """What client and server need for TLS with a certificate for localhost that signed itself."""
    ca, key = folder / "ca.pem", folder / "server.key"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    options += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(ca)]
    subprocess.run(["openssl", "req", *options], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, key)
    return {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}, context


def test_everything_works_from_afar(remote: Engine, tiny_image: str) -> None:
    assert not remote.info.local
    found = remote.inspect_image(tiny_image)
    assert found and found["Id"] in images(remote.environ)
    with remote.volume() as volume:
        remote.copy_to_volume(volume, tar(f("name", "content")), tiny_image)
        config = ContainerConfig(
            tiny_image,
            command=("sh", "-c", "cat /data/name; cat; exit 3"),
            volumes=(Mount(volume, "/data"),),
            stdin_open=True,
            stdin_once=True,
        )
        with remote.container(config) as container, container.attach() as stream:
            container.start()
            assert stream.read(timeout=60) == (1, b"content")
            stream.write(b"in")
            stream.close_write()
            assert stream.read_all(timeout=60) == (b"in", b"")
            assert container.wait(60) == 3
    with remote.container(ContainerConfig(tiny_image, command=("sleep", "1000"))) as container:
        container.start()
        for _ in range(5):
            assert container.exec(["echo", "hi"]).run(timeout=60) == (0, b"hi\n", b"")
    with remote.save(tiny_image) as saved, tarfile.open(fileobj=saved, mode="r|") as archive:
        assert "manifest.json" in archive.getnames()


def test_what_came_before_our_end_is_not_lost(tmp_path: Path) -> None:
    _, server_side = certificates(tmp_path)
    client_side = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    ours, theirs = socket.socketpair()
    accepted: list[ssl.SSLSocket] = []
    other = threading.Thread(target=lambda: accepted.append(server_side.wrap_socket(theirs, server_side=True)))
    other.start()
    with client_side.wrap_socket(ours, server_hostname="localhost") as connection:
        other.join()
        pipe = SocketPipe(connection, requests.Response(), b"")
        with accepted[0] as server:
            server.sendall(b"early ")
            assert pipe.ready(10)
            pipe.close_send()
            assert server.recv(100) == b""
            server.sendall(b"late")
            received = b""
            while received != b"early late":
                assert pipe.ready(10)
                received += pipe.receive(100)


def far(relay: Relay, folder: Path) -> Engine:
    return Engine(folder, {"DOCKER_HOST": relay.address})


def test_gone_while_saving(tiny_image: str, tmp_path: Path) -> None:
    with Relay(cut_after=500_000) as relay:
        with pytest.raises(Gone) as caught, far(relay, tmp_path).save(tiny_image) as stream:
            while stream.read(1 << 16):
                pass
        assert caught.value.what.startswith(
            f"the container engine at {relay.address} (DOCKER_HOST) went away while saving image {tiny_image}: "
        )
        assert "run the same command again" in caught.value.hint


def test_gone_while_building(engine: Engine, tiny_image: str, tmp_path: Path) -> None:
    tag = engine.temporary_tag("test", "cut")
    dockerfile = f"FROM {tiny_image}\nRUN echo started; sleep 5\n".encode()
    with Relay() as relay:

        def cut(line: str) -> None:
            if line == "started":
                relay.cut()

        with pytest.raises(Gone, match="went away while building x"):
            far(relay, tmp_path).build(Build((("Dockerfile", dockerfile, 0o644),), tag, no_cache=True, name="x"), cut)
    assert engine.inspect_image(tag) is None


def test_gone_while_sending_a_context(engine: Engine, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 30)
    with Relay() as relay:
        far_engine = far(relay, tmp_path)
        far_engine.ping()
        threading.Timer(0.05, relay.cut).start()
        files = (("Dockerfile", b"FROM scratch\nCOPY big /\n", 0o644), ("big", tmp_path / "big", 0o644))
        with pytest.raises(Gone):
            far_engine.build(Build(files, engine.temporary_tag("test", "cut")))


def test_gone_while_waiting_and_while_reading(engine: Engine, tiny_image: str, tmp_path: Path) -> None:
    with engine.container(ContainerConfig(tiny_image, command=("sleep", "1000"))) as container:
        container.start()
        for ask in ("wait", "attach", "exec"):
            with Relay() as relay:
                same = type(container)(
                    Connection(endpoint({"DOCKER_HOST": relay.address})), container.id, container.config
                )
                threading.Timer(0.5, relay.cut).start()
                began = time.monotonic()
                with pytest.raises(Gone):
                    if ask == "wait":
                        same.wait()
                    elif ask == "exec":
                        same.exec(["sleep", "1000"]).run()
                    else:
                        with same.attach() as stream:
                            stream.read_all()
                        same.wait()
                assert time.monotonic() - began < 20


def test_an_engine_that_is_gone_at_the_end_does_not_hide_the_error(tiny_image: str, tmp_path: Path) -> None:
    with Relay() as relay:
        made = far(relay, tmp_path)
        with pytest.raises(ValueError, match="mine"), made.container(ContainerConfig(tiny_image)) as container:
            relay.cut()
            raise ValueError("mine")
    made = Engine(tmp_path)
    made.connection.delete(f"/containers/{container.id}", doing="removing")


def test_an_engine_that_says_nothing_ends_a_long_wait(engine: Engine) -> None:
    """The heartbeat: what waits is woken up once the engine has not answered two pings."""
    here, there = socket.socketpair()

    def dead() -> None:
        raise Gone("no answer")

    with heartbeat(dead, lambda: here.shutdown(socket.SHUT_RDWR), interval=0.01):
        assert here.recv(1) == b""
    there.close()
    here.close()
    with heartbeat(engine.ping, lambda: pytest.fail("it answers"), interval=0.01):
        time.sleep(0.2)


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "went away"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n[]", "went away"),
        (b'HTTP/1.0 500 Oops\r\n\r\n{"message":"no space left on device"}', "no space left on device"),
    ],
)
def test_listing_with_a_broken_engine(answer: bytes, message: str, tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(answer)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    from slimtasks.errors import EngineError

    with pytest.raises(EngineError, match=message):
        images({"DOCKER_HOST": f"unix://{tmp_path}/socket"})
    listener.close()
