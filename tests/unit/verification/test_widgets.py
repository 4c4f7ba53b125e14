"""What a dashboard names, short forms included, and what cannot render."""

from __future__ import annotations

from typing import Any

from ansible_collections.concert.platform.plugins.module_utils.verification import widgets
from ansible_collections.concert.platform.plugins.module_utils.verification.widgets import Metric


def body(*properties: dict[str, Any]) -> dict[str, Any]:
    return {"widgets": [{"type": "metric", "properties": {"title": "w", **one}} for one in properties]}


def test_metrics_with_their_short_forms() -> None:
    entries = [
        ["AWS/Lambda", "Errors", "FunctionName", "one", {"stat": "Sum"}],
        ["...", "two"],
        [".", "Duration", ".", "."],
    ]
    found = [metric for _, metric in widgets.read(body({"metrics": entries, "stat": "p90"})).metrics]
    assert found == [
        Metric("AWS/Lambda", "Errors", (("FunctionName", "one"),), "Sum"),
        Metric("AWS/Lambda", "Errors", (("FunctionName", "two"),), "p90"),
        Metric("AWS/Lambda", "Duration", (("FunctionName", "two"),), "p90"),
    ]
    assert found[0].request["Dimensions"] == [{"Name": "FunctionName", "Value": "one"}]


def test_alarms_and_log_groups() -> None:
    read = widgets.read(
        body(
            {"alarms": ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:concert-x"]},
            {"query": "SOURCE '/aws/a' | SOURCE '/aws/b' | fields @message"},
        )
    )
    assert [name for _, name in read.references] == ["concert-x", "/aws/a", "/aws/b"]
    assert read.problems == ()


def test_what_cannot_render_is_named() -> None:
    assert widgets.read({}).problems == ("no widgets",)
    good = [["AWS/SQS", "Sent", {"id": "sent"}], [{"expression": "100 * sent / FILL(sent, 0)"}]]
    assert widgets.read(body({"metrics": good})).problems == ()
    bad = [["AWS/SQS", "Sent", "QueueName"], [{"expression": "SUM([sent]) + 'sent here'"}]]
    assert widgets.read(body({"metrics": bad})).problems == (
        "w: ['AWS/SQS', 'Sent', 'QueueName'] is no metric",
        "w: SUM([sent]) + 'sent here': there is no sent",
    )
