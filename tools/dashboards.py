"""Turn a readable dashboard (`files/dashboards/*.yaml`) into the JSON body that CloudWatch takes.

A source is rows of widgets; positions follow from widths and heights:

    rows:
      - height: 6
        widgets:
          - title: Records received
            width: 12
            statistic: Sum                  # default for the widget's metrics
            metrics:
              - {namespace: AWS/Kinesis, name: IncomingRecords, dimensions: {StreamName: "…"}, label: events}
              - {expression: "100 * bad / all", label: "invalid, %"}

A widget has one of `metrics`, `alarms` (alarm names), `query` with `log_groups` (Logs Insights) or `text` (Markdown).
A metric with `id` can be named by expressions; `visible: false` hides it. Strings may hold the placeholders of
`PLACEHOLDERS`, which Fn::Sub replaces in the template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

GRID_COLUMNS: Final = 24
METRICS_PER_WIDGET: Final = 500
DEFAULT_PERIOD_SECONDS: Final = 300
PLACEHOLDERS: Final = frozenset({"Environment", "AWS::Region", "AWS::AccountId", "AWS::Partition"})

_REGION: Final = "${AWS::Region}"
_ALARM_ARN: Final = "arn:${{AWS::Partition}}:cloudwatch:${{AWS::Region}}:${{AWS::AccountId}}:alarm:{name}"
_PLACEHOLDER: Final = re.compile(r"\$\{([^}]*)\}")
_METRIC_ID: Final = re.compile(r"[a-z][A-Za-z0-9_]*")

_COMMON_KEYS: Final = frozenset({"title", "width", "height"})
_CONTENT_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "metrics": frozenset({"metrics", "statistic", "period", "view", "stacked", "left_label", "minimum", "threshold"}),
    "alarms": frozenset({"alarms"}),
    "query": frozenset({"query", "log_groups", "view"}),
    "text": frozenset({"text"}),
}
_METRIC_KEYS: Final = frozenset(
    {"namespace", "name", "dimensions", "statistic", "label", "id", "visible", "expression"}
)


class DashboardError(Exception):
    """A dashboard source that cannot become a body; the message names the file, the place and the rule."""


def render(path: Path) -> str:
    """The dashboard's body as JSON text for Fn::Sub, one widget a line, from the source at `path`.

    Raises:
        DashboardError: an unknown key, a row wider than the grid, a placeholder that Fn::Sub could not fill, …
    """
    source = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        widgets = _widgets(source)
        text = "\n".join(
            [
                '{"periodOverride": "inherit", "widgets": [',
                ",\n".join(f"  {json.dumps(widget, ensure_ascii=False)}" for widget in widgets),
                "]}",
            ]
        )
        _require_known_placeholders(text)
    except DashboardError as error:
        raise DashboardError(f"{path.name}: {error}") from error
    return text


def _widgets(source: Any) -> list[dict[str, Any]]:
    if not isinstance(source, dict) or set(source) != {"rows"}:
        raise DashboardError("a dashboard is a mapping with the one key 'rows'")
    placed: list[dict[str, Any]] = []
    top = 0
    for number, row in enumerate(source["rows"], start=1):
        left = 0
        height = row["height"]
        for widget in row["widgets"]:
            where = f"row {number}, widget '{widget.get('title', widget.get('text', '?'))}'"
            width = widget.get("width", GRID_COLUMNS)
            if left + width > GRID_COLUMNS:
                raise DashboardError(f"{where}: the row is {left + width} wide, the grid has {GRID_COLUMNS} columns")
            kind, properties = _content(widget, where)
            placed.append(
                {"type": kind, "x": left, "y": top, "width": width, "height": height, "properties": properties}
            )
            left += width
        top += height
    return placed


def _content(widget: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    kinds = [kind for kind in _CONTENT_KEYS if kind in widget]
    if len(kinds) != 1:
        raise DashboardError(f"{where}: has {kinds or 'none'} of {', '.join(_CONTENT_KEYS)}; it needs exactly one")
    kind = kinds[0]
    unknown = set(widget) - _COMMON_KEYS - _CONTENT_KEYS[kind]
    if unknown:
        raise DashboardError(f"{where}: unknown key {', '.join(sorted(unknown))}")
    return _BUILDERS[kind](widget, where)


def _metric_widget(widget: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    metrics = widget["metrics"]
    if not 0 < len(metrics) <= METRICS_PER_WIDGET:
        raise DashboardError(f"{where}: {len(metrics)} metrics; a widget shows 1 to {METRICS_PER_WIDGET}")
    properties: dict[str, Any] = {
        "title": widget["title"],
        "view": widget.get("view", "timeSeries"),
        "stacked": widget.get("stacked", False),
        "region": _REGION,
        "stat": widget.get("statistic", "Sum"),
        "period": widget.get("period", DEFAULT_PERIOD_SECONDS),
        "metrics": [_metric(metric, where) for metric in metrics],
    }
    axis = {"min": widget.get("minimum", 0)}
    if "left_label" in widget:
        axis |= {"label": widget["left_label"], "showUnits": False}
    properties["yAxis"] = {"left": axis}
    if "threshold" in widget:
        properties["annotations"] = {"horizontal": [{"label": "alarm", "value": widget["threshold"]}]}
    return "metric", properties


def _metric(metric: Mapping[str, Any], where: str) -> list[Any]:
    """One row of a widget's `metrics`: namespace, name, dimension pairs and last the options; or an expression."""
    unknown = set(metric) - _METRIC_KEYS
    if unknown:
        raise DashboardError(f"{where}: unknown key {', '.join(sorted(unknown))} in a metric")
    options = {key: metric[key] for key in ("label", "id", "visible") if key in metric}
    if "id" in metric and not _METRIC_ID.fullmatch(metric["id"]):
        raise DashboardError(f"{where}: id '{metric['id']}' must start with a small letter")
    if "expression" in metric:
        return [{"expression": metric["expression"], **options}]
    if "statistic" in metric:
        options["stat"] = metric["statistic"]
    try:
        row: list[Any] = [metric["namespace"], metric["name"]]
    except KeyError as error:
        raise DashboardError(f"{where}: a metric needs a {error.args[0]}") from None
    for name, value in metric.get("dimensions", {}).items():
        row += [name, value]
    return [*row, options] if options else row


