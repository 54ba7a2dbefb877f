"""Takes an image, and how it is started, from a container of a Kubernetes manifest.

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from slimtasks.spec.borrowed import Borrowed, as_written, never_pulled, text, unknown_name
from slimtasks.spec.kubernetes_data import Data
from slimtasks.spec.kubernetes_probes import steps_of
from slimtasks.spec.kubernetes_volumes import volumes_of
from slimtasks.spec.reading import Reading
from slimtasks.spec.run import Run
from slimtasks.spec.shorthand import Longhand
from slimtasks.spec.tree import Loc, Mapping, Node, Place, Scalar, Sequence, find, found
from slimtasks.spec.validate import validated

_TEMPLATE: Loc = ("spec", "template", "spec")
_POD_SPEC: dict[str, Loc] = {
    "Pod": ("spec",),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), _TEMPLATE
    ),
    "CronJob": ("spec", "jobTemplate", *_TEMPLATE),
}
_REFUSED = {
    "hostIPC": "containers are tried in namespaces of their own",
    "hostNetwork": "containers are tried in namespaces of their own",
    "hostPID": "containers are tried in namespaces of their own",
    "shareProcessNamespace": "the container is tried without those beside it",
}
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")


def read_kubernetes(reading: Reading, path: Path, wanted: Scalar, said: Node | None) -> Borrowed | None:
    """What the container that `wanted` names comes to, as 'web', or as 'shop/web' of several; None after mistakes.

    What the spec's own `run`, `said`, has of its variables and mounts need not be found.
    """
    before = len(reading.mistakes)
    documents = reading.documents(path)
    if documents is None:
        if b"{{" in reading.sources.read(path):
            problem = "it looks like a template; allowed: what comes of it, as `helm template` prints it"
            reading.wrong(Place(reading.sources.relative(path)), (), problem)
        return None
    objects = tuple(_objects(documents))
    name, file = str(wanted.value), reading.sources.relative(path)
    pods = [pod for one in objects if (pod := _pod(one)) is not None]
    matching = [(pod, index) for pod in pods for index, called in pod.names() if name in called]
    if len(matching) != 1:
        known = sorted({called[len(matching) > 1] for pod in pods for _, called in pod.names()})
        if matching:
            problem = f"found '{name}' in {len(matching)} places of {file}; allowed: {', '.join(known)}"
            reading.wrong(wanted.place, ("from", "container"), problem)
        else:
            unknown_name(reading, wanted, ("from", "container"), name, known)
        return None
    pod, index = matching[0]
    node = find(pod.spec, ("containers", index))
    assert isinstance(node, Mapping)  # it has a name
    borrowed = _Container(reading, pod, index, node, Data(reading, objects), said).borrowed()
    keys = {"from.image": f"{pod.key(index)}.image"}
    reading.mistakes[before:] = [as_written(mistake, file, keys) for mistake in reading.mistakes[before:]]
    return replace(borrowed, keys=keys) if borrowed and len(reading.mistakes) == before else None


@dataclass(frozen=True)
class _Pod:
    """A pod, or the template of one."""

    object: Mapping
    spec: Mapping
    loc: Loc
    name: str

    def names(self) -> Iterator[tuple[int, tuple[str, str]]]:
        """Of each container its index and what it may be called."""
        containers = self.spec.items.get("containers")
        for index, node in enumerate(containers.items if isinstance(containers, Sequence) else ()):
            name = find(node, ("name",))
            if isinstance(name, Scalar):
                yield index, (str(name.value), f"{self.name}/{name.value}")

    def key(self, index: int) -> str:
        return f"{'.'.join(map(str, self.loc))}.containers[{index + 1}]"


def _objects(documents: tuple[Node, ...]) -> Iterator[Mapping]:
    """All objects, those of lists too."""
    for document in documents:
        items = find(document, ("items",))
        if isinstance(items, Sequence):
            yield from _objects(items.items)
        elif isinstance(document, Mapping):
            yield document


def _pod(node: Mapping) -> _Pod | None:
    kind, name = find(node, ("kind",)), find(node, ("metadata", "name"))
    loc = _POD_SPEC.get(str(kind.value)) if isinstance(kind, Scalar) else None
    spec = find(node, loc) if loc else None
    if loc is None or not isinstance(spec, Mapping):
        return None
    return _Pod(node, spec, loc, str(name.value) if isinstance(name, Scalar) else "")


@dataclass(frozen=True)
class _Container:
    """One container of a pod, and what else its file has."""

    reading: Reading
    pod: _Pod
    index: int
    node: Mapping
    data: Data
    said: Node | None

    @property
    def loc(self) -> Loc:
        return (*self.pod.loc, "containers", self.index)

    def borrowed(self) -> Borrowed | None:
        image = self.node.items.get("image")
        if image is None:
            self.reading.wrong(self.node.place, self.loc, "has no image; needed: image")
            return None
        self._check_pod()
        run = self._run()
        before, after, healthcheck = steps_of(self.reading, self.node, self.loc)
        if healthcheck:
            run = replace(run, items={"healthcheck": healthcheck, **run.items})
        taken = {"image": image, **never_pulled(self.node.items.get("imagePullPolicy"), "Never")}
        long = Longhand(Mapping({"from": Mapping(taken, image.place), "run": run}, run.place)).expand()
        source, whole = long.items["from"], long.items["run"]
        assert isinstance(source, Mapping)
        valid = validated(whole, Run, self.loc, self.reading.mistakes)
        if valid is None:
            return None
        return Borrowed(source, valid, Mapping({}, self.node.place), {}, before=before, after=after)

    def _check_pod(self) -> None:
        for key, why in _REFUSED.items():
            node = self.pod.spec.items.get(key)
            if isinstance(node, Scalar) and node.value:
                self._wrong(node, f"not taken over, as {why}", (*self.pod.loc, key))
        for key in ("initContainers", "containers"):
            nodes = self.pod.spec.items.get(key)
            for index, other in enumerate(nodes.items if isinstance(nodes, Sequence) else ()):
                if key != "containers" or index != self.index:
                    self.reading.notes.append(f"{other.place}: {key}[{index + 1}] is not started beside it")

    def _run(self) -> Mapping:
        """Its keys as those of `run`."""
        variables = self._environment()
        items: dict[str, Node] = {}
        for ours, theirs in (("entrypoint", "command"), ("command", "args")):
            node = self.node.items.get(theirs)
            if node is not None:
                items[ours] = _expanded(node, variables)
        for ours, theirs in (("working_dir", "workingDir"), ("tty", "tty"), ("stdin_open", "stdin")):
            if theirs in self.node.items:
                items[ours] = self.node.items[theirs]
        if variables:
            items["environment"] = Mapping({name: text(*told) for name, told in variables.items()}, self.node.place)
        items |= self._ports()
        items |= self._security()
        items |= self._of_pod()
        items |= volumes_of(self.reading, self.data, self.pod.object, self.pod.spec, self.node, self.loc, self.said)
        return Mapping(items, self.node.place)

    def _environment(self) -> dict[str, tuple[str, Place]]:
        """The variables with their places, in their order, their references to earlier ones replaced."""
        given = find(self.said, ("environment",)) if self.said else None
        found_values = dict(self.data.variables(self.node.items.get("envFrom"), (*self.loc, "envFrom")))
        env = self.node.items.get("env")
        for index, item in enumerate(env.items if isinstance(env, Sequence) else ()):
            name, loc = find(item, ("name",)), (*self.loc, "env", index)
            if not isinstance(name, Scalar) or not isinstance(name.value, str):
                self._wrong(item, f"found {found(name)}; allowed: a name", (*loc, "name"))
            elif find(item, ("valueFrom",)) is None:
                value = find(item, ("value",)) or text("", item.place)
                if isinstance(value, Scalar) and (value.value is None or isinstance(value.value, str)):
                    found_values[name.value] = (_filled(value.value or "", found_values), value.place)
                else:
                    self._wrong(value, f"found {found(value)}; allowed: a string", (*loc, "value"))
            elif not (isinstance(given, Mapping) and name.value in given.items):
                told = self.data.value_from(item, name.value, (*loc, "valueFrom"))
                if told is not None:
                    found_values[name.value] = told
        return found_values

    def _ports(self) -> dict[str, Node]:
        ports = self.node.items.get("ports")
        listed: list[Node] = []
        for item in ports.items if isinstance(ports, Sequence) else ():
            number, protocol = find(item, ("containerPort",)), find(item, ("protocol",))
            if isinstance(number, Scalar):
                suffix = f"/{str(protocol.value).lower()}" if isinstance(protocol, Scalar) else ""
                listed.append(text(f"{number.value}{suffix}", number.place))
        return {"expose": Sequence(tuple(listed), listed[0].place)} if listed else {}

    def _security(self) -> dict[str, Node]:
        """Of the securityContext what `run` has; the container's own beats the pod's."""
        pod, own = self.pod.spec.items.get("securityContext"), self.node.items.get("securityContext")
        whole = {key: node for one in (pod, own) if isinstance(one, Mapping) for key, node in one.items.items()}
        loc = (*self.loc, "securityContext")
        privileged = whole.get("privileged")
        if isinstance(privileged, Scalar) and privileged.value:
            self._wrong(privileged, "not taken over, as nothing is tried with privileges", (*loc, "privileged"))
        items: dict[str, Node] = {}
        user, group = whole.get("runAsUser"), whole.get("runAsGroup")
        if isinstance(user, Scalar):
            # https://kubernetes.io/docs/tasks/configure-pod-container/security-context/: the image's group, else 0
            items["user"] = text(
                f"{user.value}:{group.value}" if isinstance(group, Scalar) else f"{user.value}", user.place
            )
        elif isinstance(group, Scalar):
            self._wrong(group, "not taken over without runAsUser", (*loc, "runAsGroup"))
        if "readOnlyRootFilesystem" in whole:
            items["read_only"] = whole["readOnlyRootFilesystem"]
        for ours, theirs in (("cap_add", "add"), ("cap_drop", "drop")):
            node = find(whole["capabilities"], (theirs,)) if "capabilities" in whole else None
            if node is not None:
                items[ours] = node
        escalation = whole.get("allowPrivilegeEscalation")
        if isinstance(escalation, Scalar) and escalation.value is False:
            items["security_opt"] = Sequence((text("no-new-privileges:true", escalation.place),), escalation.place)
        return items

    def _of_pod(self) -> dict[str, Node]:
        items: dict[str, Node] = {}
        grace, hostname = (self.pod.spec.items.get(key) for key in ("terminationGracePeriodSeconds", "hostname"))
        if isinstance(grace, Scalar):
            items["stop_grace_period"] = text(f"{grace.value}s", grace.place)
        if hostname is not None:
            items["hostname"] = hostname
        aliases = self.pod.spec.items.get("hostAliases")
        lines = tuple(
            text(f"{name.value}:{address.value}", name.place)
            for alias in (aliases.items if isinstance(aliases, Sequence) else ())
            if isinstance(address := find(alias, ("ip",)), Scalar)
            and isinstance(names := find(alias, ("hostnames",)), Sequence)
            for name in names.items
            if isinstance(name, Scalar)
        )
        if lines:
            items["extra_hosts"] = Sequence(lines, lines[0].place)
        return items

    def _wrong(self, node: Node, problem: str, loc: Loc) -> None:
        self.reading.wrong(node.place, loc, problem)


def _expanded(node: Node, variables: dict[str, tuple[str, Place]]) -> Node:
    """The words of a command with $(VAR) replaced."""
    if not isinstance(node, Sequence):
        return node
    return replace(node, items=tuple(_word(item, variables) for item in node.items))


def _word(item: Node, variables: dict[str, tuple[str, Place]]) -> Node:
    if isinstance(item, Scalar) and isinstance(item.value, str):
        return replace(item, value=_filled(item.value, variables))
    return item


def _filled(written: str, variables: dict[str, tuple[str, Place]]) -> str:
    """With $(VAR) replaced; one that is not known stays, and $$ is a plain $."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables[match[1]][0] if match[1] in variables else match[0]

    return _REFERENCE.sub(value, written)
