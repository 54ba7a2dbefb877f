"""Faults made for real, through doit as a user runs it: what is said, the exit code, what is left, and the next run."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from engine_images import image_of
from faults import DOCKERFILE, SERVER, SPEC, fails, refused
from pipeline_repo import Repo
from tars import d, f, tar

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = pytest.mark.engine


# Sources


def test_a_build_that_fails(site: Repo) -> None:
    site.append(DOCKERFILE, "RUN echo last words >&2; exit 3\n")
    line = len(site.path(DOCKERFILE).read_text().splitlines())
    where = f"web: {DOCKERFILE} line {line}: RUN echo last words >&2; exit 3"
    fails(site, site.run(), "fat:web", f"{where}: exit code 3\n      last words\n", f"-> correct {DOCKERFILE}")


def test_a_build_that_fails_beside_its_context(site: Repo) -> None:
    """Where the engine knows the Dockerfile by a name of ours."""
    site.write("images/web/sent/file", "x")
    site.replace(SPEC, "{dockerfile: Dockerfile}", "{dockerfile: Dockerfile, context: sent}")
    fails(site, site.run(), "fat:web", f"web: {DOCKERFILE} line ", f"-> correct {DOCKERFILE}")


def test_a_dockerfile_that_is_none(site: Repo) -> None:
    site.append(DOCKERFILE, "RUNN x\n")
    fails(site, site.run(), "fat:web", f"web: {DOCKERFILE}: dockerfile parse error line", "unknown instruction: RUNN")


def test_an_unreadable_dockerfile(site: Repo) -> None:
    site.path(DOCKERFILE).chmod(0)
    refused(site.run_as_nobody_special(), "images/web/Dockerfile cannot be read: permission denied")
    site.path(DOCKERFILE).chmod(0o644)


def test_an_unreadable_file_of_the_context(site: Repo) -> None:
    site.write("images/web/secret", "x").chmod(0)
    fails(
        site,
        site.run_as_nobody_special(),
        "fat:web",
        f"cannot read {site.path('images/web/secret')} for the build: permission denied",
        ".dockerignore",
    )
    site.path("images/web/secret").chmod(0o644)


def test_an_unreadable_spec_and_an_unreadable_folder(site: Repo) -> None:
    site.path(SPEC).chmod(0)
    refused(site.run_as_nobody_special(), f"{SPEC}:1:1: cannot be read: Permission denied")
    site.path(SPEC).chmod(0o644)
    site.path("images/web/closed").mkdir(mode=0)
    refused(site.run_as_nobody_special(), f"cannot read {site.path('images/web/closed')}: Permission denied")
    site.path("images/web/closed").chmod(0o755)


def test_a_base_that_is_nowhere(site: Repo) -> None:
    site.write(DOCKERFILE, "FROM registry.invalid/none:1\n")
    what = "web: the base image registry.invalid/none:1 is not in the engine and cannot be pulled: no registry can be"
    fails(site, site.run(), "fat:web", what, "-> declare it in images/, or load it")


def test_a_base_for_another_machine(site: Repo) -> None:
    tag = f"{site.tags}/elsewhere:1"
    site.engine.load_stream(iter([image_of(tag, tar(d("bin")), architecture="riscv64")]))
    site.write(DOCKERFILE, f"FROM {tag}\nCOPY server /bin/\n")
    what = f"web: the base image {tag} is in the engine for linux/riscv64, and this is built for linux/"
    fails(site, site.run(), "fat:web", what, "-> `docker pull --platform linux/")


def test_a_registry_that_cannot_be_reached(site: Repo) -> None:
    site.replace(SPEC, "{dockerfile: Dockerfile}", "{image: 'registry.invalid/none:1'}")
    what = f"{SPEC}:2:7: from.image: the image registry.invalid/none:1 is not in the engine and cannot be pulled: "
    fails(site, site.run(), "fat:web", what, "-> load it into the engine, declare it below images/")


def test_a_final_base_that_cannot_be_pulled(site: Repo) -> None:
    site.append(SPEC, "final: {base: 'registry.invalid/none:1'}\n")
    what = "web: final.base: the image registry.invalid/none:1 is not in the engine and cannot be pulled: "
    fails(site, site.run(), "select:web", what)


def test_a_client_that_cannot_be_pulled(site: Repo) -> None:
    site.append(SPEC, "  - client: {image: 'registry.invalid/none:1', command: [x]}\n")
    what = "step 3 (client) failed: the image registry.invalid/none:1 is not in the engine and cannot be pulled: "
    fails(site, site.run(), "trace:web", what)


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("[echo, hello]", "echo hello: printed no whole tar: "),
        ("[sh, -c, 'echo why >&2; exit 4']", "sh -c 'echo why >&2; exit 4': exit status 4\n      why\n"),
        ("[/none]", '/none: exec: "/none": stat /none: no such file or directory'),
    ],
)
def test_a_source_that_prints_no_context(site: Repo, command: str, what: str) -> None:
    site.replace(SPEC, "{dockerfile: Dockerfile}", f"{{dockerfile: Dockerfile, stdout: {command}}}")
    site.replace(SPEC, "unowned: traced\n", "")
    fails(site, site.run(), "fat:web", f"{SPEC}:2:7: from.stdout: {what}", "-> it has to print a build context")


# Workloads


def test_a_container_that_dies_at_once(site: Repo) -> None:
    site.write(SERVER, "#!/bin/sh\necho last words\nexit 7\n")
    what = f"{SPEC}: start failed: the container ended by itself with exit status 7"
    log = "the container's last log lines:\n        last words"
    fails(site, site.run(), "trace:web", "the workload fails on the fat image already", what, log)


def test_a_port_that_never_opens(site: Repo) -> None:
    site.replace(SPEC, "workload:\n", "workload:\n  - wait: {port: 80}\n  - wait: {port: 81, timeout: 1s}\n")
    what = "step 2 (wait) failed: port 81: nobody listens after 1 s"
    fails(site, site.run(), "trace:web", what, "came:     listening in the container: [::]:80")


def test_an_image_without_a_command(site: Repo) -> None:
    site.replace(DOCKERFILE, 'CMD ["server"]\n', "")
    what = f"{SPEC}:2:7: from: there is nothing to start: the image has neither CMD nor ENTRYPOINT, and the spec no "
    fails(site, site.run(), "trace:web", what)


def test_a_command_that_is_not_there(site: Repo) -> None:
    site.replace(DOCKERFILE, '["server"]', '["absent"]')
    what = "start failed: the container does not start: the image has no absent in its PATH\n"
    fails(site, site.run(), "trace:web", what, "-> see `run:` in the spec, and CMD and ENTRYPOINT of the image")


def test_an_image_for_another_machine(site: Repo, busybox: Path) -> None:
    program, tag = bytearray(busybox.read_bytes()), f"{site.tags}/other:1"
    program[18:20] = b"\xfe\xff"  # e_machine of elf(5), one that no kernel and no emulator knows
    layer = tar(d("bin"), f("bin/httpd", bytes(program), 0o755))
    site.engine.load_stream(iter([image_of(tag, layer, {"Cmd": ["httpd"]}, "riscv64")]))
    site.write(SPEC, f"tags: [{site.tags}/web]\nfrom: {{image: '{tag}'}}\nworkload:\n  - http: {{}}\n")
    what = "so there is nothing to trace: the image is for linux/riscv64, this engine runs linux/"
    start = f"{SPEC}: start failed: the container does not start: httpd is no file that may be executed, or no program"
    pull, other = (
        "-> get the one for it: `docker pull --platform linux/",
        f" {tag}`; or do this on an engine for riscv64",
    )
    fails(site, site.run("web"), "trace:web", what, start, pull, other)


def test_a_port_of_this_machine_that_is_taken(site: Repo) -> None:
    """The image is reached by a port that is free, whatever the spec publishes."""
    with socket.create_server(("", 0)) as server:
        ports = f"ports: ['{server.getsockname()[1]}:80']"
        site.replace(SPEC, "{stop_grace_period: 5s}", f"{{stop_grace_period: 5s, {ports}}}")
        result = site.run("web")
    assert result.status == 0 and "trace:web" in result.ran, result.output


def test_a_service_that_never_gets_ready(site: Repo) -> None:
    service = "db: {image: ground, command: [sleep, '60'], expose: [5432]}"
    site.append(SPEC, f"trace: {{timeout: 3s}}\nservices:\n  {service}\n")
    what = f"{SPEC}:13:3: service db failed: port 5432: nobody listens after "
    note = "the whole workload may take 3 s (`trace: timeout:`)"
    first = "a service that the workload needs fails, so there is nothing to trace\n"
    hint = "-> give it what it waits for; or say what shows that it is ready: `healthcheck:` of services.db, or"
    fails(site, site.run("web"), "trace:web", first, what, note, hint)


@pytest.mark.parametrize("step", ["exec", "oneshot", "client"])
def test_a_step_whose_program_is_not_there(site: Repo, step: str) -> None:
    site.append(SPEC, f"  - {step}: {{command: [nope]}}\n")
    what = f"{SPEC}:11:5: step 3 ({step}) failed: the image has no nope in its PATH"
    fails(site, site.run(), "trace:web", what, "correct the command, or put the program into the image")


def test_a_workload_that_fails_on_the_fat_image(site: Repo) -> None:
    site.replace(SPEC, "[hello]", "[goodbye]")
    what = f"{SPEC}:9:5: step 1 (http) failed: body: not met: goodbye"
    fails(site, site.run(), "trace:web", "fails on the fat image already", what, "<p>hello</p>")


@pytest.mark.slow
def test_a_server_that_has_to_be_killed_is_told(site: Repo) -> None:
    site.replace(SPEC, "run: {stop_grace_period: 5s}\n", "")
    site.replace(SERVER, "trap 'exit 0' TERM", "trap '' TERM")
    result = site.run()
    assert result.status == 0, result.output
    assert "ended only when it was killed, 10 s after its stop signal" in result.output


# Specs


def test_all_mistakes_of_a_spec_at_once(site: Repo) -> None:
    site.replace(SPEC, "unowned: traced", "unowned: trace\ntag: 3")
    site.replace("images/ground/image.yaml", "kind: base", "kind: bas")
    result = site.run("web")
    refused(result, f"{SPEC}:3:10: unowned: ", f"{SPEC}:4:1: tag: ", "images/ground/image.yaml:1:7: kind: ")


def test_a_variable_that_is_required(site: Repo) -> None:
    site.replace(SPEC, f"[{site.tags}/web]", '["${OWNER:?say whose}/web"]')
    result = site.run()
    refused(result, f"{SPEC}:1:8: tags[1]: the variable OWNER is required: say whose", "correct this mistake")
    assert site.run("list", OWNER=site.tags).status == 0


def test_rules_that_match_nothing(site: Repo) -> None:
    site.append(SPEC, "keep: [/none/**]\ndrop: [/bin/serve]\n")
    keep, drop = f'{SPEC}:11:8: keep: "/none/**" matches nothing', f'{SPEC}:12:8: drop: "/bin/serve" matches nothing'
    fails(site, site.run(), "select:web", keep, drop, "the nearest is /bin/server")


def test_a_final_base_in_the_way(site: Repo) -> None:
    site.write("images/below/image.yaml", f"kind: base\ntags: [{site.tags}/below]\nfrom: {{dockerfile: Dockerfile}}\n")
    site.write(
        "images/below/Dockerfile",
        "FROM scratch\nCOPY file /www\nCOPY file /bin/server/x\nCOPY file /etc/httpd.conf/x\n",
    )
    site.write("images/below/file", "x")
    site.append(SPEC, "final: {base: below}\n")
    taken = (
        "the selection's /bin/server is a file, but the base's /bin/server is a directory, whose files it would hide"
    )
    added = "add: /etc/httpd.conf: the base's /etc/httpd.conf is a directory, whose files it would hide"
    fails(site, site.run(), "select:web", taken, added, "add: /www/index.html: the base's /www is a file")
