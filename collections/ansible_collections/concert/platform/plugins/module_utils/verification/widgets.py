"""What a CloudWatch dashboard's body names: metrics, alarms and log groups. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Dimensions whose value is the name of a resource.
RESOURCE_DIMENSIONS = frozenset({"FunctionName", "TableName", "StreamName", "QueueName", "ApiName", "Workgroup"})
_SOURCE = re.compile(r"SOURCE '([^']+)'")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
#: The ids in an expression; functions are in capitals.
_WORDS = re.compile(r"\b[a-z][A-Za-z0-9_]*\b(?!\s*\()")


@dataclass(frozen=True)
class Metric:
    """One metric as a widget names it. `dimensions`: name and value, sorted."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str

    @property
    def request(self) -> dict[str, Any]:
        """As GetMetricData takes it."""
        named = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": named}


@dataclass(frozen=True)
class Body:
    """What a dashboard names, each with its widget's title. `problems`: what cannot render as it is written."""

    metrics: tuple[tuple[str, Metric], ...]
    references: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def read(body: Mapping[str, Any]) -> Body:
    """The names in a dashboard's body."""
    metrics: list[tuple[str, Metric]] = []
    references: list[tuple[str, str]] = []
    problems: list[str] = [] if body.get("widgets") else ["no widgets"]
    for widget in body.get("widgets", []):
        properties = widget.get("properties", {})
        title = str(properties.get("title", widget.get("type")))
        references += [(title, str(arn).rpartition(":alarm:")[2]) for arn in properties.get("alarms", [])]
        references += [(title, name) for name in _SOURCE.findall(str(properties.get("query", "")))]
        found, wrong = _metrics(properties.get("metrics", []), str(properties.get("stat", "Average")))
        metrics += [(title, metric) for metric in found]
        problems += [f"{title}: {problem}" for problem in wrong]
    return Body(tuple(metrics), tuple(references), tuple(problems))


def _metrics(entries: Sequence[Sequence[Any]], stat: str) -> tuple[list[Metric], list[str]]:
    """A widget's metrics. An entry may repeat the one before it: `.` for a part, `...` for all that comes before."""
    found, problems = [], []
    identities: set[str] = set()
    expressions: list[str] = []
    before: list[str] = []
    for entry in entries:
        options = entry[-1] if entry and isinstance(entry[-1], Mapping) else {}
        identities.add(str(options.get("id", "")))
        if "expression" in options:
            expressions.append(str(options["expression"]))
            continue
        parts = [str(part) for part in entry if not isinstance(part, Mapping)]
        if parts and parts[0] == "...":
            parts = before[: len(before) - len(parts) + 1] + parts[1:]
        parts = [before[place] if part == "." and place < len(before) else part for place, part in enumerate(parts)]
        if len(parts) < 2 or len(parts) % 2:
            problems.append(f"{parts} is no metric")
            continue
        before = parts
        dimensions = tuple(sorted(zip(parts[2::2], parts[3::2], strict=True)))
        found.append(Metric(parts[0], parts[1], dimensions, str(options.get("stat", stat))))
    for expression in expressions:
        words = dict.fromkeys(_WORDS.findall(_QUOTED.sub("", expression)))
        problems += [f"{expression}: there is no {word}" for word in words if word not in identities]
    return found, problems
