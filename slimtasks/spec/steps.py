"""The steps of a workload: what the image must be able to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from slimtasks.spec.fields import (
    ExitStatus,
    NeededCommand,
    Parsed,
    PortNumber,
    PullPolicy,
    Seconds,
    between,
    matching,
    spelled,
)
from slimtasks.spec.run import Volume
from slimtasks.spec.structure_tests import StructureTests


@dataclass(frozen=True)
class Expectation:
    """What an output must hold, as goss writes it: 'text', '!text', '/regex/', '!/regex/'.

    A backslash before a first '!' or '/' makes it plain text.
    """

    text: str
    regex: bool = False
    negated: bool = False

    @classmethod
    def parse(cls, written: str) -> Expectation:
        negated = written.startswith("!")
        text = written[1:] if negated else written
        if len(text) > 1 and text.startswith("/") and text.endswith("/"):
            return cls(text[1:-1], True, negated)
        return cls(text[1:] if text.startswith(("\\!", "\\/")) else text, False, negated)

    def holds(self, output: str) -> bool:
        """A regex is searched in the whole output, '^' and '$' match at each line."""
        found = bool(re.search(self.text, output, re.MULTILINE)) if self.regex else self.text in output
        return found != self.negated


def _expectation(raw: object) -> object:
    if isinstance(raw, str):
        expectation = Expectation.parse(raw)
        try:
            re.compile(expectation.text if expectation.regex else "")
        except re.error as error:
            raise ValueError(f"'text', '!text', or a valid regular expression as '/regex/' ({error})") from None
        if not expectation.text:
            raise ValueError("'text', '!text', '/regex/' or '!/regex/'")
    return raw


Expected = Annotated[str, Parsed(_expectation)]
_Header = Annotated[str, Parsed(matching(r"[^\s:]+:[^\r\n]*", "a header as 'Name: value'"))]


@dataclass(frozen=True)
class Http:
    """A request to a port of the running container."""

    port: PortNumber = 80
    path: Annotated[str, Parsed(matching(r"/[^\s]*", "a path that begins with '/'"))] = "/"
    scheme: Literal["http", "https"] = "http"
    method: Annotated[str, Parsed(matching(r"[A-Z]+", "a method in capitals, such as GET"))] = "GET"
    request_headers: tuple[_Header, ...] = ()
    request_body: str = ""
    status: Annotated[int, Parsed(between(100, 599))] = 200
    headers: tuple[Expected, ...] = ()  # each expected in a line 'Name: value' of the answer
    body: tuple[Expected, ...] = ()
    allow_insecure: bool = False  # accept any certificate
    timeout: Seconds = 30.0
    probe: bool = False  # asked again until the answer is one that Kubernetes takes for healthy
    __pydantic_config__ = spelled(probe="@probe")


@dataclass(frozen=True)
class Tcp:
    """A connection to a port of the running container."""

    port: PortNumber
    send: str = ""
    expect: tuple[Expected, ...] = ()
    timeout: Seconds = 30.0
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class CommandStep:
    """A command, and how it has to end."""

    command: NeededCommand
    exit_status: ExitStatus = 0
    stdout: tuple[Expected, ...] = ()
    stderr: tuple[Expected, ...] = ()
    timeout: Seconds = 60.0
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class Exec(CommandStep):
    """A command in the running container."""


@dataclass(frozen=True)
class Client(CommandStep):
    """A command in a second container on the network; it is not traced."""

    image: str = ""  # empty: the fat image
    pull_policy: PullPolicy = "missing"
    __pydantic_config__ = spelled(pull_policy="pull_policy")


@dataclass(frozen=True)
class Oneshot(CommandStep):
    """A fresh container with these arguments (in place of its Cmd, after its Entrypoint), until it ends."""

    volumes: tuple[Volume, ...] = ()  # besides those of `run`


@dataclass(frozen=True)
class Host(CommandStep):
    """A command on this machine, started in the image's folder."""


@dataclass(frozen=True)
class Wait:
    """Waits for exactly one of these."""

    port: PortNumber | None = None  # until the container listens on it
    log: Expected | None = None  # until its output holds this
    healthcheck: bool = False  # until its HEALTHCHECK says healthy
    timeout: Seconds = 30.0
    __pydantic_config__ = spelled()


@dataclass(frozen=True)
class StructureTest:
    """The tests of a container-structure-test file, each command of which has a container of its own."""

    file: Path  # absolute
    tests: StructureTests
    timeout: float = 600.0  # seconds, of all of them
    __pydantic_config__ = spelled()

    @property
    def volumes(self) -> tuple[Volume, ...]:
        return self.tests.container_run_options.bind_mounts

    @property
    def starts(self) -> bool:
        """Whether it starts anything of the image."""
        return bool(self.tests.command_tests)


@dataclass(frozen=True)
class Pytest:
    """Tests of pytest, on this machine, against the running container."""

    path: Path  # absolute; a file, or a folder of them
    args: tuple[str, ...] = ()  # more for pytest's command line
    timeout: Seconds = 600.0
    __pydantic_config__ = spelled()


Action = Http | Tcp | Exec | Client | Oneshot | Host | Wait | StructureTest | Pytest

ACTIONS: dict[str, type[Action]] = {
    "http": Http,
    "tcp": Tcp,
    "exec": Exec,
    "client": Client,
    "oneshot": Oneshot,
    "host": Host,
    "wait": Wait,
    "structure-test": StructureTest,
    "pytest": Pytest,
}


@dataclass(frozen=True)
class Step:
    """One step; `number` counts from 1, `where` is its place as 'images/nginx/image.yaml:12:5'."""

    number: int
    where: str = field(compare=False, repr=False)
    kind: str  # a key of ACTIONS
    action: Action
    check: bool = False  # of `checks`, which only the slim image has to pass
    scenario: str = ""  # that it stands in, by its name
    last: bool = False  # whether the container is about to be stopped, so that nothing can follow

    @property
    def alone(self) -> bool:
        """Whether it has containers of its own, so that none has to run before it."""
        return isinstance(self.action, (Oneshot, StructureTest))

    @property
    def name(self) -> str:
        """As messages call it: 'step 2 (http)', 'check 2 of scenario worker (http)'."""
        word = "check" if self.check else "step"
        return f"{called(f'{word} {self.number}', self.scenario)} ({self.kind})"


def within(scenario: str, text: str) -> str:
    """How messages say of a scenario what is about all of it."""
    return f"scenario {scenario}: {text}" if scenario else text


def called(what: str, scenario: str) -> str:
    """How messages call something of a scenario: 'start of scenario worker'; the one without a name is not told."""
    return f"{what} of scenario {scenario}" if scenario else what
