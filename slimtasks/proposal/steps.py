"""The first workload of an image, guessed from what it says of itself and what it did."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slimtasks.proposal.facts import Facts
from slimtasks.proposal.flow import flow
from slimtasks.proposal.seen import Answered, Seen, Told
from slimtasks.workload.other_hosts import hint_for

_LETTERS = re.compile(r"[A-Za-z][A-Za-z ]{2,}[A-Za-z]")
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_LOG_LINES = 15
MOST_VARIABLES = 5


@dataclass(frozen=True)
class Guess:
    """Steps as lines of the spec, and questions; both without what makes them items or comments."""

    steps: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()  # of the workload
    missing: tuple[str, ...] = ()  # what is wrong with the start, and the log, a line each
    variables: tuple[str, ...] = ()  # of the environment, that the log names


def guess(facts: Facts, seen: Seen) -> Guess:
    """What to try; without steps, the start alone."""
    if seen.status is not None and (facts.serves or seen.status):
        return _cli(seen.told) if seen.told else _broken(facts, seen)
    if seen.status is not None:
        return _job(facts, seen)
    return _service(facts, seen)


def _broken(facts: Facts, seen: Seen) -> Guess:
    """It does not run as it is."""
    log = seen.log[-_LOG_LINES:]
    named = dict.fromkeys(name for line in log for name in _VARIABLE.findall(line))
    ends = f"The container ended by itself {seen.ending}."
    if not seen.status:
        ends += " A service has to stay in the foreground."
    said = ("Its last log lines:", *(f"  {line}" for line in log)) if log else ("It logged nothing.",)
    asks = hint_for("\n".join(log))
    said += (f"{asks[0].upper()}{asks[1:]}.",) if asks else ()
    return Guess(missing=(ends, *said), variables=tuple(named)[:MOST_VARIABLES])


def _cli(told: Told) -> Guess:
    return Guess(
        (_oneshot(told),),
        ("What else is it called with? Each step is a container of its own, with these arguments.",),
    )


def _oneshot(told: Told) -> str:
    start = re.match(r"\D*", told.line)
    words = start[0].strip() if start else ""
    expected = words if len(words) > 2 and not words.startswith(("!", "/", "\\")) else "/[0-9]/"
    if not re.search(r"\d", told.line):
        expected = "/./"
    return flow({"oneshot": {"command": list(told.arguments), told.stream: [expected]}})


def _job(facts: Facts, seen: Seen) -> Guess:
    """It did something, and ended well."""
    question = "What else is it called with? What has to be there for it: volumes, services, input?"
    if not seen.log and seen.told:
        return _cli(seen.told)
    steps = [flow({"oneshot": {"command": list(facts.command)}})] if facts.command else []
    steps += [_oneshot(seen.told)] if steps and seen.told else []
    return Guess(tuple(steps), (question,))


def _service(facts: Facts, seen: Seen) -> Guess:
    steps = tuple(flow(step) for answer in seen.answers for step in _asked(answer, busy=_busy(seen)))
    opened = {answer.port for answer in seen.answers}
    closed = [str(port) for port in facts.tcp if port not in opened]
    questions = [text for answer in seen.answers for text in _doubts(answer)]
    if closed and opened:
        if not facts.healthcheck and not steps[0].startswith("{wait"):
            steps = (flow({"wait": {"port": min(opened)}}), *steps)
        questions.append(f"What opens port {', '.join(closed)}? The image exposes it, and nobody listened there.")
    if seen.inner and not opened:
        questions.append(f"Who is to reach {', '.join(seen.inner)}? Only 0.0.0.0 can be reached from outside.")
    if not seen.answers:
        steps, more = _worker(facts, seen)
        questions += more
    if any(port.endswith("/udp") for port in facts.ports):
        questions.append("What is asked by UDP? A `client` or `host` step can; nothing here did.")
    questions += [f"Why is it not healthy? Its HEALTHCHECK failed: {seen.unhealthy}"] if seen.unhealthy else []
    return Guess(steps, tuple(questions))


def _busy(seen: Seen) -> bool:
    """Whether any port was asked something that it answered."""
    return any(answer.scheme or answer.sent for answer in seen.answers)


def _asked(answer: Answered, *, busy: bool) -> Iterator[dict[str, Any]]:
    """The steps for one port. One that only waits says that nothing is known of it, and packages stay whole."""
    port = answer.port
    if answer.scheme:
        tls = {"scheme": "https", "allow-insecure": True} if answer.scheme == "https" else {}
        typed = {"headers": [f"Content-Type: {answer.content_type}"]} if answer.content_type else {}
        status = {"status": answer.status} if answer.status != 200 else {}
        yield {"http": {"port": port, "path": "/", **tls, **status, **typed}}
        if answer.leads_to:
            status = {"status": answer.led_to} if answer.led_to != 200 else {}
            yield {"http": {"port": port, "path": answer.leads_to, **tls, **status}}
    elif answer.sent:
        yield {"tcp": {"port": port, "send": answer.sent, "expect": [answer.came]}}
    elif busy:
        yield {"tcp": {"port": port}}
    else:
        yield {"wait": {"port": port}}


def _doubts(answer: Answered) -> Iterator[str]:
    port = answer.port
    if answer.scheme and answer.status in (401, 403):
        yield f"How does one log in? Port {port} answers with {answer.status}; `request-headers:` can send a password."
    elif answer.scheme and answer.status >= 500:
        yield f"What does it lack? Port {port} answers with {answer.status}; a database may be one of `services:`."
    elif answer.scheme and answer.status == 404:
        yield f"What is there on port {port}? / is not found."
    if not answer.scheme and not answer.sent:
        greets = f", and greets with {flow(answer.came)}" if answer.came else ""
        yield f"What does port {port} speak? It is no HTTP{greets}; see the steps `tcp` and `client`."


def _worker(facts: Facts, seen: Seen) -> tuple[tuple[str, ...], list[str]]:
    """Nobody can be asked anything."""
    first = next((found[0] for line in seen.log if (found := _LETTERS.search(line))), "")
    what = f"Port {', '.join(map(str, facts.tcp))} did not open." if facts.tcp else "It listens nowhere."
    steps = (flow({"wait": {"log": first}}),) if first else ()
    return steps, [f"What does it do, and how does one see it? {what}"]
