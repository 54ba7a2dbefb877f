"""`from: {kubernetes: ..., container: ...}`: what a container of a manifest comes to, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest
from refused_spec import only_mistake

from slimtasks.errors import SpecError
from slimtasks.spec import Exec, Http, Image, Run, Tcp, Volume, load
from slimtasks.spec.healthcheck import Healthcheck

SPEC = "from: {kubernetes: ../../deploy.yaml, container: web}\n"
DATA = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: site}
data:
  site.conf: |
    listen 80
  MODE: fast
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
data: {TOKEN: c2VjcmV0}
stringData: {USER: me}
"""


CONF = "listen 80\n"


def one(root: Path, manifest: str, spec: str = SPEC) -> Image:
    """The image 'web' of that manifest."""
    (root / "images/web").mkdir(parents=True)
    (root / "images/web/image.yaml").write_text(spec)
    (root / "deploy.yaml").write_text(manifest)
    return load(root, {}).image("web")


def manifest(container: str = "", pod: str = "", kind: str = "Deployment") -> str:
    """A Deployment with the container 'web', whose further keys are these, in lines 12 and after."""
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: shop}}\nspec:\n  template:\n    metadata: {{}}\n"
        "    spec:\n      containers:\n      - name: web\n        image: our/web:1\n        resources: {}\n"
        f"{indent(container, ' ' * 8)}\n{indent(pod, ' ' * 6)}\n{DATA}"
    )


def run(root: Path, container: str, pod: str = "") -> Run:
    """How it is started."""
    return one(root, manifest(container, pod)).run


@pytest.mark.parametrize(("policy", "taken"), [("Never", "never"), ("Always", "missing"), ("IfNotPresent", "missing")])
def test_when_its_image_is_pulled(tmp_path: Path, policy: str, taken: str) -> None:
    assert one(tmp_path, manifest(f"imagePullPolicy: {policy}")).source.pull_policy == taken


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("Pod", "spec: ", ""),
        ("StatefulSet", "spec: {template: {spec: ", "}}"),
        ("DaemonSet", "spec: {template: {spec: ", "}}"),
        ("Job", "spec: {template: {spec: ", "}}"),
        ("CronJob", "spec: {jobTemplate: {spec: {template: {spec: ", "}}}}"),
    ],
)
def test_where_a_pod_is_told(tmp_path: Path, kind: str, before: str, after: str) -> None:
    text = f"kind: {kind}\n{before}{{containers: [{{name: web, image: x}}]}}{after}\n"
    image = one(tmp_path, f"---\n---\n{text}")
    assert image.source.image == "x"
    assert (image.source.kubernetes, image.source.container) == (tmp_path / "deploy.yaml", "web")
    assert image.run == Run() and image.steps == ()


def test_one_of_several_of_a_list(tmp_path: Path) -> None:
    pods = (f"{{kind: Pod, metadata: {{name: {n}}}, spec: {{containers: [{{name: web, image: {n}}}]}}}}" for n in "ab")
    image = one(tmp_path, f"kind: List\nitems: [{', '.join(pods)}]\n", SPEC.replace("web}", "b/web}"))
    assert image.source.image == "b"


RUNS = {
    "command: [serve, $(MODE), $(NO), '$$(MODE)']\nargs: [a]\nenv: [{name: MODE, value: fast}]": Run(
        entrypoint=("serve", "fast", "$(NO)", "$(MODE)"), command=("a",), environment=(("MODE", "fast"),)
    ),
    "env: [{name: A, value: a}, {name: B, value: $(A)b}, {name: C}]": Run(
        environment=(("A", "a"), ("B", "ab"), ("C", ""))
    ),
    "env:\n- {name: A, valueFrom: {configMapKeyRef: {name: site, key: MODE}}}\n"
    "- {name: B, valueFrom: {secretKeyRef: {name: keys, key: TOKEN}}}\n"
    "- {name: C, valueFrom: {secretKeyRef: {name: no, key: x, optional: true}}}": Run(
        environment=(("A", "fast"), ("B", "secret"))
    ),
    "envFrom: [{secretRef: {name: keys}, prefix: K_}]": Run(environment=(("K_TOKEN", "secret"), ("K_USER", "me"))),
    "ports: [{name: http, containerPort: 80}, {containerPort: 53, protocol: UDP}]": Run(expose=("80/tcp", "53/udp")),
    "workingDir: /w\ntty: true\nstdin: true": Run(working_dir="/w", tty=True, stdin_open=True),
    "securityContext: {runAsUser: 1000, runAsGroup: 7, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false,\n"
    "  capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}, seccompProfile: {type: RuntimeDefault}}": Run(
        user="1000:7",
        read_only=True,
        cap_add=("NET_BIND_SERVICE",),
        cap_drop=("ALL",),
        security_opt=("no-new-privileges:true",),
    ),
}


