"""Test cases as JUnit XML, in the format that GitLab documents; GitHub and Jenkins read the format too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from launchpad.operations.tenants.visitor import Case

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(cases: Iterable[Case], *, seconds: float) -> bytes:
    """One suite with a test case for each case. Readers identify a case by classname (the subject) and name (the
    title)."""
    suite = ElementTree.Element("testsuite", {"name": "launchpad smoke"})
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for item in cases:
        counts["tests"] += 1
        kind, _, name = item.subject.partition(" ")
        told = {"classname": _text(item.subject), "name": _text(item.title), "time": f"{item.seconds:.3f}"}
        told["file"] = f"inventory/tenants/{name}.yaml" if kind == "tenant" else "inventory/hosts.yaml"
        case = ElementTree.SubElement(suite, "testcase", told)
        message = _text(item.message).strip() or "no message"
        if item.verdict == "failed":
            counts["failures"] += 1
            ElementTree.SubElement(
                case, "failure", {"message": message, "type": item.kind}
            ).text = f"{message}\n{_text(item.hint)}".rstrip()
        elif item.verdict == "skipped":
            counts["skipped"] += 1
            ElementTree.SubElement(case, "skipped").text = message
        else:
            ElementTree.SubElement(case, "system-out").text = message
    suite.attrib |= {name: str(count) for name, count in counts.items()} | {"time": f"{seconds:.3f}"}
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _text(text: str) -> str:
    """The text without characters that XML 1.0 forbids; hosts and apps may send any text."""
    return _NOT_XML.sub("\ufffd", text)
