"""junit.xml: what CI systems show of a run, a suite for each scenario and a case for each step and structure test.

https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from slimtasks.spec import Image, Step
from slimtasks.workload.report import StepResult, step_title

_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0, 2.2 Characters


@dataclass(frozen=True)
class Case:
    """One line of a report."""

    name: str
    seconds: float = 0.0
    failure: str = ""
    skipped: str = ""  # why it was not tried


@dataclass(frozen=True)
class Suite:
    """What came of one scenario."""

    name: str  # 'web', 'spool.worker'
    cases: tuple[Case, ...]


def suite(image: Image, done: Sequence[StepResult], seconds: float, error: str = "") -> Suite:
    """Of the scenario that the image is started by: its steps as far as they came, and with what it failed.

    `seconds` is how long the start took.
    """
    cases = [case for result in done for case in _cases(result, error)]
    reached = {result.name for result in done}
    failed = any(result.failed for result in done)
    if error and not failed:
        cases.append(Case("start or end", seconds, error))
    elif not image.steps:
        cases.append(Case("start", seconds))
    cases += (Case(_title(step), skipped="not reached") for step in image.steps if step.name not in reached)
    return Suite(f"{image.name}.{image.scenario}" if image.scenario else image.name, tuple(cases))


def document(suites: Iterable[Suite]) -> bytes:
    """The whole file."""
    root = ElementTree.Element("testsuites", name="slimtasks")
    for one in suites:
        failed = sum(bool(case.failure) for case in one.cases)
        skipped = sum(bool(case.skipped) for case in one.cases)
        node = ElementTree.SubElement(root, "testsuite", name=one.name, tests=str(len(one.cases)))
        node.attrib |= {"failures": str(failed), "errors": "0", "skipped": str(skipped)}
        node.attrib["time"] = _time(sum(case.seconds for case in one.cases))
        for case in one.cases:
            _add(node, one.name, case)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def _cases(result: StepResult, error: str) -> Iterable[Case]:
    """The step, or its parts, of which each has its own failure."""
    name = f"{result.name} {result.title}"
    if not result.parts:
        return [Case(name, result.seconds, error if result.failed else "")]
    return [
        Case(f"{name}: {part.name}", part.seconds, f"{part.where}: {part.failure}" if part.failure else "")
        for part in result.parts
    ]


def _title(step: Step) -> str:
    return f"{step.name} {step_title(step)}"


def _add(node: ElementTree.Element, name: str, case: Case) -> None:
    found = ElementTree.SubElement(node, "testcase", classname=name, name=_text(case.name), time=_time(case.seconds))
    if case.failure:
        failure = ElementTree.SubElement(found, "failure", message=_text(case.failure.splitlines()[0]))
        failure.text = _text(case.failure)
    if case.skipped:
        ElementTree.SubElement(found, "skipped", message=case.skipped)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


def _text(text: str) -> str:
    """What XML cannot hold, as terminals' colours, as it is written in programs."""
    return _REFUSED.sub(lambda match: repr(match[0])[1:-1], text)
