"""What is wrong with a spec, and the line that says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slimtasks.errors import SpecError
from slimtasks.spec import load

FROM = "from: {image: debian:12}\n"


def lines(root: Path, files: dict[str, str | bytes], **environ: str) -> list[str]:
    """What is wrong."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as error:
        load(root, environ)
    return error.value.what.splitlines()


MISTAKES = {
    # unknown keys, by closeness and by other standards' words
    "keeps: []": "2:1: keeps: unknown key; did you mean keep? allowed: from, kind, tags, squash, add, run, keep,",
    "env: {}": "2:1: env: unknown key; did you mean run.environment? allowed: from, kind,",
    "run: {env: {}}": "2:7: run.env: unknown key; did you mean environment? allowed: command,",
    "run: {env-file: x}": "2:7: run.env-file: unknown key; did you mean env_file?",
    "run: {args: [x]}": "2:7: run.args: unknown key; did you mean command?",
    "run: {mounts: [x]}": "2:7: run.mounts: unknown key; did you mean volumes?",
    "run: {restart: always}": "2:7: run.restart: unknown key; ",
    "workload: [exec: {command: x, exit-code: 1}]": "2:31: workload[1].exec.exit-code: unknown key; did you mean exit-",
    "workload: [exec: {command: x, exitCode: 1}]": "2:31: workload[1].exec.exitCode: unknown key; did you mean exit-st",
    "workload: [exec: {cmd: x}]": "2:19: workload[1].exec.cmd: unknown key; did you mean command?",
    "workload: [command: {}]": "2:12: workload[1].command: unknown step; did you mean exec? allowed: http, tcp,",
    "keep: [{'@text': x}]": "2:9: keep[1]: found the key '@text'; allowed: none with '@' in front",
    # types, and YAML's traps
    "tag: 1.10": "2:6: tags[1]: found 1.10 (a number); allowed: a string; quote it: '1.10'",
    "keep: [on]": "2:8: keep[1]: found on (a boolean); allowed: a string; quote it: 'on'",
    "run: {environment: {A: 1.10}}": "2:24: run.environment.A: found 1.10 (a number); allowed: a string, or nothing to",
    "run: {environment: {A: yes}}": "2:24: run.environment.A: found yes (a boolean); allowed: a string",
    "run: {environment: {on: x}}": "2:21: run.environment: the key on is a bool in YAML; quote it: 'on'",
    "run: {user: 1000}": "2:13: run.user: found 1000 (a number); allowed: a string; quote it: '1000'",
    "run: {user: 0777}": "2:13: run.user: found 0777, a number that is not plain decimal; write it in decimal, or quot",
    "run: {ports: [22:22]}": "2:15: run.ports[1]: found 22:22, a number to the base 60 in YAML; quote it if it is text",
    "run: {hostname: 2024-01-01}": "2:17: run.hostname: found 2024-01-01, a date in YAML; quote it if it is text: '202",
    "run: {environment: {A: +5}}": "2:24: run.environment.A: found +5, a number that is not plain decimal; write",
    "run: {hostname: 1.0e+999}": "2:17: run.hostname: found 1.0e+999 (a number); allowed: a string; quote it",
    "run: {hostname: .inf}": "2:17: run.hostname: found .inf, a special number in YAML",
    "run: {hostname: !!binary aGk=}": "2:17: run.hostname: the tag !!binary; allowed: no tag",
    "run: {tty: 'true'}": "2:12: run.tty: found 'true'; allowed: true or false",
    "workload: [http: {port: 0o77}]": "2:25: workload[1].http.port: found '0o77'; allowed: a whole number",
    "run: []": "2:6: run: found a list; allowed: a mapping",
    "keep: /etc": "2:7: keep: found '/etc'; allowed: a list",
    "run:": "2:5: run: found nothing; allowed: a mapping",
    "run: {volumes: x}": "2:16: run.volumes: found 'x'; allowed: a list",
    # values
    "kind: thin": "2:7: kind: found 'thin'; allowed: slim, base, build",
    "tag: Our/App": "2:6: tags[1]: found 'Our/App'; allowed: a tag as in 'our/nginx:1.25'",
    "tags: [a, 'a:latest']": "2:11: tags[2]: found 'a:latest' a second time; allowed: once",
    "tag: debian:12": "1:15: from.image: found 'debian:12', a tag of this image itself",
    "run: {stop_grace_period: 30}": "2:26: run.stop_grace_period: found 30 (a number); allowed: a duration such as '30",
    "run: {mem_limit: 1x}": "2:18: run.mem_limit: found '1x'; allowed: a size such as '64m', '12MB' or '1gb'",
    "run: {volumes: [/a, 'a:b:c:d']}": "2:21: run.volumes[2]: found 'a:b:c:d'; allowed: a volume as './data:/data'",
    "run: {volumes: ['a:b']}": "2:17: run.volumes[1].target: found 'b'; allowed: an absolute path in the image",
    "run: {ports: ['0']}": "2:15: run.ports[1].target: found 0 (a number); allowed: a port from 1 to 65535",
    "run: {ports: ['80-90']}": "2:15: run.ports[1]: found '80-90'; allowed: a port as '80'",
    "run: {cap_add: [net_admin]}": "2:17: run.cap_add[1]: found 'net_admin'; allowed: a capability in capitals",
    "run: {platform: amd64}": "2:17: run.platform: found 'amd64'; allowed: linux/ARCHITECTURE",
    'run: {command: "a \'b"}': "2:16: run.command: found 'a 'b'; allowed: a list of arguments",
    "workload: [http: {port: 70000}]": "2:25: workload[1].http.port: found 70000 (a number); allowed: a port from 1 to",
    "workload: [http: {body: ['/(/']}]": "2:26: workload[1].http.body[1]: found '/(/'; allowed: 'text', '!text', or a ",
    "workload: [http: {request-headers: [x]}]": "2:37: workload[1].http.request-headers[1]: found 'x'; allowed: a head",
    "workload: [tcp: {}]": "2:17: workload[1].tcp.port: is missing; needed: port",
    "workload: [exec: {command: []}]": "2:28: workload[1].exec.command: found a list; allowed: a program and its argum",
    "workload: [wait: {port: 1, log: x}]": "2:28: workload[1].wait: found port beside log; allowed: exactly one of",
    "workload: [wait: {}]": "2:18: workload[1].wait: found none of them; allowed: exactly one of port, log, healthchec",
    "workload: [http]": "2:12: workload[1]: found 'http'; allowed: a mapping with one key of http, tcp,",
    "workload: [{http: {}, tcp: {port: 1}}]": "2:12: workload[1]: found 2 keys; allowed: a mapping with one key of",
    "workload: [http: ]": "2:18: workload[1].http: found nothing; allowed: a mapping",
    "workload: [http: [80]]": "2:18: workload[1].http: found a list; allowed: a mapping",
    "workload: {http: {}}": "2:11: workload: found a mapping; allowed: a list of steps",
    # paths on the host
    "add: [{source: nil, target: /x}]": "2:16: add[1].source: images/app/nil does not exist",
    "add: [{source: ../../../x, target: /x}]": "2:16: add[1].source: found '../../../x', which lies outside the repo",
    "run: {env_file: no.env}": "2:17: run.env_file: images/app/no.env does not exist",
    "run: {volumes: ['./no:/x']}": "2:17: run.volumes[1].source: images/app/no does not exist",
    "run: {volumes: ['~/x:/x']}": "2:17: run.volumes[1].source: found '~/x'; allowed: ${HOME}/x",
    "workload: [host: {command: ./no.sh}]": "2:28: workload[1].host.command: images/app/no.sh does not exist",
    # variables
    "run: {user: '${WHO:?say who}'}": "2:13: run.user: the variable WHO is required: say who (`export WHO",
    "run: {user: '${}'}": "2:13: run.user: found '${}'; allowed: ${VAR}, ${VAR:-default},",
    # what is not there yet
    "limits: {size: 12}\nkind: build": "2:1: limits: not for kind build; allowed for: slim, base",
    "limits: {reduction: 2}\nkind: base": "2:10: limits.reduction: not for kind base; allowed for: slim",
    "limits: {compressed_size: 5}": "2:10: limits.compressed_size: unknown key; did you mean compressed-size?",
    "limits: {size: 12 apples}": "2:16: limits.size: found '12 apples'; allowed: a size such as '12MB'",
    "limits: {age: 30}": "2:15: limits.age: found 30 (a number); allowed: days or hours, as '30d' or '12h'",
    "limits: {age: 1d12h}": "2:15: limits.age: found '1d12h'; allowed: days or hours",
    "limits: {setuid: -1}": "2:18: limits.setuid: found -1 (a number); allowed: a number that is not below 0",
    "limits: {file: 3}": "2:10: limits.file: unknown key; did you mean files? allowed: size, compressed-size,",
    "keep-presets: [timezone]": "2:16: keep-presets[1]: found 'timezone'; did you mean timezones? allowed: certifi",
    "keep-presets: [tls]": "2:16: keep-presets[1]: found 'tls'; allowed: certificates, timezones, locales, nss, shell",
    "keep-presets: nss": "2:15: keep-presets: found 'nss'; allowed: a list",
    "kind: base\nkeep-presets: [nss]": "3:1: keep-presets: not for kind base; allowed for: slim",
    "granularity: files": "2:14: granularity: found 'files'; did you mean file? allowed: auto, file, package",
    "workload:": "2:10: workload: found nothing; allowed: a list of steps",
    "workloads: [http: {}]": "2:1: workloads: unknown key; did you mean workload?",
    "trace: {also: prod.jsonl}": "2:15: trace.also: found 'prod.jsonl'; allowed: a list",
    "trace: {also: [prod.jsonl]}": "2:16: trace.also[1]: found 'prod.jsonl'; allowed: a mapping",
    "trace: {also: [{file: prod.jsonl}]}": "2:23: trace.also[1].file: images/app/prod.jsonl does not exist",
    "trace: {also: [{file: .}]}": "2:23: trace.also[1].file: images/app is a folder; allowed: a file",
    "trace: {also: [{file: image.yaml, any_image: true}]}": "2:35: trace.also[1].any_image: unknown key; did you mean",
    "trace: {also: [{any-image: true}]}": "2:16: trace.also[1].file: is missing; needed: file",
    "trace: {lookups: start}": "2:18: trace.lookups: found 'start'; did you mean startup? allowed: all, startup",
    "final: {variants: [debugging]}": "2:20: final.variants[1]: found 'debugging'; did you mean debug? allowed: cert",
    "final: {variants: debug}": "2:19: final.variants: found 'debug'; allowed: a list",
    "final: {variants: [debug, debug]}": "2:27: final.variants[2]: found 'debug' a second time; allowed: once",
    "final: {variants: [debug]}\nkind: base": "2:9: final.variants: not for kind base; allowed for: slim",
    "final: {healthcheck: none}": "2:22: final.healthcheck: found 'none'; allowed: keep, drop, or a program",
    "final: {healthcheck: }": "2:22: final.healthcheck: found nothing; allowed: keep, drop, or a program",
    "final: {healthcheck: []}": "2:22: final.healthcheck: found a list; allowed: keep, drop, or a program",
    "final: {healthcheck: [CMD, x]}": "2:22: final.healthcheck: found a list; allowed: keep, drop, or a program",
    "final: {healthcheck: [x, 1]}": "2:22: final.healthcheck: found a list; allowed: keep, drop, or a program",
    "final: {builder: buildx}": "2:18: final.builder: found 'buildx'; allowed: archive, docker",
    "workload: [pytest: tests/]": "2:20: workload[1].pytest.path: images/app/tests does not exist",
    "workload: [pytest: {paths: tests}]": "2:21: workload[1].pytest.paths: unknown key; did you mean path?",
    "workload: [pytest: ../../../x]": "2:20: workload[1].pytest.path: found '../../../x', which lies outside the repo",
    "workload: [structure-test: x]": "2:28: workload[1].structure-test: images/app/x is no file",
    "workload: [structure-test: [x]]": "2:28: workload[1].structure-test: found a list; allowed: a container-struct",
    # kinds
    "squash: {}": "2:1: squash: not for kind slim; allowed for: base",
    "kind: build\nfinal: {}": "3:1: final: not for kind build; allowed for: slim, base",
    "kind: base\nfinal: {base: x}": "3:9: final.base: not for kind base; allowed for: slim",
    "kind: base\ntrace: {}": "3:1: trace: not for kind base; allowed for: slim",
    # syntax
    "kind: slim\nkind: base": "3:1: kind: the key stands twice, first in line 2; allowed: once",
    "run: {tty: true, tty: true}": "2:18: run.tty: the key stands twice, first in line 2; allowed: once",
    "run: [": "3:1: bad YAML: ",
    "run: *no": "2:6: bad YAML: found undefined alias",
    "run: &a {sysctls: *a}": "2:6: run.sysctls: the alias contains itself",
    "run: {environment: {<<: x}}": "2:25: run.environment.<<: allowed: an alias of a mapping, or a list of them",
    "{a: b}: c": "2:1: a key that is a list or a mapping; allowed: a string",
    "? [a]\n: b": "2:3: a key that is a list or a mapping; allowed: a string",
    "\tkeep: []": "2:1: bad YAML: a tab where only spaces may indent",
    "--- \nkeep: []": "2:1: bad YAML: found another document",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_mistake(tmp_path: Path, text: str) -> None:
    found = lines(tmp_path, {"images/app/image.yaml": f"{FROM}{text}\n"})
    assert len(found) == 1, found
    assert found[0].startswith(f"images/app/image.yaml:{MISTAKES[text]}")


SOURCES = {
    "kind: slim": "1:1: from: is missing; needed: it, with one of dockerfile, image, bootstrap",
    "from: {}": "1:7: from: found none of them; allowed: exactly one of dockerfile, image, bootstrap",
    "from: {image: a, bootstrap: {suite: b}}": "1:18: from: found image beside bootstrap; allowed: exactly one of",
    "from: {image: ''}": "1:15: from.image: found an empty string; allowed: an image",
    "from: {dockerfile: Dockerfile}": "1:20: from.dockerfile: images/app/Dockerfile does not exist",
    "from: {dockerfile: .}": "1:20: from.dockerfile: images/app is a folder; allowed: a file",
    "from: {dockerfile: sub/Dockerfile, target: x}": "1:44: from.target: found 'x', not a stage; allowed: build, last",
    "from: {dockerfile: sub/Dockerfile, context: nil}": "1:45: from.context: images/app/nil does not exist",
    "from: {image: a, target: x}": "1:18: from.target: only beside from.dockerfile",
    "from: {image: a, pull_policy: always}": "1:31: from.pull_policy: found 'always'; allowed: missing, never (nothin",
    "from: {image: a, pull-policy: never}": "1:18: from.pull-policy: unknown key; did you mean pull_policy? allowed:",
    "from: {dockerfile: sub/Dockerfile, pull_policy: never}": "1:36: from.pull_policy: only beside from.image",
    "from: {bootstrap: {suite: b, variant: minbas}}": "1:39: from.bootstrap.variant: found 'minbas'; did you mean",
    "from: {bootstrap: {}}": "1:19: from.bootstrap.suite: is missing; needed: suite",
    "from: {bootstrap: {suite: b}, stdout: [x]}": "1:31: from.stdout: only beside from.dockerfile or from.image",
    "from: {image: a, stdout: []}": "1:26: from.stdout: found a list; allowed: the command that prints a build context",
    "from: {image: a, stdout: [x]}\nkeep: [/x]": "2:1: keep: not beside from.stdout",
    "from: {image: a, stdout: [x]}\nfinal: {variants: [nss]}": "2:9: final.variants: not beside from.stdout",
    "kind: base\nfrom: {image: a, stdout: [x]}": "2:18: from.stdout: not for kind base; allowed for: slim",
    "from: {dockerfile: sub/Dockerfile, secrets: {a: {}}}": "1:49: from.secrets[1]: found none of them; allowed: exact",
    "from: {dockerfile: sub/Dockerfile, secrets: [a]}": "1:45: from.secrets: found a list; allowed: a mapping by name",
    "from: {dockerfile: sub/Dockerfile, args: {A: on}}": "1:46: from.args.A: found on (a boolean); allowed: a string;",
    "- a": "1:1: found a list; allowed: a mapping of keys",
    "~": "1:1: found nothing; allowed: a mapping of keys",
    "": "1:1: the file is empty; allowed: a mapping of keys",
    "# nothing": "1:1: the file is empty; allowed: a mapping of keys",
}


@pytest.mark.parametrize("text", SOURCES)
def test_mistake_in_from(tmp_path: Path, text: str) -> None:
    files: dict[str, str | bytes] = {"images/app/sub/Dockerfile": "FROM a AS build\nFROM b AS last\n"}
    found = lines(tmp_path, {"images/app/image.yaml": f"{text}\n", **files})
    assert len(found) == 1, found
    assert found[0].startswith(f"images/app/image.yaml:{SOURCES[text]}")


def test_what_is_of_this_repo_is_never_pulled(tmp_path: Path) -> None:
    app = "from: {image: ground, pull_policy: never}\n"
    found = lines(tmp_path, {"images/app/image.yaml": app, "images/ground/image.yaml": FROM})
    problem = "from.pull_policy: only beside an image of a registry; ground is one of this repo"
    assert found == [f"images/app/image.yaml:1:36: {problem}"]


TOML = {
    "kind = 1": "2:8: kind: found 1 (a number); allowed: slim, base, build",
    "[run]\n  env = {}": "3:3: run.env: unknown key; did you mean environment?",
    "[[workload]]\n[workload.http]\nbody = [\n  'a',\n  '/(/', # no\n]": "6:3: workload[1].http.body[2]: found '/(/'; ",
    "run = {hostname = 2024-01-01}": "2:19: run.hostname: found 2024-01-01, a date in TOML",
    "keep = [1.10]": "2:9: keep[1]: found 1.10 (a number); allowed: a string; quote it: '1.10'",
    "run.environment = {A = 0x10}": "2:24: run.environment.A: found 0x10, a number that is not plain decimal; write",
    "kind = 'slim'\nkind = 'slim'": "3:14: bad TOML: Cannot overwrite a value",
    "kind = ": "2:8: bad TOML: Invalid value",
    'run = { environment = { "a.b" = true } }': "2:33: run.environment.a.b: found true (a boolean); allowed: a string",
    "[run.environment]\n'a\"b' = 1.5": '3:9: run.environment.a"b: found 1.5 (a number)',
}


@pytest.mark.parametrize("text", TOML)
def test_mistake_in_toml(tmp_path: Path, text: str) -> None:
    found = lines(tmp_path, {"images/app/image.toml": f'from.image = "debian:12"\n{text}\n'})
    assert len(found) == 1, found
    assert found[0].startswith(f"images/app/image.toml:{TOML[text]}")


def test_all_mistakes_of_all_files_at_once(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "images/b/image.yaml": FROM + "keep: [1]\nrun: {tty: 1}\nkeeps: {}\n",
        "images/a/image.yaml": "kind: no\n",
        "images/c/image.toml": "x = 1\nfrom.image = 'y'\n",
        "pyproject.toml": "[tool.slimtasks]\nmetadata = 'no'\n",
    }
    assert [line.split(": ")[0] for line in lines(tmp_path, files)] == [
        "images/a/image.yaml:1:1",
        "images/a/image.yaml:1:7",
        "images/b/image.yaml:2:8",
        "images/b/image.yaml:3:12",
        "images/b/image.yaml:4:1",
        "images/c/image.toml:1:1",
        "pyproject.toml:2:12",
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "images/latin/image.yaml": b"kind: slim\nown: ['\xe9']\n",
        "images/both/image.yaml": FROM,
        "images/both/image.toml": "from.image = 'a'\n",
        "images/neither/Dockerfile": "FROM a\n",
        "images/yml/image.yml": FROM,
        "images/docker/image.yaml": "from: {dockerfile: Dockerfile}\n",
        "images/docker/Dockerfile": b"FROM a\n# \xff\n",
        "images/zero/image.yaml": b"a: \x00\n",
        "images/.hidden/x": "",
        "images/layers.lock": "",
    }
    assert lines(tmp_path, files) == [
        "images/both/image.yaml:1:1: found image.yaml beside image.toml; allowed: one of them",
        "images/docker/image.yaml:1:20: from.dockerfile: images/docker/Dockerfile cannot be read: 'utf-8' codec can't "
        "decode byte 0xff in position 9: invalid start byte",
        "images/latin/image.yaml:2:8: found the byte 0xe9, which is not UTF-8; allowed: UTF-8",
        "images/neither/image.yaml:1:1: found neither; every folder below images/ needs image.yaml or image.toml",
        "images/yml/image.yaml:1:1: found image.yml; every folder below images/ needs image.yaml or image.toml",
        "images/zero/image.yaml:1:4: bad YAML: unacceptable character #x0000: control characters are not allowed",
    ]


def test_an_unreadable_dockerfile(tmp_path: Path) -> None:
    dockerfile = tmp_path / "images/app/Dockerfile"
    dockerfile.parent.mkdir(parents=True)
    dockerfile.write_text("FROM a\n")
    dockerfile.chmod(0)
    if os.access(dockerfile, os.R_OK):
        pytest.skip("this user reads everything")
    found = lines(tmp_path, {"images/app/image.yaml": "from: {dockerfile: Dockerfile}\n"})
    assert found == [
        "images/app/image.yaml:1:20: from.dockerfile: images/app/Dockerfile cannot be read: permission denied"
    ]


NAMES = {
    "trace": "'trace' is the name of a stage; allowed: any other folder name",
    "clean": "'clean' is a command of doit; allowed: any other folder name",
    "push": "'push' is a word of ./run; allowed: any other folder name",
    "report.json": "'report.json' is a file in build/; allowed: any other folder name",
    "Nginx": "found the folder name 'Nginx'; allowed: a-z, 0-9, and '.', '_', '-' between them",
    "_x": "found the folder name '_x'; allowed: a-z, 0-9, and '.', '_', '-' between them",
    "x-": "found the folder name 'x-'; allowed: a-z, 0-9, and '.', '_', '-' between them",
    "x..y": "found the folder name 'x..y'; allowed: a-z, 0-9, and '.', '_', '-' between them",
}


@pytest.mark.parametrize("name", NAMES)
def test_name(tmp_path: Path, name: str) -> None:
    found = lines(tmp_path, {f"images/{name}/image.yaml": FROM})
    assert found == [f"images/{name}/image.yaml:1:1: {NAMES[name]}"]


def test_a_variant_with_the_name_or_a_tag_of_another_image(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "images/a/image.yaml": FROM + "final: {variants: [debug, shell]}\n",
        "images/a-debug/image.yaml": FROM,
        "images/b/image.yaml": FROM + "tags: ['a:latest-shell']\n",
    }
    assert lines(tmp_path, files) == [
        "images/a/image.yaml:2:20: final.variants[1]: found 'debug', but a-debug is another image; rename that",
        "images/a/image.yaml:2:27: final.variants[2]: found 'shell', but a:latest-shell is a tag of b; "
        "allowed: a tag of its own",
    ]


def test_tags_of_two_images(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "images/a/image.yaml": FROM + "tag: x\n",
        "images/b/image.yaml": FROM + "tags: [y, 'x:latest']\n",
        "images/c/image.yaml": FROM + "tags: [a]\n",
    }
    assert lines(tmp_path, files) == [
        "images/b/image.yaml:2:11: tags[2]: found 'x:latest', also a tag of a; allowed: a tag of its own",
        "images/c/image.yaml:2:8: tags[1]: found 'a:latest', which is also the name of another image; "
        "allowed: a tag of its own",
    ]


def test_a_dockerfile_on_its_own_tag(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "images/app/image.yaml": "from: {dockerfile: Dockerfile}\n",
        "images/app/Dockerfile": "FROM app\n",
    }
    found = lines(tmp_path, files)
    assert found == [
        "images/app/image.yaml:1:20: from.dockerfile: found 'app', a tag of this image itself; "
        "allowed: another image, or other tags"
    ]


def test_defaults(tmp_path: Path) -> None:
    text = '[tool.slimtasks]\ndefault = ["ap"]\nlayers = {shared = 6}\nrun.env = {}\nservices = {}\nmetadata = 1\n'
    found = lines(tmp_path, {"images/app/image.yaml": FROM, "pyproject.toml": text})
    assert [line.partition("; ")[0] for line in found] == [
        "pyproject.toml:2:12: default[1]: found 'ap'",
        "pyproject.toml:4:5: run.env: unknown key",
        "pyproject.toml:5:12: services: found an empty mapping",
        "pyproject.toml:6:12: metadata: found 1 (a number)",
    ]


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ("6", "2:10: layers: found 6 (a number); allowed: {shared = 6}"),
        ("{shard = 6}", "2:11: layers.shard: unknown key; did you mean shared? allowed: shared"),
        ("{max = 6}", "2:11: layers.max: unknown key; allowed: shared"),
        ("{shared = true}", "2:20: layers.shared: found true (a boolean); allowed: a whole number from 0 to 100"),
        ("{shared = 101}", "2:20: layers.shared: found 101 (a number); allowed: a whole number from 0 to 100"),
        ("{shared = []}", "2:20: layers.shared: found a list; allowed: a whole number from 0 to 100"),
    ],
)
def test_shared_layers_that_are_no_number(tmp_path: Path, layers: str, found: str) -> None:
    files: dict[str, str | bytes] = {"pyproject.toml": f"[tool.slimtasks]\nlayers = {layers}\n"}
    assert lines(tmp_path, files) == [f"pyproject.toml:{found}"]


@pytest.mark.parametrize(("name", "before"), [("image.yaml", "a: "), ("image.toml", "a = ")])
def test_nested_too_deep(tmp_path: Path, name: str, before: str) -> None:
    found = lines(tmp_path, {f"images/app/{name}": before + "[" * 3000 + "]" * 3000 + "\n"})
    assert found == [f"images/app/{name}:1:1: nested too deep to be read"]


@pytest.mark.parametrize(("name", "before"), [("image.yaml", "a: "), ("image.toml", "a = ")])
def test_a_number_of_thousands_of_digits(tmp_path: Path, name: str, before: str) -> None:
    assert len(lines(tmp_path, {f"images/app/{name}": before + "9" * 5000 + "\n"})) == 1


def test_many_aliases_of_aliases(tmp_path: Path) -> None:
    text = FROM + "a: &a0 [x, x]\n"
    text += "".join(f"b{i}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(9))
    assert "more than 100000 values" in lines(tmp_path, {"images/app/image.yaml": text})[-1]
