"""`doit record`: a trace of a container that runs already, and what `trace.also` makes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from engine_relay import Relay
from pipeline_repo import Repo
from tars import f, tar

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.container import Container

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

FILE = "images/web/traces/staging.jsonl"
ALSO = "trace: {{also: [{{file: traces/staging.jsonl, any-image: {}}}]}}\n".format


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    """doit finds its commands in what is installed, not on PYTHONPATH."""
    if not entry_points(group="doit.COMMAND", name="record"):
        pytest.fail("slimtasks is not installed: `./run test`, or `pip install --no-deps -e .`", pytrace=False)


@contextmanager
def staging(engine: Engine, image: str, command: tuple[str, ...] | None = None) -> Iterator[Container]:
    """The container that runs elsewhere, for days: the server of `web`, with its page."""
    page = tar(f("etc/httpd.conf", "*.txt:text/plain\n"), f("www/index.html", "<p>hello</p>\n"))
    with engine.container(ContainerConfig(image, command=command)) as container:
        container.put(page)
        container.start()
        yield container


@contextmanager
def recording(repo: Repo, *args: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """`doit record` while inside, from when it sees all; it has to end by itself, or be ended."""
    with repo.start("record", *args, **variables) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            said = next((line for line in lines if line.startswith(("recording ", "record:", "ERROR"))), "nothing")
            assert said.startswith("recording "), said
            yield process
        finally:
            process.kill()


def end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> str:
    """Ends it with the signal, as Ctrl-C does: to the whole process group; what it said."""
    os.killpg(process.pid, number)
    return rest(process)


def rest(process: subprocess.Popen[str], status: int = 0) -> str:
    assert process.stdout is not None
    said = process.stdout.read()
    assert process.wait() == status, said
    return said


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_staging_uses_is_kept(repo: Repo, engine: Engine) -> None:
    assert repo.run("web").status == 0
    fat = json.loads(repo.path("build/web/fat.json").read_text())
    slim = repo.result("web")
    repo.path(FILE).parent.mkdir()
    with (
        Relay() as relay,
        staging(engine, repo.fat("web")) as container,
        recording(repo, "-o", FILE, container.id[:12], DOCKER_HOST=relay.address) as process,
    ):
        got = container.exec(("wget", "-q", "-O", "-", "http://127.0.0.1/")).run()
        assert got == (0, b"<p>hello</p>\n", b"")
        assert container.exec(("id", "-u")).run() == (0, b"0\n", b"")
        assert container.exec(("cat", "/etc/none")).run()[0] == 1
        said = end(process)
        assert container.running()
    header, *records = lines(repo.path(FILE))
    paths = {record["path"] for record in records if "path" in record}
    assert said.splitlines()[1:] == [
        f"{FILE}: {len(paths)} paths, fat digest {fat['tree_digest']}",
        "WHAT WAS OPENED AND CLOSED BEFORE THE RECORDING, and what was only looked at, is not seen",
    ]
    assert (header["fat"], header["image"], header["complete"]) == (fat["tree_digest"], fat["id"], True)
    assert (header["attached"], header["steps"]) == ("to a running container", ["recorded"])
    assert header["kernel"] == os.uname().release and header["backend"]["why"] == "they can be used here"
    ways = {(record["path"], record["how"], *record["sources"]) for record in records if "path" in record}
    assert ways >= {
        ("/bin/busybox", "map", "proc"),
        ("/bin/id", "exec", "ebpf"),
        ("/etc/none", "miss", "ebpf"),
        ("/www/index.html", "read", "ebpf", "fanotify"),
    }
    assert repo.left_over() == []

    # without it they go, with it they stay, and nothing is traced for that
    assert "/bin/id" not in repo.path("build/web/trace.jsonl").read_text()
    repo.append("images/web/image.yaml", ALSO("false"))
    result = repo.run("web")
    assert result.status == 0 and "(traced before); traces/staging.jsonl adds " in result.output, result.output
    assert repo.result("web")["config_digest"] != slim["config_digest"]
    (also,) = lines(repo.path("build/web/trace.jsonl"))[0]["also"]
    assert (also["attached"], also["fat"]) == (header["attached"], header["fat"])
    with engine.container(ContainerConfig(repo.result("web")["id"], entrypoint=("id", "-u"), command=())) as kept:
        kept.start()
        assert (kept.wait(60), kept.logs()) == (0, b"0\n")
    note = "WHAT WAS OPENED AND CLOSED BEFORE THE RECORDING"
    assert f"web: traces/staging.jsonl: {note}" in repo.run("report").output


def test_of_another_image_until_the_container_ends(repo: Repo, engine: Engine) -> None:
    assert repo.run("trace:web", "verify:ground").status == 0
    repo.append("images/web/image.yaml", ALSO("false"))
    repo.write(FILE, "what stood there\n")
    with (
        staging(engine, repo.tag("ground"), ("sh", "-c", "sleep 1000; :")) as container,
        recording(repo, "-o", FILE, container.name) as process,
    ):
        assert container.exec(("id", "-u")).run() == (0, b"0\n", b"")
        container.kill()
        assert f", until container {container.name} ended\n{FILE}: " in rest(process)
    result = repo.run("trace:web")
    assert result.status == 1 and f"{FILE}:1: traced on another image than this one\n" in result.output
    repo.replace("images/web/image.yaml", ALSO("false"), ALSO("true"))
    result = repo.run("trace:web")
    assert result.status == 0 and "traces/staging.jsonl adds " in result.output
    assert '"path":"/bin/id"' in repo.path("build/web/trace.jsonl").read_text()
    assert repo.left_over() == []


def test_a_process_for_a_while_with_opens_alone(repo: Repo, engine: Engine) -> None:
    assert repo.run("verify:ground").status == 0
    with staging(engine, repo.tag("ground"), ("sh", "-c", "sleep 1000; :")) as container:
        options = ("--pid", str(container.pid()), "--image", repo.tag("ground"), "--trace-backend", "fanotify")
        with recording(repo, *options, "--for", "2s") as process:
            said = rest(process)
        assert "recorded for 2 s\ntrace.jsonl: " in said and "LOOKUPS ARE NOT SEEN" in said
        with recording(repo, *options) as process:
            end(process, signal.SIGTERM)
    header = lines(repo.path("trace.jsonl"))[0]
    assert header["attached"] == f"to a running process, which was said to be of {repo.tag('ground')}"
    assert header["backend"]["lookups"] == "none" and header["complete"]
    assert repo.left_over() == []


def test_a_tracer_that_dies(repo: Repo, engine: Engine) -> None:
    assert repo.run("trace:web").status == 0
    repo.path(FILE).parent.mkdir()
    with staging(engine, repo.fat("web")) as container:
        with recording(repo, "-o", FILE, container.id) as process:
            assert container.exec(("id", "-u")).run() == (0, b"0\n", b"")
            (sidecar,) = (line.split()[1] for line in repo.left_over() if line.startswith("container "))
            repo.engine.connection.request("POST", f"/containers/{sidecar}/kill", doing="killing the tracer")
            said = rest(process, 1)
        assert container.running()
    assert "THE TRACE IS NOT COMPLETE: the tracer ended early" in said
    repo.append("images/web/image.yaml", ALSO("false"))
    result = repo.run("trace:web")
    assert result.status == 1 and f"{FILE}:1: the trace is not complete (the tracer ended " in result.output
    repo.replace("images/web/image.yaml", "{also: ", "{allow-incomplete: true, also: ")
    assert repo.run("trace:web").status == 0
    assert '"path":"/bin/id"' in repo.path("build/web/trace.jsonl").read_text()
    assert repo.left_over() == []


def test_what_cannot_be_recorded(repo: Repo, engine: Engine) -> None:
    assert repo.run("verify:ground").status == 0
    ground = repo.tag("ground")
    repo.write("trace.jsonl", "what stood there\n")
    with (
        engine.container(ContainerConfig(ground, command=("sh",))) as stopped,
        staging(engine, ground, ("sleep", "1000")) as running,
    ):
        mistakes = {
            ("none",): "record: the engine has no container none\n  -> `docker ps` lists them",
            (stopped.name,): f"record: container {stopped.name} does not run, it is created\n  -> start it",
            ("--pid", "4194303", "--image", ground): "record: process 4194303 is not there, or has ended\n  -> ",
            ("--pid", str(os.getpid()), "--image", ground): (
                f"record: process {os.getpid()} cannot be recorded: it is in no container: its root directory is "
            ),
            ("--pid", "7", "--image", "none:at-all"): "record: the engine has no image none:at-all\n  -> pull",
            ("-o", "images", running.name): "record: images is a folder\n  -> name the file",
            ("-o", "none/x.jsonl", running.name): "record: none/x.jsonl cannot be written: none is no folder\n  -> ",
        }
        for arguments, message in mistakes.items():
            result = repo.run("record", *arguments)
            assert result.status == 1 and message in result.output, result.output
            assert "Traceback" not in result.output
    assert repo.path("trace.jsonl").read_text() == "what stood there\n"
    assert repo.left_over() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "ERROR: record: found 0 names; allowed: one CONTAINER, or --pid N --image IMAGE\n"),
        (("web", "--for", "1m"), "ERROR: record: --for comes too late; allowed: options first, the CONTAINER last\n"),
        (("--for", "soon", "web"), "ERROR: record: --for: found soon; allowed: a duration such as '30s', "),
        (("--pid", "x", "--image", "y"), "ERROR: record: --pid: found x; allowed: the number of a process of "),
        (("--pid", "7"), "ERROR: record: --pid and --image go together: "),
        (("--trace-backend", "strace", "web"), "ERROR: record: --trace-backend: found strace; allowed: auto, "),
    ],
)
def test_what_the_command_line_says(repo: Repo, arguments: tuple[str, ...], said: str) -> None:
    result = repo.run("record", *arguments, DOCKER_HOST="unix:///nowhere.sock")
    assert result.status == 3 and said in result.output, result.output


def test_without_an_engine(repo: Repo) -> None:
    result = repo.run("record", "web", DOCKER_HOST="unix:///nowhere.sock")
    assert result.status == 1 and "Traceback" not in result.output, result.output
