"""`structure-test` steps, and junit.xml, in a repo as its user has it."""

from __future__ import annotations

import pytest
from faults import DOCKERFILE, SPEC, fails
from junitparser import JUnitXml
from pipeline_repo import Repo

pytest_plugins = ("engine_images", "pipeline_repo", "faults")
pytestmark = [pytest.mark.engine, pytest.mark.slow]

FILE = "images/web/tests/web.cst.yaml"
TESTS = """\
schemaVersion: 2.0.0
globalEnvVars: [{key: WHERE, value: "$PATH:/none"}]
commandTests:
  - name: what a setup leaves is there, and the next one finds it
    setup: [[sh, -c, 'echo one > /left'], [sh, -c, 'echo two >> /left']]
    teardown: [['false']]
    command: cat
    args: [/left]
    expectedOutput: ["^one\\ntwo\\n$"]
  - name: the next test does not find it
    command: cat
    args: [/left]
    exitCode: 1
    expectedError: [No such file]
    excludedOutput: [one]
  - name: variables
    command: sh
    args: [-c, 'echo $WHERE $OWN']
    envVars: [{key: OWN, value: 7}]
    expectedOutput: ['/bin:/none 7']
fileExistenceTests:
  - {name: notes, path: /notes/one, permissions: urwxr-xr-x, uid: 3, gid: 4, isExecutableBy: owner}
  - {name: folder, path: /notes, permissions: drwxr-xr-x}
  - {name: link, path: /notes/link, permissions: Lrwxrwxrwx}
  - {name: absent, path: /absent, shouldExist: false}
fileContentTests:
  - {name: by a link, path: /notes/link, expectedContents: [^first], excludedContents: [second]}
metadataTest:
  envVars: [{key: PATH, value: '^/bin', isRegex: true}]
  unboundEnvVars: [{key: HOME}]
  exposedPorts: ["80"]
  unexposedPorts: ["81"]
  cmd: [server]
  entrypoint: []
  workdir: /
licenseTests: [{debian: false, files: [/notes/one]}]
"""


@pytest.fixture
def tested(site: Repo) -> Repo:
    """The repo with notes in `web` that nothing reads but the tests of a file."""
    site.write("images/web/one", "first\n")
    site.append(DOCKERFILE, "COPY --chown=3:4 one /notes/one\n")
    site.append(DOCKERFILE, "RUN ln -s one /notes/link && chmod 755 /notes && chmod 4755 /notes/one\nWORKDIR /\n")
    site.write(FILE, TESTS)
    return site


def cases(repo: Repo) -> dict[str, list[str]]:
    """Of each case what is not well with it."""
    [suite] = JUnitXml.fromfile(str(repo.path("build/web/junit.xml")))
    return {case.name: [result.message for result in case.result] for case in suite}


def test_what_a_file_of_the_workload_names_stays_and_its_commands_are_traced(tested: Repo) -> None:
    tested.append(SPEC, "  - structure-test: tests/web.cst.yaml\n")
    result = tested.run()
    assert result.failed == (), result.output
    found = cases(tested)
    assert [name.removeprefix("step 3 (structure-test) web.cst.yaml: ") for name in found][2:] == [
        "Command Test: what a setup leaves is there, and the next one finds it",
        "Command Test: the next test does not find it",
        "Command Test: variables",
        "File Existence Test: notes",
        "File Existence Test: folder",
        "File Existence Test: link",
        "File Existence Test: absent",
        "File Content Test: by a link",
        "Metadata Test",
        "License Test",
    ]
    assert not any(found.values())
    why = tested.run("why", "web", "/notes/one").output
    assert "asked    looked at in step 3 (structure-test web.cst.yaml)" in why, why
    assert "/bin/cat leads to /bin/busybox, which stays" in tested.run("why", "web", "/bin/cat").output
    tested.replace(FILE, "excludedContents: [second]", "excludedContents: [third]")
    assert "trace:web" in tested.run().ran


def test_a_file_of_the_checks_is_only_checked(tested: Repo) -> None:
    tested.append(SPEC, "checks:\n  - structure-test: tests/web.cst.yaml\n")
    found = [
        "check 1 (structure-test) failed: 7 of 10 tests failed",
        f"{FILE}:22:5: File Existence Test: notes: /notes/one does not exist",
        f"{FILE}:27:5: File Content Test: by a link: /notes/link leads to no file",
        '/notes/one: would be kept by keep: ["/notes/one"]',
        '/bin/cat: would be kept by keep: ["/bin/cat"]',
    ]
    result = tested.run()
    fails(tested, result, "verify:web", *found)
    assert [name for name, wrong in cases(tested).items() if wrong] == [
        f"check 1 (structure-test) web.cst.yaml: {name}"
        for name in (
            "Command Test: what a setup leaves is there, and the next one finds it",
            "Command Test: the next test does not find it",
            "File Existence Test: notes",
            "File Existence Test: folder",
            "File Existence Test: link",
            "File Content Test: by a link",
            "License Test",
        )
    ]


def test_what_fails_on_the_fat_image_already(tested: Repo) -> None:
    tested.append(SPEC, "  - structure-test: tests/web.cst.yaml\n")
    tested.replace(FILE, "uid: 3", "uid: 5")
    tested.replace(FILE, 'exposedPorts: ["80"]', 'exposedPorts: ["82"]')
    lines = ("/notes/one has the uid 3 instead of 5", "Metadata Test: the port 82 is not exposed")
    fails(tested, tested.run(), "trace:web", "the workload fails on the fat image already", *lines)


def test_the_report_of_an_older_run_does_not_outlive_a_failure(site: Repo) -> None:
    assert list(cases(site)) == ["step 1 (http) GET http :80/", "step 2 (http) GET http :80/absent"]
    site.append(SPEC, "checks:\n  - http: {body: [goodbye]}\n  - http: {}\n")
    fails(site, site.run(), "verify:web", "check 1 (http) failed")
    failure, skipped = list(cases(site).values())[2:]
    assert failure[0].startswith(f"{SPEC}:12:") and skipped == ["not reached"]
    site.replace(DOCKERFILE, "COPY ", "COPIED ")
    assert site.run().failed == ("fat:web",)
    assert not site.path("build/web/junit.xml").exists()
