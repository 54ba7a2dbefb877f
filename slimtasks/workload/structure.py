"""The step `structure-test`: runs the tests of a container-structure-test file, each to its end."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.engine.failure import Refused
from slimtasks.spec.env_file import parse_env_file
from slimtasks.spec.steps import StructureTest
from slimtasks.spec.structure_tests import (
    CommandTest,
    FileContentTest,
    FileExistenceTest,
    LicenseTest,
    MetadataTest,
    Variable,
    compiled,
)
from slimtasks.workload import image_files
from slimtasks.workload.expect import shortened
from slimtasks.workload.failure import PartResult, StepFailed
from slimtasks.workload.launcher import Exit, Launcher, run_to_end
from slimtasks.workload.unstarted import in_words, unstarted

_EXECUTABLE = {"owner": 0o100, "group": 0o010, "other": 0o001, "any": 0o111}
_REFUSED_LICENCES = ("AGPL", "WTFPL")  # by the tests' authors, for whatever image
_DOCUMENTS = "/usr/share/doc"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)


@dataclass(frozen=True)
class Subject:
    """The image under test, and how its containers are started."""

    engine: Engine
    launcher: Launcher
    config: ContainerConfig  # as `run` says
    files: bytes  # a tar that is put into each
    environ: Mapping[str, str]  # the caller's


def run_structure_test(action: StructureTest, subject: Subject, timeout: float) -> tuple[PartResult, ...]:
    """How each test went; StepFailed, which has them all, where any did not."""
    deadline = time.monotonic() + timeout
    done = tuple(_timed(name, where, run, deadline) for name, where, run in _tests(action, subject, deadline))
    failed = [part for part in done if part.failure]
    if failed:
        told = (f"{part.where}: {part.name}: {part.failure}" for part in failed)
        lines = "\n".join((f"{len(failed)} of {len(done)} tests failed", *told)).splitlines()
        raise StepFailed("\n  ".join(lines), parts=done)
    return done


def _tests(
    action: StructureTest, subject: Subject, deadline: float
) -> Iterator[tuple[str, str, Callable[[], list[str]]]]:
    """Name, place and test, which gives what is wrong, in the order of the tests' own program."""
    tests = action.tests
    started = _started(action, subject)
    config = (subject.engine.inspect_image(subject.config.image) or {}).get("Config") or {}
    for command in tests.command_tests:
        yield f"Command Test: {command.name}", command.where, _bound(_command, command, action, started, deadline)
    for existence in tests.file_existence_tests:
        yield f"File Existence Test: {existence.name}", existence.where, _bound(_existence, existence, subject)
    for text in tests.file_content_tests:
        yield f"File Content Test: {text.name}", text.where, _bound(_content, text, subject)
    if tests.metadata_test is not None:
        yield "Metadata Test", tests.metadata_test.where, _bound(_metadata, tests.metadata_test, config)
    for licence in tests.license_tests:
        yield "License Test", licence.where, _bound(_licence, licence, subject)


def _bound(test: Callable[..., Iterable[str]], *arguments: Any) -> Callable[[], list[str]]:
    return lambda: list(test(*arguments))


def _timed(name: str, where: str, run: Callable[[], list[str]], deadline: float) -> PartResult:
    began = time.monotonic()
    wrong = run() if began < deadline else ["no time was left for it"]
    return PartResult(name, where, round(time.monotonic() - began, 3), "\n".join(wrong))


def _started(action: StructureTest, subject: Subject) -> Subject:
    """The subject with the options of the file for containers."""
    options, environ = action.tests.container_run_options, subject.environ
    env = dict(subject.config.env)
    if options.env_file is not None:
        env.update(parse_env_file(options.env_file.read_text("utf-8"), options.env_file.name, environ))
    env.update({name: environ[name] for name in options.env_vars if name in environ})
    config = replace(
        subject.config,
        env=tuple(sorted(env.items())),
        user=options.user or subject.config.user,
        tty=options.allocate_tty or subject.config.tty,
        cap_add=(*subject.config.cap_add, *options.capabilities),
        log_driver="none",
        stdin_open=False,
    )
    return replace(subject, config=config)


def _command(test: CommandTest, action: StructureTest, subject: Subject, deadline: float) -> Iterator[str]:
    """Runs the setup, each command on what the one before has left, then the command."""
    image = subject.engine.inspect_image(subject.config.image) or {}
    known = dict(item.partition("=")[::2] for item in (image.get("Config") or {}).get("Env") or ())
    env = dict(subject.config.env)
    for variable in (*action.tests.global_env_vars, *test.env_vars):
        env[variable.key] = _VARIABLE.sub(lambda match: known.get(match[1] or match[2], ""), variable.value)
    config, notes = replace(subject.config, env=tuple(sorted(env.items()))), []
    try:
        with ExitStack() as made:
            for words in test.setup:
                config, status = _committed(words, config, subject, deadline, made)
                notes += [f"its setup `{' '.join(words)}` ended with {status}"] * bool(status)
            ended = _ended((test.command, *test.args), config, subject, deadline)
    except TimeoutError:
        yield "not done when the time of its step was over"
        return
    except Refused as error:
        yield in_words(error.reason)
        return
    wrong = list(_judged(test, ended))
    yield from (*wrong, *notes) if wrong else ()


def _ended(words: Sequence[str], config: ContainerConfig, subject: Subject, deadline: float) -> Exit:
    config = replace(config, entrypoint=tuple(words[:1]), command=tuple(words[1:]))
    with subject.launcher.create(config, subject.files) as container:
        return run_to_end(subject.launcher, container, max(0.1, deadline - time.monotonic()))


