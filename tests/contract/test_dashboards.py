"""Dashboard sources become bodies that CloudWatch takes, and faulty ones are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.model import ROOT, platform
from tools.dashboards import DashboardError, render

SOURCES = sorted((ROOT / "files" / "dashboards").glob("*.yaml"))
METRIC = "{namespace: AWS/Lambda, name: Errors, dimensions: {FunctionName: f}, label: errors}"


def written(directory: Path, widgets: str) -> Path:
    path = directory / "sample.yaml"
    path.write_text(f"rows:\n  - height: 6\n    widgets:\n{widgets}\n", encoding="utf-8")
    return path


def test_there_are_four_and_each_is_in_the_template() -> None:
    bodies = {
        str(d.name): json.loads(d.properties["DashboardBody"])
        for d in platform(0).resources("AWS::CloudWatch::Dashboard")
    }
    assert sorted(bodies) == [f"concert-{path.stem}-development" for path in SOURCES]
    for path in SOURCES:
        source = render(path).replace("${Environment}", "development").replace("${AWS::Region}", "us-east-1")
        source = source.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", "123456789012")
        assert bodies[f"concert-{path.stem}-development"] == json.loads(source)


def test_widgets_are_laid_out_in_rows(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(
        "rows:\n"
        "  - {height: 3, widgets: [{text: Hello, width: 24}]}\n"
        f"  - {{height: 6, widgets: [{{title: A, width: 8, metrics: [{METRIC}]}}, {{title: B, metrics: [{METRIC}], "
        "width: 16}]}\n",
        encoding="utf-8",
    )
    widgets = json.loads(render(path))["widgets"]
    assert [(w["x"], w["y"], w["width"], w["height"]) for w in widgets] == [(0, 0, 24, 3), (0, 3, 8, 6), (8, 3, 16, 6)]
    assert [w["type"] for w in widgets] == ["text", "metric", "metric"]


def test_a_metric_row_is_namespace_name_pairs_and_options(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "      - title: A\n        width: 12\n        statistic: p95\n        metrics:\n"
        "          - {namespace: N, name: M, dimensions: {D: v, E: w}, id: m1, visible: false, statistic: Sum}\n"
        "          - {expression: '100 * m1', label: percent}\n"
        "          - {namespace: N, name: M}\n",
    )
    (widget,) = json.loads(render(path))["widgets"]
    assert widget["properties"]["stat"] == "p95"
    assert widget["properties"]["metrics"] == [
        ["N", "M", "D", "v", "E", "w", {"id": "m1", "visible": False, "stat": "Sum"}],
        [{"expression": "100 * m1", "label": "percent"}],
        ["N", "M"],
    ]


def test_a_query_reads_its_groups_and_an_alarm_is_shown_by_arn(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "      - {title: Q, width: 12, log_groups: [/a, /b], query: 'filter x | limit 1'}\n"
        "      - {title: S, width: 12, alarms: [one]}\n",
    )
    query, alarms = json.loads(render(path))["widgets"]
    assert query["properties"]["query"] == "SOURCE '/a' | SOURCE '/b' | filter x | limit 1"
    assert alarms["properties"]["alarms"] == [
        "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:one"
    ]


@pytest.mark.parametrize(
    ("widgets", "message"),
    [
        pytest.param("      - {title: A, width: 25, text: x}", "25 wide", id="wider-than-the-grid"),
        pytest.param("      - {title: A, width: 8}", "exactly one", id="without-content"),
        pytest.param("      - {title: A, text: x, alarms: [a]}", "exactly one", id="with-two-contents"),
        pytest.param("      - {title: A, text: x, colour: red}", "unknown key colour", id="with-an-unknown-key"),
        pytest.param("      - {title: A, metrics: []}", "0 metrics", id="without-metrics"),
        pytest.param("      - {title: A, metrics: [{name: x}]}", "needs a namespace", id="metric-without-namespace"),
        pytest.param("      - {title: A, metrics: [{nome: x}]}", "unknown key nome", id="metric-with-an-unknown-key"),
        pytest.param("      - {title: A, metrics: [{expression: x, id: Bad}]}", "small letter", id="capital-id"),
        pytest.param("      - {title: A, alarms: []}", "names no alarm", id="without-alarms"),
        pytest.param("      - {title: A, query: x}", "needs log_groups", id="query-without-groups"),
        pytest.param('      - {title: A, text: "${Other}"}', "placeholder Other", id="unknown-placeholder"),
    ],
)
def test_a_faulty_source_is_refused_by_name(tmp_path: Path, widgets: str, message: str) -> None:
    with pytest.raises(DashboardError, match=message) as refusal:
        render(written(tmp_path, widgets))
    assert str(refusal.value).startswith("sample.yaml: ")


def test_a_source_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text("widgets: []\n", encoding="utf-8")
    with pytest.raises(DashboardError, match="'rows'"):
        render(path)
