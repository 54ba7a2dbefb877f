"""The file of a `structure-test` step: what is read from it, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimtasks.errors import SpecError
from slimtasks.spec import load
from slimtasks.spec.steps import StructureTest
from slimtasks.spec.structure_tests import StructureTests
from slimtasks.tracekey import spec_changes

VERSION = "schemaVersion: 2.0.0\n"
SPEC = "from: {image: debian:12}\nworkload: [structure-test: tests/web.yaml]\n"


def write(root: Path, text: str) -> None:
    for name, content in (("image.yaml", SPEC), ("tests/web.yaml", text)):
        path = root / "images/web" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def read(root: Path, text: str) -> StructureTests:
    write(root, text)
    action = load(root, {}).images[0].workload[0].action
    assert isinstance(action, StructureTest)
    return action.tests


def test_the_readme_of_the_tests_own_program(tmp_path: Path) -> None:
    tests = read(
        tmp_path,
        VERSION
        + r"""
globalEnvVars: [{key: PATH, value: "/env/bin:$PATH"}]
commandTests:
  - name: gunicorn flask
    setup: [[virtualenv, /env], [pip, install, gunicorn, flask]]
    command: which
    args: [gunicorn, 1.10]
    expectedOutput: [/env/bin/gunicorn]
    excludedError: [".*Inst.*Security.* | .*Security.*Inst.*"]
fileExistenceTests:
  - {name: Root, path: /, shouldExist: true, permissions: '-rw-r--r--', uid: 1000, gid: 1000, isExecutableBy: group}
fileContentTests: [{name: sources, path: /etc/apt/sources.list, expectedContents: ['.*httpredir\.debian\.org.*']}]
metadataTest:
  labels: [{key: build-date, value: '^\d{4}-\d{2}-\d{2}$', isRegex: true}]
  exposedPorts: [8080, "2345"]
  entrypoint: []
licenseTests: [{debian: true, files: [/foo/bar]}]
containerRunOptions: {user: 1000, allocateTty: true, capabilities: [NET_BIND_SERVICE]}
""",
    )
    command, existence = tests.command_tests[0], tests.file_existence_tests[0]
    assert command.setup == (("virtualenv", "/env"), ("pip", "install", "gunicorn", "flask"))
    assert (command.args, command.exit_code) == (("gunicorn", "1.10"), 0)
    assert (existence.uid, existence.is_executable_by) == (1000, "group")
    assert tests.global_env_vars[0].value == "/env/bin:$PATH"
    assert tests.metadata_test and tests.metadata_test.exposed_ports == ("8080", "2345")
    assert (tests.metadata_test.entrypoint, tests.metadata_test.cmd) == ((), None)
    assert tests.container_run_options.user == "1000"
    assert tests.paths == ("/", "/etc/apt/sources.list", "/foo/bar")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("commandTests: []", "1:1: schemaVersion: is missing; needed: schemaVersion"),
        ("schemaVersion: 1.0.0", "1:16: schemaVersion: found '1.0.0'; did you mean 2.0.0? allowed: 2.0.0"),
        (f"{VERSION}commandTest: []", "2:1: commandTest: unknown key; did you mean commandTests? allowed: "),
        (f"{VERSION}commandTests: [{{name: x}}]", "2:16: commandTests[1].command: is missing; needed: name, command"),
        (
            f"{VERSION}commandTests: [{{name: x, command: y, expectedOutput: ['(?<=a)b']}}]",
            "2:55: commandTests[1].expectedOutput[1]: found '(?<=a)b'; allowed: a regular expression of RE2 (invalid",
        ),
        (
            f"{VERSION}metadataTest: {{labels: [{{key: x, value: '(', isRegex: true}}]}}",
            "2:25: metadataTest.labels[1]: found a mapping; allowed: a regular expression of RE2 (missing ): ()",
        ),
        (f"{VERSION}fileContentTests: [{{name: x, path: etc}}]", "2:36: fileContentTests[1].path: found 'etc'; allow"),
        (
            f"{VERSION}fileExistenceTests: [{{name: x, path: /x, shouldExist: 'yes'}}]",
            "2:55: fileExistenceTests[1].shouldExist: found 'yes'; allowed: true or false",
        ),
        (f"{VERSION}containerRunOptions: {{privileged: true}}", "2:35: containerRunOptions.privileged: found true"),
        (
            f"{VERSION}containerRunOptions: {{envFile: x}}",
            "2:32: containerRunOptions.envFile: images/web/tests/x is no",
        ),
        ("- x", "1:1: found a list; allowed: a mapping of keys"),
    ],
)
def test_mistakes_are_told_at_their_place_in_the_file(tmp_path: Path, text: str, line: str) -> None:
    write(tmp_path, text)
    with pytest.raises(SpecError) as error:
        load(tmp_path, {})
    assert error.value.what.splitlines()[0].startswith(f"images/web/tests/web.yaml:{line}"), error.value.what


def test_a_change_of_the_file_traces_again_a_comment_does_not(tmp_path: Path) -> None:
    from slimtasks.tracekey import _spec_inputs

    text = f"{VERSION}fileContentTests: [{{name: x, path: /etc/x}}]\n"
    read(tmp_path, text)
    before = _spec_inputs(load(tmp_path, {}).images[0])
    read(tmp_path, f"# a comment\n{text}")
    assert spec_changes(before, load(tmp_path, {}).images[0]) == []
    read(tmp_path, text.replace("/etc/x", "/etc/y"))
    assert spec_changes(before, load(tmp_path, {}).images[0]) == ["workload"]
