from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from engine_images import image_of, tree
from tars import d, f, tar

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig, Mount, Port
from slimtasks.engine.failure import EngineTimeout, Refused
from slimtasks.engine.listing import images
from slimtasks.errors import EngineError

pytestmark = pytest.mark.engine
pytest_plugins = ["engine_images"]


def output(engine: Engine, config: ContainerConfig) -> tuple[int, bytes, bytes]:
    """Runs a container to its end: status, stdout, stderr."""
    with engine.container(config) as container, container.attach() as stream:
        container.start()
        return (container.wait(60), *stream.read_all(timeout=60))


def names(engine: Engine) -> set[str]:
    """What this engine object has made and not removed."""
    filters = json.dumps({"label": [f"io.github.slimtasks.run={engine.run}"]})
    asked = {"params": {"filters": filters, "all": "1"}, "doing": "listing"}
    found = {container["Names"][0] for container in engine.connection.json("GET", "/containers/json", **asked)}
    found |= {network["Name"] for network in engine.connection.json("GET", "/networks", **asked)}
    return found | {volume["Name"] for volume in engine.connection.json("GET", "/volumes", **asked)["Volumes"] or ()}


def test_nothing_heavy_is_imported_before_the_first_request() -> None:
    script = (
        "import sys; from pathlib import Path; from slimtasks.engine.client import Engine;"
        "from slimtasks.engine.listing import images; Engine(Path('.')); images();"
        "print([name for name in ('docker', 'requests', 'urllib3', 'http.client') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_the_listing_is_the_sdks(engine: Engine, tiny_image: str) -> None:
    found = engine.inspect_image(tiny_image)
    assert found is not None and found["Id"] in images()
    assert {image["Id"] for image in engine.images()} >= {found["Id"]}


def test_info(engine: Engine) -> None:
    assert engine.info.architecture in ("amd64", "arm64")
    assert engine.info.local
    assert tuple(map(int, engine.info.api_version.split("."))) <= (1, 44)


def test_images_go_out_and_in_as_streams(engine: Engine, tiny_image: str, busybox: Path, tmp_path: Path) -> None:
    with engine.save(tiny_image) as stream, tarfile.open(fileobj=stream, mode="r|") as saved:
        assert "manifest.json" in saved.getnames()
    tag = engine.temporary_tag("test", "loaded")
    path = tmp_path / "image.tar"
    path.write_bytes(image_of(tag, tree(busybox), {"Cmd": ["true"]}))
    identifier = engine.load(path)
    try:
        assert identifier in images()
        engine.tag(identifier, tag + "x")
        assert engine.untag(tag) and not engine.untag(tag)
        assert engine.inspect_image(tag) is None
    finally:
        assert engine.remove_image(tag + "x")
    assert engine.inspect_image(identifier) is None


def test_an_image_without_a_tag_is_known_by_its_id(engine: Engine, busybox: Path) -> None:
    made = image_of("x:y", tree(busybox), {"Cmd": ["untagged"]}).replace(b'["x:y"]', b"[]     ")
    identifier = engine.load_stream([made])
    assert identifier.startswith("sha256:")
    assert engine.remove_image(identifier)


def test_what_is_no_image_is_refused(engine: Engine, tmp_path: Path) -> None:
    for content in (b"", b"no tar at all", tar(f("a", "b"))):
        (tmp_path / "image.tar").write_bytes(content)
        with pytest.raises(EngineError, match=r"loading .*image\.tar failed"):
            engine.load(tmp_path / "image.tar")
    with pytest.raises(EngineError, match=r"cannot read .*/none\.tar: no such file"):
        engine.load(tmp_path / "none.tar")
    with pytest.raises(Refused, match="saving image none:none failed"), engine.save("none:none"):
        pass


def test_an_image_that_cannot_be_pulled(engine: Engine) -> None:
    with pytest.raises(EngineError) as caught:
        engine.pull("127.0.0.1:1/none:1")
    assert caught.value.what.startswith("the image 127.0.0.1:1/none:1 is not in the engine and cannot be pulled: ")
    assert "connection refused" in caught.value.what


def test_both_outputs_and_the_status(engine: Engine, tiny_image: str) -> None:
    script = "printf '\\377\\000out'; echo err >&2; exit 3"
    config = ContainerConfig(tiny_image, command=("sh", "-c", script), log_driver="none")
    assert output(engine, config) == (3, b"\xff\x00out", b"err\n")


def test_a_tty(engine: Engine, tiny_image: str) -> None:
    config = ContainerConfig(tiny_image, command=("sh", "-c", "tty; echo err >&2"), tty=True)
    assert output(engine, config) == (0, b"/dev/pts/0\r\nerr\r\n", b"")


def test_stdin_ends_where_it_is_half_closed(engine: Engine, tiny_image: str) -> None:
    config = ContainerConfig(tiny_image, command=("cat",), stdin_open=True, stdin_once=True)
    with engine.container(config) as container, container.attach() as stream:
        container.start()
        stream.write(b"in")
        stream.close_write()
        assert stream.read_all(timeout=60) == (b"in", b"")
        assert container.wait(60) == 0


def test_environment_and_place(engine: Engine, tiny_image: str) -> None:
    config = ContainerConfig(
        tiny_image,
        entrypoint=("sh", "-c"),
        command=("env; id -u; pwd",),
        env=(("A", "1"), ("SECRET", None)),
        user="1000",
        working_dir="/tmp",
        hostname="h",
    )
    lines = output(engine, config)[1].decode().split()
    assert {"A=1", "HOSTNAME=h", "PATH=/bin", "1000", "/tmp"} <= set(lines)
    assert not any(line.startswith("SECRET") for line in lines)


def test_files_go_in_before_the_start_and_come_out(engine: Engine, tiny_image: str) -> None:
    with engine.container(ContainerConfig(tiny_image, command=("cat", "/etc/new"))) as container:
        container.put(io.BytesIO(tar(f("etc/new", "new", 0o640, 7))))
        assert container.read_file("/etc/new") == b"new"
        with container.get("/etc/new") as stream, tarfile.open(fileobj=stream, mode="r|") as got:
            assert [(member.mode & 0o7777, member.uid) for member in got] == [(0o640, 7)]
        with pytest.raises(EngineError, match=r"/etc of container .* is no regular file"):
            container.read_file("/etc")
        with pytest.raises(Refused, match=r"copying /none out of container .* failed"):
            container.read_file("/none")
        container.start()
        assert container.wait(60) == 0
        assert container.logs() == b"new"


def test_exec(engine: Engine, tiny_image: str) -> None:
    with engine.container(ContainerConfig(tiny_image, command=("sleep", "1000"))) as container:
        container.start()
        for _ in range(20):  # the first output of a quick one must not be lost
            assert container.exec(["echo", "hi"]).run() == (0, b"hi\n", b"")
        status, stdout, _ = container.exec(["nope"]).run()
        assert status in (126, 127) and b"executable file not found" in stdout
        running = container.exec(["sh", "-c", "cat; id -u; exit 4"], user="1000", stdin=True)
        with running.start() as stream:
            pid = running.pid()
            words = (Path(f"/proc/{pid}/cmdline").read_bytes() for _ in iter(lambda: time.sleep(0.01), 0))
            assert next(filter(None, words)).startswith(b"sh\0")  # until the kernel has replaced runc by it: nothing
            stream.write(b"in\n")
            stream.close_write()
            assert stream.read_all(timeout=60) == (b"in\n1000\n", b"")
        assert running.exit_code() == 4
        assert running.pid() == 0
        with pytest.raises(EngineTimeout):
            container.exec(["sleep", "1000"]).run(timeout=0.2)


def test_ports_are_published_on_loopback(engine: Engine, tiny_image: str) -> None:
    config = ContainerConfig(tiny_image, command=("sleep", "1000"), published=(Port(80),), exposed=("81/tcp",))
    with engine.container(config) as container:
        assert container.port(80) is None
        container.start()
        host, port = container.port(80) or ("", 0)
        assert host == "127.0.0.1" and port > 1023
        assert container.port(81) is None
        assert container.ip().count(".") == 3
        taken = ContainerConfig(tiny_image, command=("true",), published=(Port(80, host_port=port),))
        with engine.container(taken) as second, pytest.raises(Refused, match="port is already allocated") as caught:
            second.start()
        assert "publish another" in caught.value.hint


def test_signals_stop_and_wait(engine: Engine, tiny_image: str) -> None:
    script = "trap 'exit 7' TERM; trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done"
    with engine.container(ContainerConfig(tiny_image, command=("sh", "-c", script))) as container:
        with container.attach() as stream:
            container.start()
            assert stream.read(timeout=60) == (1, b"ready\n")
            assert container.running() and container.pid() > 0
            container.kill("HUP")
            assert stream.read(timeout=60) == (1, b"hup\n")
            with pytest.raises(EngineTimeout, match=r"still running after 0\.2 s"):
                container.wait(0.2)
            container.stop(10)
        assert container.wait() == 7
        assert container.pid() == 0 and not container.running()


@pytest.mark.parametrize(
    ("command", "reason"),
    [("/none", "no such file or directory"), ("/etc/passwd", "permission denied"), ("/broken", "exec format error")],
)
def test_a_program_that_cannot_be_run(engine: Engine, tiny_image: str, command: str, reason: str) -> None:
    with engine.container(ContainerConfig(tiny_image, entrypoint=(command,))) as container:
        container.put(tar(f("broken", "neither ELF nor script", 0o755)))
        try:
            container.start()
        except Refused as error:
            assert reason in error.what and "OCI runtime" not in error.what
        else:  # some runtimes find out only in the container
            assert reason in container.logs().decode()


def test_an_image_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(Refused, match="the engine has no image none:none"):
        engine.create(ContainerConfig("none:none"))


def test_volumes_are_filled_without_starting_anything(engine: Engine, tiny_image: str) -> None:
    with engine.volume() as volume:
        content = tar(d("sub"), f("sub/file", "content", 0o600, 5))
        engine.copy_to_volume(volume, content, tiny_image)
        mount = Mount(volume, "/data", read_only=True)
        script = "stat -c '%n %a %u' /data/sub/file; cat /data/sub/file; ls /data; touch /data/x 2>&1"
        config = ContainerConfig(tiny_image, command=("sh", "-c", script), volumes=(mount,))
        assert output(engine, config)[1] == (
            b"/data/sub/file 600 5\ncontentsub\ntouch: /data/x: Read-only file system\n"
        )


def test_a_network_of_ones_own(engine: Engine, tiny_image: str) -> None:
    with engine.network() as network:
        server = ContainerConfig(
            tiny_image,
            command=("sh", "-c", "while :; do echo pong | nc -l -p 80; done"),
            network=network,
            network_aliases=("web",),
        )
        client = ContainerConfig(
            tiny_image, command=("sh", "-c", "until nc web 80 </dev/null; do sleep 0.1; done"), network=network
        )
        with engine.container(server) as container:
            container.start()
            assert container.ip(network)
            assert output(engine, client)[1] == b"pong\n"


def test_anonymous_volumes_go_with_their_container(engine: Engine, tiny_image: str) -> None:
    config = ContainerConfig(tiny_image, command=("true",), volumes=(Mount("", "/data"),))
    with engine.container(config) as container:
        name = container.inspect()["Mounts"][0]["Name"]
    with pytest.raises(Refused) as caught:
        engine.connection.json("GET", f"/volumes/{name}", doing="looking")
    assert caught.value.status == 404


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_stays_whatever_happens(engine: Engine, tiny_image: str, error: type[BaseException]) -> None:
    config = ContainerConfig(tiny_image, command=("sleep", "1000"))
    with pytest.raises(error), engine.network(), engine.volume(), engine.container(config) as container:
        container.start()
        assert len(names(engine)) == 3
        raise error
    assert names(engine) == set()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_signals_unwind(engine: Engine, tiny_image: str, number: int, status: int) -> None:
    script = f"""
import time
from pathlib import Path
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
with Engine(Path({str(engine.checkout)!r})).container(ContainerConfig({tiny_image!r})) as container:
    print(container.id, flush=True)
    time.sleep(100)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        identifier = process.stdout.readline().decode().strip()
        process.send_signal(number)
    assert process.returncode == status
    with pytest.raises(Refused) as caught:
        engine.connection.json("GET", f"/containers/{identifier}/json", doing="looking")
    assert caught.value.status == 404


def test_a_big_output_streams_and_memory_stays_flat(engine: Engine, tiny_image: str) -> None:
    script = f"""
import io, re
from pathlib import Path
from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
config = ContainerConfig({tiny_image!r}, command=("head", "-c", "200000000", "/dev/zero"), log_driver="none")
with Engine(Path({str(engine.checkout)!r})).container(config) as container, container.attach() as stream:
    container.start()
    size = 0
    file = io.BufferedReader(stream.stdout(), 1 << 20)
    while data := file.read(1 << 20):
        size += len(data)
    # not ru_maxrss, which a process inherits from the one that started it
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    print(container.wait(60), size, peak < 100_000)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"0 200000000 True\n"


def test_a_container_goes_though_nobody_reads_its_output(engine: Engine, tiny_image: str) -> None:
    """As after an interrupt just before the stream would have been closed."""
    with engine.container(ContainerConfig(tiny_image, command=("yes",), log_driver="none")) as container:
        stream = container.attach()
        container.start()
        time.sleep(1)  # all buffers on the way are full, and the engine holds the container until that ends
        began = time.monotonic()
    assert time.monotonic() - began < 100  # we would give up after 180
    stream.close()


def test_a_slow_reader_gets_everything(engine: Engine, tiny_image: str) -> None:
    config = ContainerConfig(tiny_image, command=("head", "-c", "1000000", "/dev/zero"), log_driver="none")
    with engine.container(config) as container, container.attach() as stream:
        container.start()
        time.sleep(0.5)
        assert stream.read_all(timeout=60) == (bytes(1_000_000), b"")
