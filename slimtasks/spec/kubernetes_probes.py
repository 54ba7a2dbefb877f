"""The probes and hooks of a container, as steps of a workload.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/,
https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
"""

from __future__ import annotations

from dataclasses import replace

from slimtasks.spec.borrowed import text
from slimtasks.spec.reading import Reading
from slimtasks.spec.steps import ACTIONS, Step
from slimtasks.spec.tree import Loc, Mapping, Node, Scalar, Sequence, find, found
from slimtasks.spec.validate import validated

_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_LEAST = 30  # seconds for a probe that gives less
_KINDS = ("exec", "httpGet", "tcpSocket", "sleep", "grpc")


def steps_of(
    reading: Reading, container: Mapping, loc: Loc
) -> tuple[tuple[Step, ...], tuple[Step, ...], Mapping | None]:
    """The steps before all others, those after, and the `healthcheck` of `run`.

    That is the first probe by a command that tells when the container is up; it is asked until it says so.
    """
    before: list[Step] = []
    healthcheck: Mapping | None = None
    for below in (("lifecycle", "postStart"), *((probe,) for probe in _PROBES)):
        node = find(container, below)
        command = find(node, ("exec", "command")) if node else None
        if node and command and below[0] in _PROBES[:2] and healthcheck is None:
            healthcheck = _healthcheck(node, command)
        elif node:
            step = _step(reading, container, node, (*loc, *below))
            before += [step] if step and step.action not in [other.action for other in before] else []
    stop: Loc = ("lifecycle", "preStop")
    node = find(container, stop)
    last = _step(reading, container, node, (*loc, *stop)) if node else None
    return tuple(before), (replace(last, last=True),) if last else (), healthcheck


def _step(reading: Reading, container: Mapping, node: Node, loc: Loc) -> Step | None:
    kind = next((one for one in _KINDS if find(node, (one,)) is not None), None)
    if kind is None:
        reading.wrong(node.place, loc, f"found {found(node)}; allowed: one of {', '.join(_KINDS[:3])}")
        return None
    if kind == "sleep":
        return None
    if kind == "grpc":
        reading.wrong(
            node.place, (*loc, kind), "not taken over, as no step speaks gRPC; allowed: exec, httpGet, tcpSocket"
        )
        return None
    told = find(node, (kind,))
    assert told is not None
    timeout = text(f"{_seconds(node)}s", node.place)
    if kind == "exec":
        command = find(told, ("command",)) or told
        return _valid(reading, "exec", {"command": command, "timeout": timeout}, told, (*loc, kind))
    port = _port(reading, container, told, (*loc, kind, "port"))
    if port is None:
        return None
    if kind == "tcpSocket":
        return _valid(reading, "tcp", {"port": port, "timeout": timeout}, told, (*loc, kind))
    if find(told, ("host",)) is not None:
        reading.wrong(told.place, (*loc, kind, "host"), "not taken over, as the container itself is asked")
    return _valid(reading, "http", {**_request(told), "port": port, "timeout": timeout}, told, (*loc, kind))


def _request(told: Node) -> dict[str, Node]:
    """Of a request what it is about."""
    items: dict[str, Node] = {"@probe": Scalar(True, told.place)}
    path, scheme, headers = (find(told, (key,)) for key in ("path", "scheme", "httpHeaders"))
    if isinstance(path, Scalar) and isinstance(path.value, str):
        items["path"] = path if path.value.startswith("/") else replace(path, value=f"/{path.value}")
    if isinstance(scheme, Scalar) and str(scheme.value).upper() == "HTTPS":
        items |= {"scheme": text("https", scheme.place), "allow-insecure": Scalar(True, scheme.place)}
    pairs = [
        (find(one, ("name",)), find(one, ("value",)))
        for one in (headers.items if isinstance(headers, Sequence) else ())
    ]
    lines = [
        text(f"{a.value}: {b.value}", a.place) for a, b in pairs if isinstance(a, Scalar) and isinstance(b, Scalar)
    ]
    return items | ({"request-headers": Sequence(tuple(lines), lines[0].place)} if lines else {})


def _port(reading: Reading, container: Mapping, told: Node, loc: Loc) -> Node | None:
    """The port by its number, or by the name that the container gives it."""
    port = find(told, ("port",))
    ports = container.items.get("ports")
    if isinstance(port, Scalar) and isinstance(port.value, str) and not port.value.isdecimal():
        for one in ports.items if isinstance(ports, Sequence) else ():
            name, number = find(one, ("name",)), find(one, ("containerPort",))
            if isinstance(name, Scalar) and name.value == port.value and number is not None:
                return number
    elif isinstance(port, Scalar) and isinstance(port.value, (str, int)):
        return replace(port, value=int(port.value))
    reading.wrong((port or told).place, loc, f"found {found(port)}; allowed: a number, or the name of one of its ports")
    return None


def _seconds(probe: Node) -> int:
    """How long it takes at most until a cluster gives up on it."""
    said = {key: find(probe, (key,)) for key in ("initialDelaySeconds", "periodSeconds", "failureThreshold")}
    delay, period, times = (
        node.value if isinstance(node, Scalar) and isinstance(node.value, int) else usual
        for node, usual in zip(said.values(), (0, 10, 3), strict=True)
    )
    return max(_LEAST, delay + period * times)


def _healthcheck(probe: Node, command: Node) -> Mapping:
    words = command.items if isinstance(command, Sequence) else (command,)
    test = Sequence((text("CMD", command.place), *words), command.place)
    timeout = find(probe, ("timeoutSeconds",))
    seconds = timeout.value if isinstance(timeout, Scalar) else 1
    return Mapping(
        {
            "test": test,
            "timeout": text(f"{max(5, seconds) if isinstance(seconds, int) else 5}s", probe.place),
            "start_period": text(f"{_seconds(probe)}s", probe.place),
        },
        probe.place,
    )


def _valid(reading: Reading, kind: str, items: dict[str, Node], told: Node, loc: Loc) -> Step | None:
    action = validated(Mapping(items, told.place), ACTIONS[kind], loc, reading.mistakes)
    return Step(0, str(told.place), kind, action) if action else None