def _committed(
    words: Sequence[str], config: ContainerConfig, subject: Subject, deadline: float, made: ExitStack
) -> tuple[ContainerConfig, int]:
    """The config on an image with what the command has left, removed with `made`; and how the command ended."""
    run = replace(config, entrypoint=tuple(words[:1]), command=tuple(words[1:]))
    with subject.launcher.create(run, subject.files) as container:
        ended = run_to_end(subject.launcher, container, max(0.1, deadline - time.monotonic()))
        tag = subject.engine.temporary_tag("setup", secrets.token_hex(4))
        made.callback(subject.engine.remove_image, tag)
        subject.engine.commit(container, tag)
    return replace(config, image=tag), ended.status


def _judged(test: CommandTest, ended: Exit) -> Iterator[str]:
    stdout, stderr = (data.decode("utf-8", "replace") for data in (ended.stdout, ended.stderr))
    for name, text, expected, excluded in (
        ("stdout", stdout, test.expected_output, test.excluded_output),
        ("stderr", stderr, test.expected_error, test.excluded_error),
    ):
        wrong = list(_unmet(name, text, expected, excluded))
        yield from (*wrong, f"{name}: {shortened(text.rstrip())}") if wrong else ()
    if ended.status != test.exit_code:
        yield unstarted(ended) or f"exit status {ended.status} instead of {test.exit_code}"
        yield from [shortened(stderr.rstrip())] if stderr.strip() else []


def _unmet(what: str, text: str, expected: Iterable[str], excluded: Iterable[str]) -> Iterator[str]:
    yield from (f"{what}: not met: {regex}" for regex in expected if not compiled(regex).search(text))
    yield from (f"{what}: excluded, but there: {regex}" for regex in excluded if compiled(regex).search(text))


def _existence(test: FileExistenceTest, subject: Subject) -> Iterator[str]:
    with subject.engine.container(_unstarted(subject)) as container:
        container.put(subject.files) if subject.files else None
        found = image_files.entry(container, test.path)
    if (found is not None) != test.should_exist:
        yield f"{test.path} {'does not exist' if test.should_exist else 'exists'}"
    if found is None:
        return
    if test.permissions and test.permissions != (shown := image_files.permissions(found)):
        yield f"{test.path} is {shown} instead of {test.permissions}"
    for name, wanted, has in (("uid", test.uid, found.uid), ("gid", test.gid, found.gid)):
        if wanted not in (None, has):
            yield f"{test.path} has the {name} {has} instead of {wanted}"
    if test.is_executable_by and not found.mode & _EXECUTABLE[test.is_executable_by]:
        yield f"{test.path} is not executable by {test.is_executable_by}: {image_files.permissions(found)}"


def _content(test: FileContentTest, subject: Subject) -> Iterator[str]:
    with subject.engine.container(_unstarted(subject)) as container:
        container.put(subject.files) if subject.files else None
        content = image_files.content(container, test.path)
    if content is None:
        yield f"{test.path} leads to no file"
    else:
        yield from _unmet(test.path, content.decode("utf-8", "replace"), test.expected_contents, test.excluded_contents)


def _licence(test: LicenseTest, subject: Subject) -> Iterator[str]:
    with subject.engine.container(_unstarted(subject)) as container:
        container.put(subject.files) if subject.files else None
        packages = list(image_files.directories(container, _DOCUMENTS)) if test.debian else []
        if test.debian and not packages:
            yield f"{_DOCUMENTS} has no directory"
        for path in (*(f"{_DOCUMENTS}/{name}/copyright" for name in packages), *test.files):
            content = image_files.content(container, path)
            if content is None:
                yield f"{path} leads to no file"
            else:
                yield from (f"{path} has {word}" for word in _REFUSED_LICENCES if word.encode() in content.upper())


def _unstarted(subject: Subject) -> ContainerConfig:
    """A container that is only looked into; an engine makes none without a command."""
    return ContainerConfig(image=subject.config.image, entrypoint=("/",), command=())


def _metadata(test: MetadataTest, config: Mapping[str, Any]) -> Iterator[str]:
    env = dict(item.partition("=")[::2] for item in config.get("Env") or ())
    ports = {port.partition("/")[0] for port in config.get("ExposedPorts") or ()}
    volumes = set(config.get("Volumes") or ())
    yield from _pairs("variable", test.env_vars, env)
    yield from (f"the variable {one.key} is set" for one in test.unbound_env_vars if one.key in env)
    yield from _pairs("label", test.labels, config.get("Labels") or {})
    yield from (f"the port {port} is not exposed" for port in test.exposed_ports if port.partition("/")[0] not in ports)
    yield from (f"the port {port} is exposed" for port in test.unexposed_ports if port.partition("/")[0] in ports)
    yield from (f"there is no volume {volume}" for volume in test.volumes if volume not in volumes)
    yield from (f"there is a volume {volume}" for volume in test.unmounted_volumes if volume in volumes)
    for name, wanted, key in (("entrypoint", test.entrypoint, "Entrypoint"), ("cmd", test.cmd, "Cmd")):
        if wanted is not None and list(wanted) != (has := config.get(key) or []):
            yield f"the {name} is {has} instead of {list(wanted)}"
    for name, text, key in (("workdir", test.workdir, "WorkingDir"), ("user", test.user, "User")):
        if text and text != (there := config.get(key) or ""):
            yield f"the {name} is '{there}' instead of '{text}'"


def _pairs(what: str, wanted: Iterable[Variable], there: Mapping[str, str]) -> Iterator[str]:
    for one in wanted:
        value = there.get(one.key)
        if value is None:
            yield f"there is no {what} {one.key}"
        elif not (compiled(one.value).search(value) if one.is_regex else value == one.value):
            yield f"the {what} {one.key} is '{value}' instead of '{one.value}'"
