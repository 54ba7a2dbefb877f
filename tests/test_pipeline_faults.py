"""Faults made for real, through doit as a user runs it: what is said, the exit code, what is left, and the next run."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine_relay import Relay
from pipeline_repo import Repo, Result

pytest_plugins = ("engine_images", "pipeline_repo")
pytestmark = pytest.mark.engine

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs: needs root")
SPEC, DOCKERFILE, SERVER = "images/web/image.yaml", "images/web/Dockerfile", "images/web/server"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, busybox: Path, shipped_tracer: Path) -> Iterator[Repo]:
    """A repo in which all is well, and all is built."""
    repo = Repo(tmp_path_factory.mktemp("sound"), busybox, f"slimtest-{secrets.token_hex(4)}")
    result = repo.run()
    assert result.status == 0, result.output
    yield repo
    repo.remove_images()


@pytest.fixture
def repo(sound: Repo, tmp_path: Path) -> Iterator[Repo]:
    """The same to break; mended afterwards, its next run has to go well and to leave nothing."""
    shutil.copytree(sound.path("images"), tmp_path / "images", symlinks=True)
    yield sound
    shutil.rmtree(sound.path("images"))
    shutil.copytree(tmp_path / "images", sound.path("images"), symlinks=True)
    result = sound.run()
    assert (result.status, sound.left_over()) == (0, []), result.output


def fails(repo: Repo, result: Result, failed: str, *lines: str, others: tuple[str, ...] = ()) -> None:
    """It ended with 1 by that task alone; each line is there, once; a next step too; nothing is left, nothing raw."""
    assert (result.status, result.failed) == (1, (failed,)), result.output
    said(result, *lines)
    assert [left for left in repo.left_over() if left not in others] == []


def said(result: Result, *lines: str) -> None:
    for line in lines:
        assert result.output.count(line) == 1, f"{line!r} in\n{result.output}"
    assert result.output.count("\n      -> ") + result.output.count("\n    -> ") + result.output.count("\n  -> ") == 1
    assert "Traceback" not in result.output


def refused(result: Result, *lines: str) -> None:
    """It ended with 3 before anything ran."""
    assert (result.status, result.ran) == (3, ()), result.output
    said(result, *lines, "nothing has been run")


# Sources


def test_a_build_that_fails(repo: Repo) -> None:
    repo.append(DOCKERFILE, "RUN echo last words >&2; exit 3\n")
    where = (
        f"web: Dockerfile line {len(repo.path(DOCKERFILE).read_text().splitlines())}: RUN echo last words >&2; exit 3"
    )
    fails(repo, repo.run(), "fat:web", f"{where}: exit code 3\n      last words\n", "-> correct Dockerfile")


def test_a_dockerfile_that_is_none(repo: Repo) -> None:
    repo.append(DOCKERFILE, "RUNN x\n")
    fails(repo, repo.run(), "fat:web", "web: Dockerfile: dockerfile parse error line", "unknown instruction: RUNN")


def test_an_unreadable_dockerfile(repo: Repo) -> None:
    repo.path(DOCKERFILE).chmod(0)
    refused(repo.run_as_nobody_special(), "images/web/Dockerfile cannot be read: permission denied")
    repo.path(DOCKERFILE).chmod(0o644)


def test_an_unreadable_file_of_the_context(repo: Repo) -> None:
    repo.write("images/web/secret", "x").chmod(0)
    fails(
        repo,
        repo.run_as_nobody_special(),
        "fat:web",
        f"cannot read {repo.path('images/web/secret')} for the build: permission denied",
        ".dockerignore",
    )
    repo.path("images/web/secret").chmod(0o644)


def test_an_unreadable_spec_and_an_unreadable_folder(repo: Repo) -> None:
    repo.path(SPEC).chmod(0)
    refused(repo.run_as_nobody_special(), f"{SPEC}:1:1: cannot be read: Permission denied")
    repo.path(SPEC).chmod(0o644)
    repo.path("images/web/closed").mkdir(mode=0)
    refused(repo.run_as_nobody_special(), f"cannot read {repo.path('images/web/closed')}: Permission denied")
    repo.path("images/web/closed").chmod(0o755)


def test_a_base_that_is_nowhere(repo: Repo) -> None:
    repo.write(DOCKERFILE, "FROM registry.invalid/none:1\n")
    what = "web: the base image registry.invalid/none:1 is not in the engine and cannot be pulled: no registry can be"
    fails(repo, repo.run(), "fat:web", what, "-> declare it in images/, or load it")


def test_a_registry_that_cannot_be_reached(repo: Repo) -> None:
    repo.replace(SPEC, "{dockerfile: Dockerfile}", "{image: 'registry.invalid/none:1'}")
    what = f"{SPEC}:2:7: from.image: the image registry.invalid/none:1 is not in the engine and cannot be pulled: "
    fails(repo, repo.run(), "fat:web", what, "-> load it into the engine, declare it below images/")


def test_a_final_base_that_cannot_be_pulled(repo: Repo) -> None:
    repo.append(SPEC, "final: {base: 'registry.invalid/none:1'}\n")
    what = "web: final.base: the image registry.invalid/none:1 is not in the engine and cannot be pulled: "
    fails(repo, repo.run(), "select:web", what)


def test_a_client_that_cannot_be_pulled(repo: Repo) -> None:
    repo.append(SPEC, "  - client: {image: 'registry.invalid/none:1', command: [x]}\n")
    what = "step 3 (client) failed: the image registry.invalid/none:1 is not in the engine and cannot be pulled: "
    fails(repo, repo.run(), "trace:web", what)


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("[echo, hello]", "echo hello: printed no whole tar: "),
        ("[sh, -c, 'echo why >&2; exit 4']", "sh -c 'echo why >&2; exit 4': exit status 4\n      why\n"),
        ("[/none]", '/none: exec: "/none": stat /none: no such file or directory'),
    ],
)
def test_a_source_that_prints_no_context(repo: Repo, command: str, what: str) -> None:
    repo.replace(SPEC, "{dockerfile: Dockerfile}", f"{{dockerfile: Dockerfile, stdout: {command}}}")
    repo.replace(SPEC, "unowned: traced\n", "")
    fails(repo, repo.run(), "fat:web", f"{SPEC}:2:7: from.stdout: {what}", "-> it has to print a build context")


# Workloads


def test_a_container_that_dies_at_once(repo: Repo) -> None:
    repo.write(SERVER, "#!/bin/sh\necho last words\nexit 7\n")
    what = f"{SPEC}: start failed: the container ended by itself with exit status 7"
    log = "the container's last log lines:\n        last words"
    fails(repo, repo.run(), "trace:web", "the workload fails on the fat image already", what, log)


def test_a_port_that_never_opens(repo: Repo) -> None:
    repo.replace(SPEC, "workload:\n", "workload:\n  - wait: {port: 80}\n  - wait: {port: 81, timeout: 1s}\n")
    what = "step 2 (wait) failed: port 81: nobody listens after 1 s"
    fails(repo, repo.run(), "trace:web", what, "came:     listening in the container: [::]:80")


def test_an_image_without_a_command(repo: Repo) -> None:
    repo.replace(DOCKERFILE, 'CMD ["server"]\n', "")
    what = "web: there is nothing to start: the image has neither CMD nor ENTRYPOINT, and the spec no run.command"
    fails(repo, repo.run(), "trace:web", what)


def test_a_command_that_is_not_there(repo: Repo) -> None:
    repo.replace(DOCKERFILE, '["server"]', '["absent"]')
    fails(repo, repo.run(), "trace:web", "ended by itself with exit status 127", "absent: not found")


@pytest.mark.parametrize("step", ["exec", "oneshot", "client"])
def test_a_step_whose_program_is_not_there(repo: Repo, step: str) -> None:
    repo.append(SPEC, f"  - {step}: {{command: [nope]}}\n")
    what = f"{SPEC}:11:5: step 3 ({step}) failed: the image has no nope in its PATH"
    fails(repo, repo.run(), "trace:web", what, "correct the command, or put the program into the image")


def test_a_workload_that_fails_on_the_fat_image(repo: Repo) -> None:
    repo.replace(SPEC, "[hello]", "[goodbye]")
    what = f"{SPEC}:9:5: step 1 (http) failed: body: not met: goodbye"
    fails(repo, repo.run(), "trace:web", "fails on the fat image already", what, "<p>hello</p>")


@pytest.mark.slow
def test_a_server_that_has_to_be_killed_is_told(repo: Repo) -> None:
    repo.replace(SPEC, "run: {stop_grace_period: 5s}\n", "")
    repo.replace(SERVER, "trap 'exit 0' TERM", "trap '' TERM")
    result = repo.run()
    assert result.status == 0, result.output
    assert "ended only when it was killed, 10 s after its stop signal" in result.output


# Specs


def test_all_mistakes_of_a_spec_at_once(repo: Repo) -> None:
    repo.replace(SPEC, "unowned: traced", "unowned: trace\ntag: 3")
    repo.replace("images/ground/image.yaml", "kind: base", "kind: bas")
    result = repo.run("web")
    refused(result, f"{SPEC}:3:10: unowned: ", f"{SPEC}:4:1: tag: ", "images/ground/image.yaml:1:7: kind: ")


def test_a_variable_that_is_required(repo: Repo) -> None:
    repo.replace(SPEC, f"[{repo.tags}/web]", '["${OWNER:?say whose}/web"]')
    result = repo.run()
    refused(result, f"{SPEC}:1:8: tags[1]: the variable OWNER is required: say whose", "correct this mistake")
    assert repo.run("list", OWNER=repo.tags).status == 0


def test_rules_that_match_nothing(repo: Repo) -> None:
    repo.append(SPEC, "keep: [/none/**]\ndrop: [/bin/serve]\n")
    keep, drop = f'{SPEC}:11:8: keep: "/none/**" matches nothing', f'{SPEC}:12:8: drop: "/bin/serve" matches nothing'
    fails(repo, repo.run(), "select:web", keep, drop, "the nearest is /bin/server")


def test_granularity_without_a_workload(repo: Repo) -> None:
    spec = repo.path(SPEC).read_text()
    repo.write(SPEC, spec[: spec.index("workload:")])
    refused(repo.run(), f"{SPEC}:1:1: workload: is missing", "or `granularity: file`, which keeps")
    repo.append(SPEC, "granularity: file\n")
    result = repo.run()
    assert result.status == 0, result.output
    assert "NO WORKLOAD: ONLY THE START OF THE CONTAINER IS TRACED" in result.output
    assert "ONLY ITS START WAS VERIFIED: no workload" in result.output
    assert '"/bin/busybox"' in repo.path("build/web/selection.jsonl").read_text()


def test_granularity_with_packages_of_a_language(repo: Repo) -> None:
    site = "images/web/site/usr/lib/python3/dist-packages"
    repo.write(f"{site}/foo.py", "x\n")
    repo.write(f"{site}/foo-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: foo\nVersion: 1\n")
    repo.write(f"{site}/foo-1.dist-info/RECORD", "foo.py,,\nfoo-1.dist-info/METADATA,,\n")
    repo.append(DOCKERFILE, "COPY site /\n")
    repo.append(SPEC, "  - exec: {command: [cat, /usr/lib/python3/dist-packages/foo.py]}\n")
    used = "/usr/lib/python3/dist-packages (Python; the run used /usr/lib/python3/dist-packages/foo.py)"
    fails(repo, repo.run(), "select:web", f"{SPEC}:1:1: granularity: the trace used", used, "say `granularity: file`")
    repo.append(SPEC, "granularity: file\n")
    assert repo.run().status == 0


def test_a_final_base_in_the_way(repo: Repo) -> None:
    repo.write("images/below/image.yaml", f"kind: base\ntags: [{repo.tags}/below]\nfrom: {{dockerfile: Dockerfile}}\n")
    repo.write(
        "images/below/Dockerfile",
        "FROM scratch\nCOPY file /www\nCOPY file /bin/server/x\nCOPY file /etc/httpd.conf/x\n",
    )
    repo.write("images/below/file", "x")
    repo.append(SPEC, "final: {base: below}\n")
    taken = (
        "the selection's /bin/server is a file, but the base's /bin/server is a directory, whose files it would hide"
    )
    added = "add: /etc/httpd.conf: the base's /etc/httpd.conf is a directory, whose files it would hide"
    fails(repo, repo.run(), "select:web", taken, added, "add: /www/index.html: the base's /www is a file")


# Verify: what the slim image lacks

USERS = """\
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
int main(void) {
    if (!getpwnam("nobody"))
        return fprintf(stderr, "getpwnam(\\"nobody\\") failed\\n"), 2;
    if (!getgrnam("nogroup"))
        return fprintf(stderr, "getgrnam(\\"nogroup\\") failed\\n"), 2;
    puts("both");
}
"""


@pytest.fixture
def users(repo: Repo) -> Repo:
    """The repo with a program in `web` that needs /etc/passwd, then /etc/group, and a step that runs it."""
    source = repo.write("images/web/users.c", USERS)
    made = ["gcc", "-static", "-o", str(repo.path("images/web/users")), str(source)]
    subprocess.run(made, check=True, capture_output=True)
    repo.write("images/web/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    repo.write("images/web/group", "root:x:0:\nnogroup:x:65534:\n")
    repo.append(DOCKERFILE, "COPY users /bin/\nCOPY passwd group /etc/\n")
    repo.append(SPEC, "  - exec: {command: [users], stdout: [both]}\n")
    return repo


@pytest.mark.parametrize(
    ("dropped", "named", "call"),
    [
        ("/etc/passwd, /etc/group", "/etc/passwd", 'getpwnam("nobody")'),
        ("/etc/group", "/etc/group", 'getgrnam("nogroup")'),
    ],
)
def test_what_a_drop_rule_took(users: Repo, dropped: str, named: str, call: str) -> None:
    users.append(SPEC, f"drop: [{dropped}]\n")
    line = f'{named}: taken away by drop: ["{named}"] at {SPEC}:12:8'
    result = users.run()
    fails(users, result, "verify:web", "step 3 (exec) failed: exit status 2 instead of 0", f"{call} failed", line)
    assert result.output.count("taken away by") == 1
    users.replace(SPEC, f"drop: [{dropped}]\n", "")
    assert users.run().failed == ()


def test_what_the_workload_never_used(users: Repo) -> None:
    users.append(SPEC, "checks:\n  - exec: {command: [users]}\n  - exec: {command: [cat, /bin/wget], timeout: 5s}\n")
    users.replace(SPEC, "  - exec: {command: [users], stdout: [both]}\n", "")
    line = '/bin/users: kept by keep: ["/bin/users"]'
    fails(users, users.run(), "verify:web", "check 1 (exec) failed: the image has no users in its PATH", line)
    users.append(SPEC, "keep: [/bin/users]\n")
    line = '/etc/passwd: kept by keep: ["/etc/passwd"]'
    fails(users, users.run(), "verify:web", 'getpwnam("nobody") failed', line)


def test_only_the_cause_is_named(repo: Repo) -> None:
    """With the program its interpreter was not kept either, and comes back with it."""
    repo.append(SPEC, "drop: [/bin/server]\n")
    result = repo.run()
    fails(repo, result, "verify:web", f'/bin/server: taken away by drop: ["/bin/server"] at {SPEC}:11:8')
    assert "kept by" not in result.output


PARTS = "COPY one two /www/parts/\n"
READS = "exec: {command: [sh, -c, 'for part in /www/parts/*; do read -r x < $part; echo $x; done'], stdout: [two]}"


@pytest.fixture
def parts(repo: Repo) -> Repo:
    """The repo with files in `web` that a glob finds: who lists a directory asks for none of them by name."""
    repo.write("images/web/one", "one\n")
    repo.write("images/web/two", "two\n")
    repo.append(DOCKERFILE, PARTS)
    return repo


def test_a_drop_rule_that_nobody_asks_for(parts: Repo) -> None:
    parts.append(SPEC, f"  - {READS}\ndrop: [/www/parts/two]\n")
    line = f'/www/parts/two: taken away by drop: ["/www/parts/two"] at {SPEC}:12:8'
    result = parts.run()
    fails(parts, result, "verify:web", "stdout: not met: two", "used on the fat image, and not in this one:", line)
    assert result.output.count("/www/parts/one") == 0


def test_a_check_of_what_nobody_asks_for(parts: Repo) -> None:
    parts.append(SPEC, "  - exec: {command: [sh, -c, 'echo /www/parts/*']}\n")
    parts.append(SPEC, f"checks:\n  - http: {{}}\n  - {READS}\n")
    lines = [f'/www/parts/{name}: kept by keep: ["/www/parts/{name}"]' for name in ("one", "two")]
    result = parts.run()
    fails(parts, result, "verify:web", "check 2 (exec) failed", "it passes on the fat image, which has:", *lines)


def test_a_check_that_fails_on_the_fat_image_too(parts: Repo) -> None:
    parts.append(SPEC, "checks:\n  - http: {body: [goodbye]}\n")
    fails(parts, parts.run(), "verify:web", "check 1 (http) failed", "it fails on the fat image, too")


# The disk


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@root_only
@pytest.mark.parametrize(
    ("kib", "failed", "file"),
    [
        (20, "base:ground", "build/"),
        (2200, "base:ground", "build/"),
        (4200, "fat:web", "build/"),
        (6300, "context:web", "build/web/context.tar"),
        (8300, "image:web", "build/web/image.tar"),
    ],
)
def test_a_full_disk(make_repo: Callable[..., Repo], kib: int, failed: str, file: str) -> None:
    repo = make_repo()
    with small_disk(repo.path("build"), kib):
        result = repo.run()
        assert result.status == 1 and failed in result.failed, result.output
        assert "the disk is full: cannot write build/" in result.output and "Traceback" not in result.output
        assert file in result.output and "run the same command again" in result.output
        assert repo.left_over() == []
        subprocess.run(["mount", "-o", "remount,size=50m", str(repo.path("build"))], check=True)
        result = repo.run()
        assert (result.status, repo.left_over()) == (0, []), result.output


@root_only
def test_a_disk_with_no_room_for_doits_own_notes(make_repo: Callable[..., Repo], tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    with small_disk(tmp_path / "repo", 50_000):
        repo = make_repo()
        assert repo.run("list").status == 0  # it has made .doit.db
        used = int(subprocess.check_output(["du", "-sk", str(repo.root)]).split()[0])
        subprocess.run(["mount", "-o", f"remount,size={used + 4 * 1024}k", str(repo.root)], check=True)
        repo.path("filler").write_bytes(bytes(4 * 1024 * 1024))
        result = repo.run()
        assert result.status in (1, 3) and "Traceback" not in result.output, result.output
        assert " -> " in result.output
        repo.path("filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=50m", str(repo.root)], check=True)
        result = repo.run()
        assert (result.status, repo.left_over()) == (0, []), result.output


def test_folders_that_may_not_be_written(repo: Repo) -> None:
    repo.path("build").chmod(0o555)
    repo.append(SPEC, "keep: [/bin/ls]\n")
    result = repo.run_as_nobody_special()
    repo.path("build").chmod(0o755)
    assert result.status == 1 and "Traceback" not in result.output, result.output
    assert result.output.count(": permission denied\n      -> see whose it is") == 1
    repo.root.chmod(0o555)
    result = repo.run_as_nobody_special()
    repo.root.chmod(0o755)
    if not os.access(repo.path(".doit.db"), os.W_OK):
        assert (result.status, result.ran) == (3, ()), result.output
    assert "Traceback" not in result.output


# The engine


def test_no_engine_is_said_once(repo: Repo) -> None:
    for name in ("one", "two"):
        repo.write(f"images/{name}/image.yaml", f"kind: base\nfrom: {{dockerfile: Dockerfile}}\ntags: [x/{name}]\n")
        repo.write(f"images/{name}/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
    address = f"unix://{repo.root}/absent"
    result = repo.run(DOCKER_HOST=address)
    assert result.status == 1, result.output
    said(result, f"no container engine answers at {address} (DOCKER_HOST): no such file or directory")


def test_no_engine_at_a_port_and_no_address(repo: Repo) -> None:
    result = repo.run(DOCKER_HOST="tcp://127.0.0.1:1")
    assert result.status == 1
    said(result, "no container engine answers at tcp://127.0.0.1:1 (DOCKER_HOST): connection refused")
    result = repo.run(DOCKER_HOST="bogus://x")
    assert result.status == 1
    said(result, "DOCKER_HOST says 'bogus://x', which is no address of a container engine")


def test_an_engine_that_one_may_not_use(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(repo.root)  # an address may have 107 bytes only
        listener.bind("socket")
        listener.listen()
        repo.path("socket").chmod(0)
        result = repo.run_as_nobody_special(DOCKER_HOST=f"unix://{repo.root}/socket")
    repo.path("socket").unlink()
    assert result.status == 1, result.output
    said(result, ": permission denied", "-> add yourself to the socket's group")


CUTS = (
    ("base:ground", b"/build?", 1),
    ("verify:ground", b"/start", 1),
    ("fat:web", b"/build?", 1),
    ("trace:web", b"/containers/create", 3),
    ("select:web", b"/containers/json", 1),
    ("layers:web", b"/attach", 1),
    ("image:web", b"/images/load", 1),
    ("verify:web", b"/start", 2),
)


def test_an_engine_that_goes_in_the_middle_of_each_stage(make_repo: Callable[..., Repo]) -> None:
    repo = make_repo()
    for task, request, times in CUTS:
        with Relay(cut_on=(request, times)) as relay:
            result = repo.run(task, DOCKER_HOST=relay.address)
        assert (result.status, result.failed) == (1, (task,)), f"{task}: {result.output}"
        gone = (
            f"the container engine at {relay.address} (DOCKER_HOST) ",
            f"no container engine answers at {relay.address}",
        )
        assert sum(result.output.count(text) for text in gone) == 1, f"{task}: {result.output}"
        assert "Traceback" not in result.output and result.output.count("      -> ") == 1, f"{task}: {result.output}"
        assert [left for left in repo.left_over() if left.startswith(("file", "scratch"))] == []
        result = repo.run(task)
        assert (result.status, repo.left_over()) == (0, []), f"{task}: {result.output}"
    assert repo.run().status == 0