@pytest.mark.parametrize("container", RUNS)
def test_how_it_is_started(tmp_path: Path, container: str) -> None:
    assert run(tmp_path, container) == RUNS[container]


def test_what_the_pod_says(tmp_path: Path) -> None:
    pod = (
        "securityContext: {runAsUser: 5, fsGroup: 7}\nhostname: h\nterminationGracePeriodSeconds: 3\n"
        "hostAliases: [{ip: 1.2.3.4, hostnames: [a, b]}]\nserviceAccountName: x"
    )
    wanted = Run(user="6", hostname="h", stop_grace_period=3.0, extra_hosts=("a:1.2.3.4", "b:1.2.3.4"))
    assert run(tmp_path, "securityContext: {runAsUser: 6}", pod) == wanted


def test_volumes(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        """\
volumeMounts:
- {name: work, mountPath: /work}
- {name: data, mountPath: /data}
- {name: conf, mountPath: /etc/app}
- {name: one, mountPath: /etc/one.conf, subPath: site.conf, readOnly: true}
- {name: all, mountPath: /all}
""",
        """\
volumes:
- {name: work, emptyDir: {}}
- {name: data, persistentVolumeClaim: {claimName: x}}
- {name: conf, configMap: {name: site, defaultMode: 0755, items: [{key: site.conf, path: d/a.conf}]}}
- {name: one, configMap: {name: site}}
- {name: all, projected: {sources: [{secret: {name: keys}}, {configMap: {name: no, optional: true}}]}}
""",
    )
    assert found.tmpfs == ("/work:exec,mode=1777", "/data:exec,mode=1777")
    assert found.volumes == (
        Volume(
            "/etc/app", "kubernetes/conf/etc/app", read_only=True, content=(("d/a.conf", "listen 80\n"),), mode=0o755
        ),
        Volume("/etc/one.conf", "kubernetes/one/etc/one.conf", read_only=True, content=((".", CONF),)),
        Volume("/all", "kubernetes/all/all", read_only=True, content=(("TOKEN", "secret"), ("USER", "me"))),
    )


def test_what_a_statefulset_claims_starts_empty(tmp_path: Path) -> None:
    text = manifest("volumeMounts: [{name: data, mountPath: /data}]", kind="StatefulSet")
    image = one(tmp_path, text.replace("spec:\n", "spec:\n  volumeClaimTemplates: [{metadata: {name: data}}]\n", 1))
    assert image.run.tmpfs == ("/data:exec,mode=1777",)


PROBES = """\
ports: [{name: http, containerPort: 8080}]
startupProbe: {exec: {command: [up]}, periodSeconds: 5, failureThreshold: 20}
readinessProbe: {httpGet: {path: /ready, port: http, httpHeaders: [{name: Host, value: shop}]}}
livenessProbe: {tcpSocket: {port: 9000}}
lifecycle:
  postStart: {exec: {command: [warm]}}
  preStop: {exec: {command: [drain, '5']}}
"""


def test_probes_and_hooks_are_steps(tmp_path: Path) -> None:
    spec = "workload: [exec: {command: [own]}]\nchecks: [exec: {command: [check]}]\n"
    image = one(tmp_path, manifest(PROBES), SPEC + spec)
    assert image.run.healthcheck == Healthcheck(("CMD", "up"), timeout=5.0, start_period=100.0)
    assert [(step.number, step.action) for step in image.workload] == [
        (1, Exec(("warm",), timeout=30.0)),
        (2, Http(8080, "/ready", request_headers=("Host: shop",), probe=True)),
        (3, Tcp(9000)),
        (4, Exec(("own",))),
        (5, Exec(("drain", "5"), timeout=30.0)),
    ]
    assert image.workload[1].where == "deploy.yaml:14:35"
    verified = [step.action.command for step in image.steps if isinstance(step.action, Exec)]
    assert verified == [("warm",), ("own",), ("check",), ("drain", "5")]


def test_the_same_probe_is_one_step_and_https_is_not_verified(tmp_path: Path) -> None:
    probe = "{httpGet: {path: ok, port: 443, scheme: HTTPS}}"
    image = one(
        tmp_path, manifest(f"readinessProbe: {probe}\nlivenessProbe: {probe}\nlifecycle: {{preStop: {{sleep: {{}}}}}}")
    )
    assert [step.action for step in image.workload] == [
        Http(443, "/ok", scheme="https", allow_insecure=True, probe=True)
    ]


def test_the_spec_says_otherwise(tmp_path: Path) -> None:
    container = (
        "env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: B, value: b}]\n"
        "volumeMounts: [{name: host, mountPath: /host}]"
    )
    spec = f"{SPEC}run: {{environment: {{A: a}}, volumes: [/host], command: [x]}}\n"
    image = one(tmp_path, manifest(container, "volumes: [{name: host, hostPath: {path: /}}]"), spec)
    assert image.run == Run(environment=(("B", "b"), ("A", "a")), volumes=(Volume("/host"),), command=("x",))


