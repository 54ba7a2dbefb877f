"""What a container-structure-test file says: schema version 2.0.0, with its own names of keys.

https://github.com/GoogleContainerTools/container-structure-test#readme
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from slimtasks.spec.fields import ExitStatus, NeededCommand, Parsed, TargetPath, between, matching
from slimtasks.spec.run import Volume


def _camel(**special: str) -> dict[str, Any]:
    """As `fields.spelled`, for keys such as 'exitCode'."""
    special = {"where": "@where", **special}

    def alias(field: str) -> str:
        first, *others = field.split("_")
        return special.get(field, first + "".join(map(str.capitalize, others)))

    return {"extra": "forbid", "strict": True, "alias_generator": alias}


@cache
def compiled(regex: str) -> Any:
    """The expression as Go reads it, whose syntax is RE2's; ValueError with what is allowed."""
    import re2  # only where such a file is

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(regex, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"a regular expression of RE2 ({reason})") from None


def _regex(raw: object) -> object:
    if isinstance(raw, str):
        compiled(raw)
    return raw


_Regexes = tuple[Annotated[str, Parsed(_regex)], ...]
_Name = Annotated[str, Parsed(matching(r"(?s).+", "a string that is not empty"))]
_Id = Annotated[int, Parsed(between(0, 2**32 - 2))]


@dataclass(frozen=True)
class Variable:
    """A variable of the environment, or a label."""

    key: _Name
    value: str = ""
    is_regex: bool = False
    __pydantic_config__ = _camel()

    def __post_init__(self) -> None:
        if self.is_regex:
            compiled(self.value)


@dataclass(frozen=True)
class CommandTest:
    """A command in a container of its own, which the image's entrypoint has no part in."""

    name: _Name
    command: _Name
    args: tuple[str, ...] = ()
    setup: tuple[NeededCommand, ...] = ()
    teardown: tuple[NeededCommand, ...] = ()  # the container is gone by then, so these are not run
    env_vars: tuple[Variable, ...] = ()
    exit_code: ExitStatus = 0
    expected_output: _Regexes = ()
    excluded_output: _Regexes = ()
    expected_error: _Regexes = ()
    excluded_error: _Regexes = ()
    isolated: Literal[True] = True
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = _camel()


@dataclass(frozen=True)
class FileExistenceTest:
    """A path, no symlink followed at its end."""

    name: _Name
    path: TargetPath
    should_exist: bool = True
    permissions: str = ""  # as Go writes them: '-rw-r--r--', 'dtrwxrwxrwx', 'urwxr-xr-x'
    uid: _Id | None = None
    gid: _Id | None = None
    is_executable_by: Literal["", "owner", "group", "other", "any"] = ""
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = _camel()


@dataclass(frozen=True)
class FileContentTest:
    """What a file has to hold."""

    name: _Name
    path: TargetPath
    expected_contents: _Regexes = ()
    excluded_contents: _Regexes = ()
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = _camel()


@dataclass(frozen=True)
class MetadataTest:
    """What the image's config has to say; None and empty ask nothing."""

    env_vars: tuple[Variable, ...] = ()
    unbound_env_vars: tuple[Variable, ...] = ()
    labels: tuple[Variable, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    unexposed_ports: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    unmounted_volumes: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = _camel()


@dataclass(frozen=True)
class LicenseTest:
    """Copyright texts without the licences that these tests refuse."""

    debian: bool = False
    files: tuple[TargetPath, ...] = ()
    where: str = field(default="", compare=False, repr=False)
    __pydantic_config__ = _camel()


@dataclass(frozen=True)
class RunOptions:
    """How the containers of command tests are started, over what `run` says."""

    user: str = ""
    allocate_tty: bool = False
    env_file: Path | None = None  # absolute
    env_vars: tuple[str, ...] = ()  # taken from the caller
    capabilities: tuple[str, ...] = ()
    bind_mounts: tuple[Volume, ...] = ()
    privileged: Literal[False] = False
    __pydantic_config__ = _camel()


@dataclass(frozen=True)
class StructureTests:
    """One file."""

    schema_version: Literal["2.0.0"]
    global_env_vars: tuple[Variable, ...] = ()
    command_tests: tuple[CommandTest, ...] = ()
    file_existence_tests: tuple[FileExistenceTest, ...] = ()
    file_content_tests: tuple[FileContentTest, ...] = ()
    metadata_test: MetadataTest | None = None
    license_tests: tuple[LicenseTest, ...] = ()
    container_run_options: RunOptions = field(default_factory=RunOptions)
    __pydantic_config__ = _camel()

    @property
    def paths(self) -> tuple[str, ...]:
        """What has to be in the image for these tests to pass, by name."""
        existing = (test.path for test in self.file_existence_tests if test.should_exist)
        read = (test.path for test in self.file_content_tests)
        licences = (path for test in self.license_tests for path in test.files)
        return (*existing, *read, *licences)
