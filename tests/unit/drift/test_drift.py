"""The baseline, what is written to put a thing back, and the report."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.drift import baseline, reports, restore
from ansible_collections.concert.platform.plugins.module_utils.drift.errors import DriftError
from ansible_collections.concert.platform.plugins.module_utils.drift.model import (
    NOTHING,
    Difference,
    Drifted,
    Looked,
    NotChecked,
)

TODAY = date(2026, 11, 27)
QUEUE = Drifted(
    "compute",
    "FailureQueue",
    "AWS::SQS::Queue",
    "https://sqs/1/q",
    (
        Difference("/VisibilityTimeout", "30", "77"),
        Difference("/Tags/3", NOTHING, '{"Key": "x"}'),
        Difference("/RedrivePolicy/maxReceiveCount", "5", NOTHING),
    ),
    expected={"VisibilityTimeout": 30, "RedrivePolicy": {"maxReceiveCount": 5}},
)
GONE = Drifted(
    "monitoring",
    "Alarm",
    "AWS::CloudWatch::Alarm",
    "alarm",
    (Difference("", "exists", "deleted"),),
    True,
    by_hand="how",
)


def test_what_is_accepted_by_value_is_not_drift_until_the_value_changes(tmp_path: Path) -> None:
    file = tmp_path / "new" / "development.yml"
    assert baseline.load(file) == []
    baseline.add(file, QUEUE, "a slow consumer: 'until May'", TODAY)
    accepted = baseline.load(file)
    assert len(accepted) == 3
    kept = baseline.sort([QUEUE, GONE], accepted)
    assert [drifted.key for drifted in kept.open] == ["monitoring/Alarm"]
    assert {entry.reason for _, _, entry in kept.accepted} == {"a slow consumer: 'until May'"}
    other = Drifted("compute", "FailureQueue", "", "", (Difference("/VisibilityTimeout", "30", "78"),))
    again = baseline.sort([other], accepted)
    assert [drifted.differences for drifted in again.open] == [other.differences]
    assert len(again.unused) == 3


def test_an_entry_is_added_below_what_somebody_wrote(tmp_path: Path) -> None:
    file = tmp_path / "development.yml"
    baseline.add(file, GONE, "nobody reads it", TODAY)
    file.write_text(file.read_text() + "  # agreed with operations\n")
    baseline.add(file, QUEUE, "slow", TODAY)
    assert "# agreed with operations" in file.read_text()
    assert [entry.resource for entry in baseline.load(file)] == ["monitoring/Alarm", *["compute/FailureQueue"] * 3]


def test_part_of_a_thing_is_accepted_and_the_rest_counts(tmp_path: Path) -> None:
    entry = baseline.Accepted("compute/FailureQueue", "/VisibilityTimeout", "77", "slow", TODAY)
    left = baseline.sort([QUEUE], [entry]).open[0]
    assert [difference.property for difference in left.differences] == ["/Tags/3", "/RedrivePolicy/maxReceiveCount"]
    assert left.expected == QUEUE.expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "needs one list `accepted`"),
        (
            "accepted: [{resource: a}]",
            "entry 1 has resource; it needs exactly actual, property, reason, resource, since",
        ),
        ("accepted: [{resource: a, property: b, actual: c, reason: d, since: x}]", "since is 'x'"),
        ("accepted: [{resource: a, property: b, actual: c, reason: ' ', since: 2026-01-01}]", "has no reason"),
        ("accepted: [", "cannot be read as YAML"),
    ],
)
def test_a_wrong_baseline_is_refused_with_what_is_right(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "baseline.yml"
    file.write_text(text)
    with pytest.raises(DriftError) as caught:
        baseline.load(file)
    assert said in str(caught.value)


def test_putting_back_writes_the_template_s_values_and_removes_what_it_has_not() -> None:
    assert restore.patch(QUEUE) == [
        {"op": "add", "path": "/VisibilityTimeout", "value": 30},
        {"op": "remove", "path": "/Tags"},
        {"op": "add", "path": "/RedrivePolicy", "value": {"maxReceiveCount": 5}},
    ]


class Holder:
    """A layer that holds an API."""

    def held(self, layer: str) -> list[dict[str, str]]:
        assert layer == "compute"
        return [{"ResourceType": "AWS::ApiGateway::RestApi", "PhysicalResourceId": "a1"}]


def test_cloud_control_is_told_a_type_s_own_identifier() -> None:
    holder: Any = Holder()
    assert restore.identifier(holder, QUEUE) == "https://sqs/1/q"
    assert restore.identifier(holder, Drifted("compute", "S", "AWS::ApiGateway::Stage", "live", ())) == "a1|live"
    names = {"LogGroupName": "g", "FilterName": "f"}
    found = Drifted("tracing", "F", "AWS::Logs::MetricFilter", "f", (), expected=names)
    assert restore.identifier(holder, found) == "g|f"
    with pytest.raises(DriftError, match="LogGroupName and FilterName are not known"):
        restore.identifier(holder, Drifted("tracing", "F", "AWS::Logs::MetricFilter", "f", ()))


class Control:
    """Cloud Control that takes a while, and then ends as it was told."""

    def __init__(self, *statuses: str) -> None:
        self.statuses = list(statuses)
        self.asked: list[dict[str, Any]] = []

    def client(self, service: str) -> Control:
        assert service == "cloudcontrol"
        return self

    def _event(self) -> dict[str, Any]:
        event = {"OperationStatus": self.statuses.pop(0), "RequestToken": "t", "StatusMessage": "not so"}
        return {"ProgressEvent": event}

    def update_resource(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return self._event()

    def get_resource_request_status(self, RequestToken: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        assert RequestToken == "t"
        return self._event()


def test_putting_back_waits_for_cloud_control(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "_PAUSE_SECONDS", 0)
    control: Any = Control("PENDING", "IN_PROGRESS", "SUCCESS")
    assert "VisibilityTimeout" in restore.put_back(control, QUEUE, 10)
    assert control.asked[0]["TypeName"] == "AWS::SQS::Queue"
    assert json.loads(control.asked[0]["PatchDocument"]) == restore.patch(QUEUE)
    failed: Any = Control("IN_PROGRESS", "FAILED")
    with pytest.raises(DriftError, match="was not put back: not so"):
        restore.put_back(failed, QUEUE, 10)
    stuck: Any = Control("IN_PROGRESS", "IN_PROGRESS")
    with pytest.raises(DriftError, match="still being put back"):
        restore.put_back(stuck, QUEUE, -1)
    with pytest.raises(DriftError, match="cannot be put back by this playbook: how"):
        restore.put_back(failed, GONE, 10)


def report() -> reports.Report:
    accepted = baseline.Accepted("monitoring/Alarm", "", "deleted", "nobody reads it", TODAY)
    looked = (
        Looked(
            "compute", 7, (QUEUE,), (NotChecked("Stage", "AWS::X::Y", "no"), NotChecked("Other", "AWS::X::Y", "no"))
        ),
        Looked("monitoring", 3, (GONE,)),
        Looked("warehouse", 0, (), (NotChecked("warehouse", "everything", "AccessDenied"),), "facts"),
    )
    found = [drifted for area in looked for drifted in area.drifted]
    return reports.Report(
        "development", "1", "eu-west-1", datetime(2026, 11, 27, tzinfo=UTC), looked, baseline.sort(found, [accepted])
    )


def test_the_terminal_counts_both_and_tells_property_values_and_commands() -> None:
    text = "\n".join(line for line, _ in reports.terminal(report()))
    for part in (
        "compute           7 resources compared, 2 not: 1 differs",
        "monitoring        3 resources compared: as deployed",
        "warehouse         0 facts compared: not checked",
        "DRIFT compute/FailureQueue",
        "/VisibilityTimeout: was 30, now 77",
        "-e drift_restore=compute/FailureQueue",
        "-e drift_accept=compute/FailureQueue",
        "since 2026-11-27: nobody reads it",
        "no: 2 AWS::X::Y",
        "AccessDenied: 1 warehouse",
        "1 thing differs, 1 accepted difference; 10 compared, 3 not",
    ):
        assert " ".join(part.split()) in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_the_terminal_names_the_types_that_are_many_and_counts_the_others() -> None:
    unchecked = tuple(NotChecked(f"R{kind}{n}", f"AWS::X::T{kind}", "no") for kind in range(9) for n in range(9 - kind))
    told = dataclasses.replace(report(), looked=(Looked("compute", 7, (), unchecked),))
    text = " ".join(" ".join(line for line, _ in reports.terminal(told)).split())
    assert "no: 9 AWS::X::T0, 8 AWS::X::T1, 7 AWS::X::T2" in text
    assert "4 AWS::X::T5, 6 of 3 other types" in text


def test_the_reports_name_each_thing_that_was_not_compared() -> None:
    data = json.loads(reports.as_json(report(), report_only=False))
    assert data["failed"] is True
    assert [item["name"] for item in data["areas"][0]["not_checked"]] == ["Stage", "Other"]
    assert json.loads(reports.as_json(report(), report_only=True))["failed"] is False
    assert "compute: AWS::X::Y Other, Stage: no" in reports.as_markdown(report())