def _alarm_widget(widget: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    if not widget["alarms"]:
        raise DashboardError(f"{where}: names no alarm")
    arns = [_ALARM_ARN.format(name=name) for name in widget["alarms"]]
    return "alarm", {"title": widget["title"], "alarms": arns}


def _query_widget(widget: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    groups: Sequence[str] = widget.get("log_groups", ())
    if not groups:
        raise DashboardError(f"{where}: a query needs log_groups")
    sources = " | ".join(f"SOURCE '{group}'" for group in groups)
    query = " ".join(widget["query"].split())
    return "log", {
        "title": widget["title"],
        "region": _REGION,
        "view": widget.get("view", "table"),
        "query": f"{sources} | {query}",
    }


def _text_widget(widget: Mapping[str, Any], _where: str) -> tuple[str, dict[str, Any]]:
    return "text", {"markdown": widget["text"].strip()}


_BUILDERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], tuple[str, dict[str, Any]]]]] = {
    "metrics": _metric_widget,
    "alarms": _alarm_widget,
    "query": _query_widget,
    "text": _text_widget,
}


def _require_known_placeholders(text: str) -> None:
    unknown = set(_PLACEHOLDER.findall(text)) - PLACEHOLDERS
    if unknown:
        raise DashboardError(
            f"placeholder {', '.join(sorted(unknown))} is not one of {', '.join(sorted(PLACEHOLDERS))}, "
            "which the template can fill in"
        )
