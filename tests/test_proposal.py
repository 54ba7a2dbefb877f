"""The first spec of an image: what is guessed from its config and from what it did, as text and as it is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slimtasks.commands.init import whole_command
from slimtasks.errors import SlimError
from slimtasks.proposal.facts import Facts, facts_of, started_by
from slimtasks.proposal.flow import flow
from slimtasks.proposal.naming import check_reference, name_of, tag_of
from slimtasks.proposal.seen import Answered, Seen, Told
from slimtasks.proposal.steps import guess
from slimtasks.proposal.text import Draft, spec_text
from slimtasks.proposal.wish import Wish
from slimtasks.selection.inputs import NotKept
from slimtasks.spec import Image, Port, Run, load
from slimtasks.workload.report import step_title

SERVICE = Facts(command=("server",), ports=("80/tcp",))
TEXT = """\
# What this image is, and what it has to be able to do. README.md of slimtasks tells all keys.
tags: ['app-slim:1.2']  # of the slim image, which takes them when all below passes on it; `doit push` sends it there
from:
  image: 'team/app:1.2'
# 12 MB, 3 files, 1 package; linux/amd64.

# The fat image says the following, and so will the slim one; `final:` is for other words.
#   entrypoint   /entry 'two words'
#   command      serve
#   user         www-data
#   working_dir  /srv
#   ports        53/udp, 80/tcp
#   volumes      /data
#   no healthcheck

# What does it take to start it? The keys are those of a Compose service; `services:` are others.
# run:
#   environment:
#     NAME: value

# What must it be able to do? Only what these steps use stays, and all have to pass on the slim image.
# How does one log in? Port 80 answers with 401; `request-headers:` can send a password.
# What is asked by UDP? A `client` or `host` step can; nothing here did.
workload:
  - http: {port: 80, path: /, status: 401, headers: ['Content-Type: text/html']}

# What has to work that the workload does not try? The same steps, on the slim image alone:
# checks:
#   - exec: {command: [program, --version]}