def test_what_is_not_started_beside_it_is_told(tmp_path: Path) -> None:
    one(tmp_path, manifest("", "initContainers: [{name: init, image: x}]"))
    assert load(tmp_path, {}).notes == ("deploy.yaml:13:24: initContainers[1] is not started beside it",)


MISTAKES: dict[tuple[str, str], str] = {
    ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: x}}}]", ""): (
        "12:15: {c}.env[1].valueFrom: not taken over, as only a cluster knows it; set `run: environment: {{A: ...}}` in"
    ),
    ("env: [{name: A, valueFrom: {secretKeyRef: {name: no, key: x}}}]", ""): (
        "12:51: {c}.env[1].valueFrom.secretKeyRef: found 'no'; allowed: a Secret of the same file; or set `run: env"
    ),
    ("env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: x}}}]", ""): (
        "12:51: {c}.env[1].valueFrom.secretKeyRef: found 'x'; allowed: TOKEN, USER; or set `run: environment:"
    ),
    ("env: [{name: A, value: 1}]", ""): "12:32: {c}.env[1].value: found 1 (a number); allowed: a string",
    ("command: serve -x\nargs: [1]", ""): "13:16: {c}.command[1]: found 1 (a number); allowed: a string; quote it: '1'",
    ("securityContext: {privileged: true}", ""): "12:39: {c}.securityContext.privileged: not taken over, as nothing",
    ("livenessProbe: {grpc: {port: 1}}", ""): "12:24: {c}.livenessProbe.grpc: not taken over, as no step speaks gRPC",
    ("livenessProbe: {}", ""): "12:24: {c}.livenessProbe: found a mapping; allowed: one of exec, httpGet, tcpSocket",
    ("livenessProbe: {tcpSocket: {port: http}}", ""): (
        "12:43: {c}.livenessProbe.tcpSocket.port: found 'http'; allowed: a number, or the name of one of its ports"
    ),
    ("volumeMounts: [{name: no, mountPath: /x}]", ""): (
        "12:31: {c}.volumeMounts[1].name: found 'no'; allowed: one of the pod's volumes"
    ),
    ("volumeMounts: [{name: v, mountPath: /x}]", "volumes: [{name: v, hostPath: {path: /}}]"): (
        "12:31: {c}.volumeMounts[1].name: not taken over, as it is a hostPath, which only a cluster has; mount some"
    ),
    ("volumeMounts: [{name: v, mountPath: /x}]", "volumes: [{name: v, configMap: {name: no}}]"): (
        "13:38: {c}.volumeMounts[1].name: found 'no'; allowed: a ConfigMap of the same file; or mount something there"
    ),
    ("", "hostNetwork: true"): "13:20: spec.template.spec.hostNetwork: not taken over, as containers are tried",
}


@pytest.mark.parametrize(("container", "pod"), MISTAKES)
def test_mistake(tmp_path: Path, container: str, pod: str) -> None:
    found = only_mistake(lambda: one(tmp_path, manifest(container, pod)))
    expected = MISTAKES[container, pod].format(c="spec.template.spec.containers[1]")
    assert found.startswith(f"deploy.yaml:{expected}"), found


SPECS = {
    "from: {kubernetes: no.yaml, container: web}": "1:20: from.kubernetes: images/web/no.yaml does not exist",
    "from: {kubernetes: ../../deploy.yaml}": "1:7: from.container: is missing; needed: the name of a container of the",
    "from: {kubernetes: ../../deploy.yaml, container: wep}": "1:50: from.container: found 'wep'; allowed: web",
    "from: {image: x, container: web}": "1:18: from.container: only beside from.kubernetes",
    "from: {kubernetes: ../../deploy.yaml, compose: x, service: x, container: web}": "1:8: from: found compose beside",
}


@pytest.mark.parametrize("spec", SPECS)
def test_mistake_in_the_spec(tmp_path: Path, spec: str) -> None:
    found = only_mistake(lambda: one(tmp_path, manifest(), f"{spec}\n"))
    assert found.startswith(f"images/web/image.yaml:{SPECS[spec]}"), found


def test_two_of_the_same_name(tmp_path: Path) -> None:
    pod = "kind: Pod\nmetadata: {name: NAME}\nspec: {containers: [{name: web, image: x}]}\n"
    found = only_mistake(lambda: one(tmp_path, f"{pod.replace('NAME', 'a')}---\n{pod.replace('NAME', 'b')}"))
    problem = "from.container: found 'web' in 2 places of deploy.yaml; allowed: a/web, b/web"
    assert found == f"images/web/image.yaml:1:50: {problem}"


def test_a_template_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        one(tmp_path, "kind: Pod\nmetadata: {name: {{ .Values.name }}}\n")
    assert error.value.what.splitlines()[0] == (
        "deploy.yaml:1:1: it looks like a template; allowed: what comes of it, as `helm template` prints it"
    )
