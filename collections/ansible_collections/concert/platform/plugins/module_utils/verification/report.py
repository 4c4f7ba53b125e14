"""What the checks found as files: JUnit for pipelines, JSON for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .model import Result

#: What XML 1.0 cannot hold, however it is escaped.
_UNPRINTABLE = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def junit(results: Sequence[Result], environment: str, started: datetime, seconds: float) -> str:
    """One suite a group, one case a check: its time, what was expected and what came."""
    root = ElementTree.Element("testsuites", {"name": f"verification of {environment}", "time": f"{seconds:.1f}"})
    for group in dict.fromkeys(result.group for result in results):
        members = [result for result in results if result.group == group]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            {
                "name": group,
                "tests": str(len(members)),
                "failures": str(sum(not result.passed for result in members)),
                "errors": "0",
                "skipped": "0",
                "time": f"{sum(result.seconds for result in members):.1f}",
                "timestamp": started.strftime("%Y-%m-%dT%H:%M:%S"),
            },
        )
        for result in members:
            attributes = {"classname": f"{environment}.{group}", "name": result.name, "time": f"{result.seconds:.1f}"}
            case = ElementTree.SubElement(suite, "testcase", attributes)
            said = f"expected: {result.expected}\nfound: {result.found}"
            if not result.passed:
                message = _printable(f"expected {result.expected}; found {result.found}")
                failure = ElementTree.SubElement(case, "failure", {"message": message, "type": "verification"})
                failure.text = _printable(f"{said}\nlook at: {result.where}")
            ElementTree.SubElement(case, "system-out").text = _printable(said)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def write(directory: Path, results: Sequence[Result], environment: str, started: datetime, seconds: float) -> Path:
    """Writes junit.xml and verify.json into `directory`; the path of the first. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "junit.xml"
    path.write_text(junit(results, environment, started, seconds), encoding="utf-8")
    document = {
        "environment": environment,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "passed": all(result.passed for result in results),
        "checks": [asdict(result) for result in results],
    }
    (directory / "verify.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


def checks(report: str) -> list[dict[str, Any]]:
    """The checks of the report whose JUnit path is given, as `write` left them; none if it cannot be read."""
    try:
        document = json.loads(Path(report).with_name("verify.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return list(document["checks"])


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