# What of these does it need, though the steps above may not show it? The image has them:
# keep-presets:
#   - certificates   # CA certificates, 215.0 kB
#   - timezones      # time zones, 3.10 MB
"""


def test_the_whole_text(tmp_path: Path) -> None:
    config = {
        "Entrypoint": ["/entry", "two words"],
        "Cmd": ["serve"],
        "User": "www-data",
        "WorkingDir": "/srv",
        "Volumes": {"/data": {}},
        "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
    }
    facts = facts_of(config)
    seen = Seen((Answered(80, "http", 401, "text/html"),))
    missed = (NotKept("certificates", "CA certificates", 1, 215_000), NotKept("timezones", "time zones", 2, 3_100_000))
    text = spec_text(
        Draft("app-slim:1.2", {"image": "team/app:1.2"}),
        "12 MB, 3 files, 1 package; linux/amd64.",
        facts,
        guess(facts, seen),
        missed,
    )
    assert text == TEXT
    image = read(tmp_path, text)
    assert (image.tags, image.source.image) == (("app-slim:1.2",), "team/app:1.2")
    uncommented = read(tmp_path, in_force(text))
    assert [preset.text for preset in uncommented.keep_presets] == ["certificates", "timezones"]
    assert uncommented.run.environment == (("NAME", "value"),) and len(uncommented.checks) == 1


CASES: dict[str, tuple[Facts, Seen, list[str], list[str]]] = {
    "a page": (SERVICE, Seen((Answered(80, "http", 200, "text/html"),)), ["GET http :80/"], []),
    "a redirect on the same server": (
        SERVICE,
        Seen((Answered(80, "http", 302, "", "/login?a=b", 200),)),
        ["GET http :80/", "GET http :80/login?a=b"],
        [],
    ),
    "tls": (Facts(("x",), ports=("443/tcp",)), Seen((Answered(443, "https", 200),)), ["GET https :443/"], []),
    "nothing at /": (SERVICE, Seen((Answered(80, "http", 404),)), ["GET http :80/"], ["What is there on port 80?"]),
    "an error of the server": (
        SERVICE,
        Seen((Answered(80, "http", 500),)),
        ["GET http :80/"],
        ["What does it lack? Port 80 answers with 500"],
    ),
    "a protocol that is known": (
        Facts(("x",), ports=("6379/tcp",)),
        Seen((Answered(6379, sent="PING\r\n", came="+PONG"),)),
        ["port 6379"],
        [],
    ),
    "one that is not, so that packages stay whole": (
        Facts(("x",), ports=("5432/tcp",)),
        Seen((Answered(5432),)),
        ["wait port 5432"],
        ["What does port 5432 speak? It is no HTTP;"],
    ),
    "one that greets": (
        Facts(("x",), ports=("22/tcp",)),
        Seen((Answered(22, came="SSH-2.0-OpenSSH_9.2p1"),)),
        ["wait port 22"],
        ["What does port 22 speak? It is no HTTP, and greets with SSH-2.0-OpenSSH_9.2p1;"],
    ),
    "one of each": (
        Facts(("x",), ports=("80/tcp", "5432/tcp")),
        Seen((Answered(80, "http", 200), Answered(5432))),
        ["GET http :80/", "port 5432"],
        ["What does port 5432 speak?"],
    ),
    "a port that the image does not expose": (
        Facts(("x",)),
        Seen((Answered(8080, "http", 200),)),
        ["GET http :8080/"],
        [],
    ),
    "an exposed port that nobody opens, for which a start would wait": (
        Facts(("x",), ports=("80/tcp", "443/tcp")),
        Seen((Answered(80, "http", 200),)),
        ["wait port 80", "GET http :80/"],
        ["What opens port 443?"],
    ),
    "the same with a HEALTHCHECK, which is waited for instead": (
        Facts(("x",), ports=("80/tcp", "443/tcp"), healthcheck=("check",)),
        Seen((Answered(80, "http", 200),)),
        ["GET http :80/"],
        ["What opens port 443?"],
    ),
    "a HEALTHCHECK that fails": (
        Facts(("x",), healthcheck=("check",)),
        Seen(unhealthy="not healthy after 30 s: no curl"),
        [],
        ["What does it do,", "Why is it not healthy? Its HEALTHCHECK failed: not healthy after 30 s: no curl"],
    ),
    "a service for nobody outside": (
        Facts(("x",)),
        Seen(inner=("127.0.0.1:80",), log=("12:00 [1] listening now",)),
        ["wait log listening now"],
        ["Who is to reach 127.0.0.1:80?", "What does it do,"],
    ),
    "a worker": (Facts(("x",)), Seen(log=("[1] ready to work", "12 done")), ["wait log ready to work"], ["What does"]),
    "a worker without a word": (Facts(("x",)), Seen(), [], ["What does it do, and how does one see it? It listens"]),
    "a command for a terminal": (
        Facts(command=("python3",)),
        Seen(status=0, told=Told(("python3", "--version"), "Python 3.11.2", "stdout")),
        ["python3 --version"],
        ["What else is it called with?"],
    ),
    "a command that wants arguments": (
        Facts(("git",)),
        Seen(status=1, ending="with exit status 1", log=("usage: git",), told=Told(("--version",), "v2.39", "stderr")),
        ["--version"],
        ["What else is it called with?"],
    ),
    "a job": (
        Facts(("job",), ("all", "of it")),
        Seen(status=0, log=("done",), told=Told(("--version",), "job 1.2", "stdout")),
        ["all 'of it'", "--version"],
        ["What else is it called with?"],
    ),
    "a job without arguments, of which only the start shows what it does": (
        Facts(("job",)),
        Seen(status=0, log=("done",), told=Told(("--version",), "job 1.2", "stdout")),
        [],
        ["What else is it called with?"],
    ),
    "what does not run as it is": (SERVICE, Seen(status=1, log=("PASSWORD is not set",)), [], []),
}


@pytest.mark.parametrize(("facts", "seen", "steps", "questions"), CASES.values(), ids=CASES)
def test_the_first_workload(tmp_path: Path, facts: Facts, seen: Seen, steps: list[str], questions: list[str]) -> None:
    found = guess(facts, seen)
    text = spec_text(Draft("app-slim:1", {"image": "app:1"}), "", facts, found, ())
    image = read(tmp_path, text)
    titles = [f"wait {step_title(step)}" if step.kind == "wait" else step_title(step) for step in image.workload]
    assert titles == steps
    asked = zip(found.questions, questions, strict=True)
    assert all(question.startswith(start) for question, start in asked), found.questions
    read(tmp_path, in_force(text))


def test_what_does_not_run_comes_with_its_log_and_the_variables_in_it(tmp_path: Path) -> None:
    log = (*(f"line {number}" for number in range(20)), "set POSTGRES_PASSWORD or PGPASS_FILE\x1b[0m", "HTTP: no")
    found = guess(SERVICE, Seen(status=1, ending="with exit status 1", log=log))
    assert found.missing[:3] == ("The container ended by itself with exit status 1.", "Its last log lines:", "  line 7")
    text = spec_text(Draft("app-slim:1", {"image": "app:1"}), "", SERVICE, found, ())
    assert "#   set POSTGRES_PASSWORD or PGPASS_FILE\\x1b[0m\n" in text
    assert "#   - http: {port: 80, path: /, body: [Welcome]}\n" in text
    assert read(tmp_path, in_force(text)).run.environment == (("POSTGRES_PASSWORD", "value"), ("PGPASS_FILE", "value"))
    ended = guess(SERVICE, Seen(status=0, ending="with exit status 0"))
    assert ended.missing == (
        "The container ended by itself with exit status 0. A service has to stay in the foreground.",
        "It logged nothing.",
    )
    asks = guess(SERVICE, Seen(status=1, ending="with exit status 1", log=("getaddrinfo ENOTFOUND db",)))
    assert asks.missing[-1].startswith("It asks for another host, which its container cannot find: let it be one of")


def test_what_the_command_line_said(tmp_path: Path) -> None:
    odd = {"A": "1", "B": "no", "C": "${HOME} $$", "D": "a: b # c\n\u2028\u00e9", "E": ""}
    draft = Draft("app-slim:1", {"dockerfile": "Dockerfile"}, ("sh", "-c", "echo ${HOME}: yes"), odd)
    (tmp_path / "images/app").mkdir(parents=True)
    (tmp_path / "images/app/Dockerfile").write_text("FROM scratch\n")
    for text in (draft.text(), spec_text(draft, "a\nline", SERVICE, guess(SERVICE, Seen()), ())):
        run = read(tmp_path, text).run
        assert (run.command, dict(run.environment)) == (draft.command, odd)


def test_how_a_spec_starts_it() -> None:
    facts = facts_of({"Entrypoint": ["/entry"], "Cmd": ["serve"], "ExposedPorts": {"8080": {}}})
    assert started_by(facts, Run()) == facts == Facts(("/entry",), ("serve",), ports=("8080/tcp",))
    odd = dict.fromkeys(("8000-8001/tcp", "9-10/udp", "http", "/tcp"))
    assert facts_of({"ExposedPorts": odd}).ports == ("9/udp", "10/udp", "8000/tcp", "8001/tcp")
    run = Run(command=("work",), expose=("80/tcp",), ports=(Port(53, protocol="udp"), Port(8080, "1")))
    assert started_by(facts, run) == Facts(("/entry",), ("work",), ports=("53/udp", "80/tcp", "8080/tcp"))
    assert started_by(facts, Run(entrypoint=("/init",))) == Facts(("/init",), (), ports=("8080/tcp",))


def test_the_same_command_line_with_a_variable_more() -> None:
    assert Wish("postgres:15").again("NAME") == "postgres:15 NAME=VALUE"
    wish = Wish("my app", "app", ".", ("sh", "-c", "a b"), {"A": "1 2"})
    assert wish.again("B") == "'my app' --name=app --context=. 'A=1 2' B=VALUE -- sh -c 'a b'"


@pytest.mark.parametrize(
    ("words", "variables", "typed", "expected"),
    [
        (["app"], {"A": "1"}, "app A=1", (["app"], {"A": "1"})),
        (["app", "ls", "-l"], {}, "app ls -- -l", (["app", "ls", "-l"], {})),
        (["app", "env"], {"A": "1", "B": "2"}, "A=1 app -- env B=2", (["app", "env", "B=2"], {"A": "1"})),
        (["app", "ls"], {"A": "1"}, "app A=1 ls", (["app", "ls"], {"A": "1"})),
    ],
)
def test_what_doit_takes_for_its_variables(
    words: list[str], variables: dict[str, str], typed: str, expected: tuple[list[str], dict[str, str]]
) -> None:
    assert whole_command(words, variables, ["doit", "init", *typed.split()]) == expected


@pytest.mark.parametrize(
    "value", ["yes", "1.10", "12:30", "~", "", "${A}", "$$", "a: b", "- a", "#", "'", '"', "\t", "ü"]
)
def test_any_string_comes_through(tmp_path: Path, value: str) -> None:
    text = f"from: {{image: b}}\nrun: {flow({'command': ['x', value]})}\n"
    assert read(tmp_path, text).run.command == ("x", value)


@pytest.mark.parametrize(
    ("written", "name", "tag"),
    [
        ("nginx", "nginx", "nginx-slim:latest"),
        ("nginx:1.25-alpine", "nginx", "nginx-slim:1.25-alpine"),
        ("localhost:5000/team/my_app:v2", "my_app", "my_app-slim:v2"),
        (f"ghcr.io/team/app:1@sha256:{'0' * 64}", "app", "app-slim:1"),
        (f"app@sha256:{'0' * 64}", "app", "app-slim:latest"),
        ("My App", "my-app", "my-app-slim:latest"),
        ("web_", "web", "web-slim:latest"),
    ],
)
def test_names(written: str, name: str, tag: str) -> None:
    assert (name_of(written), tag_of(name, written)) == (name, tag)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("team/base:1", "team/base:1 has no name that an image can have here: 'base' is the name of a stage;"),
        ("team/push", "team/push has no name that an image can have here: 'push' is a word of ./run;"),
        ("run", "run has no name that an image can have here: 'run' is a command of doit;"),
        ("/", "/ has no name that an image can have here: found the folder name '';"),
    ],
)
def test_a_name_that_no_image_can_have(written: str, problem: str) -> None:
    with pytest.raises(SlimError) as raised:
        name_of(written)
    assert raised.value.what.startswith(problem) and raised.value.hint == "choose one: `--name NAME`"


@pytest.mark.parametrize("written", ["nginx:", "Nginx", "a b", "app@sha256:12", "./nowhere", "-x", ""])
def test_no_image(written: str) -> None:
    with pytest.raises(SlimError, match="is neither an image's name"):
        check_reference(written)


def test_images() -> None:
    for written in ("nginx", "host:5000/a/b:c", f"a@sha256:{'0' * 64}", "0123456789ab", f"sha256:{'a' * 64}"):
        check_reference(written)


def read(root: Path, text: str) -> Image:
    """The image of the spec as the loader reads it, without being written."""
    return load(root, {}, {root / "images/app/image.yaml": text.encode("utf-8", "backslashreplace")}).image("app")


def in_force(text: str) -> str:
    """The spec with the keys in its comments in force; those that it has already stay."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        inside = bool(re.match(r"# [a-z-]+:$", line)) or (inside and line.startswith("#   "))
        lines.append(line[2:] if inside else line)
    return "\n".join(lines)
