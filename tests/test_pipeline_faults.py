"""Faults made for real, through doit as a user runs it: what is said, the exit code, what is left, and the next run."""

from __future__ import annotations

import pytest
from faults import DOCKERFILE, SERVER, SPEC, fails, refused
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = pytest.mark.engine


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
