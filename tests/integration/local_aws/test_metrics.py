"""Alarms follow their data and act, whichever way the data came."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from local_aws.alarms import next_state
from tests.integration.local_aws.support import eventually

NOW = 1_000_000.0

ALARM: dict[str, Any] = {
    "Namespace": "N",
    "MetricName": "M",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}


def points(*series: tuple[float, float]) -> Callable[[str, str, Mapping[str, str]], list[dict[str, Any]]]:
    """Stored points of every metric: (seconds before now, value)."""
    stored = [{"Timestamp": NOW - age, "Value": value, "Unit": "None"} for age, value in series]
    return lambda _namespace, _name, _dimensions: stored


@pytest.mark.parametrize(
    ("alarm", "series", "state"),
    [
        pytest.param({}, [(1, 6)], "ALARM", id="above"),
        pytest.param({}, [(1, 5)], "OK", id="at-the-threshold-is-not-above"),
        pytest.param({}, [(1, 3), (30, 3)], "ALARM", id="sum-over-the-period"),
        pytest.param({}, [(61, 9)], "OK", id="the-period-has-passed"),
        pytest.param({}, [], "OK", id="missing-is-not-breaching"),
        pytest.param({"TreatMissingData": "missing"}, [], "INSUFFICIENT_DATA", id="missing-is-missing"),
        pytest.param({"TreatMissingData": "breaching"}, [], "ALARM", id="missing-is-breaching"),
        pytest.param({"TreatMissingData": "ignore"}, [], None, id="missing-is-ignored"),
        pytest.param({"Namespace": "AWS/DynamoDB"}, [], None, id="dynamodb-always-ignores"),
        pytest.param({"EvaluationPeriods": 2}, [(1, 9)], "OK", id="two-periods-one-breach"),
        pytest.param({"EvaluationPeriods": 2}, [(1, 9), (61, 9)], "ALARM", id="two-periods-two-breaches"),
        pytest.param({"EvaluationPeriods": 3, "DatapointsToAlarm": 1}, [(130, 9)], "ALARM", id="one-of-three"),
        pytest.param({"Statistic": "Average"}, [(1, 9), (2, 1)], "OK", id="average"),
        pytest.param({"Statistic": None, "ExtendedStatistic": "p95"}, [(1, 9)] + [(1, 1)] * 9, "ALARM", id="p95"),
        pytest.param({"Unit": "Count"}, [(1, 9)], "OK", id="another-unit"),
        pytest.param({"ComparisonOperator": "LessThanThreshold"}, [(1, 4)], "ALARM", id="below"),
        pytest.param(
            {"ComparisonOperator": "GreaterThanUpperThreshold"}, [(1, 9)], "INSUFFICIENT_DATA", id="anomaly-band"
        ),
    ],
)
def test_the_state_follows_the_data(alarm: dict[str, Any], series: Any, state: str | None) -> None:
    decision = next_state(ALARM | alarm, NOW, points(*series))
    assert (decision.state if decision else None) == state


def math(expression: str, **values: list[tuple[float, float]]) -> str | None:
    queries = [
        {
            "Id": name,
            "MetricStat": {"Metric": {"Namespace": "N", "MetricName": name}, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        }
        for name in values
    ]
    queries.append({"Id": "answer", "Expression": expression, "ReturnData": True})
    alarm = ALARM | {"Metrics": queries}

    def stored(_namespace: str, name: str, _dimensions: Mapping[str, str]) -> list[dict[str, Any]]:
        return points(*values[name])("", "", {})

    decision = next_state(alarm, NOW, stored)
    return decision.state if decision else None


@pytest.mark.parametrize(
    ("expression", "state"),
    [
        ("100 * bad / all", "ALARM"),
        ("bad + all", "ALARM"),
        ("(bad - all) * -1", "ALARM"),
        ("IF(all > 100, 100 * bad / all, 0)", "OK"),
        ("FILL(none, 6)", "ALARM"),
        ("SUM([bad, all])", "ALARM"),
        ("MAX([bad, 1])", "OK"),
        ("bad / none", "OK"),
        ("bad / (all - all)", "OK"),
        ("ANOMALY_DETECTION_BAND(bad, 2)", "INSUFFICIENT_DATA"),
        ("unknown + 1", "INSUFFICIENT_DATA"),
        ("bad +", "INSUFFICIENT_DATA"),
    ],
)
def test_metric_math(expression: str, state: str) -> None:
    assert math(expression, bad=[(1, 2)], all=[(1, 20)], none=[]) == state


BAND = {
    "Namespace": None,
    "MetricName": None,
    "EvaluationPeriods": 1,
    "ThresholdMetricId": "expected",
    "ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold",
    "TreatMissingData": "notBreaching",
    "Metrics": [
        {
            "Id": "actual",
            "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"},
            "ReturnData": True,
        },
        {"Id": "expected", "Expression": "ANOMALY_DETECTION_BAND(actual, 2)", "ReturnData": True},
    ],
}
USUAL = [(90, 10), (150, 12), (210, 8), (270, 10)]


@pytest.mark.parametrize(
    ("alarm", "series", "state"),
    [
        pytest.param({}, [(1, 12), *USUAL], "OK", id="within"),
        pytest.param({}, [(1, 20), *USUAL], "ALARM", id="above"),
        pytest.param({}, [(1, 2), *USUAL], "ALARM", id="below"),
        pytest.param(
            {"ComparisonOperator": "GreaterThanUpperThreshold"}, [(1, 2), *USUAL], "OK", id="only-above-counts"
        ),
        pytest.param({"ComparisonOperator": "LessThanLowerThreshold"}, [(1, 20), *USUAL], "OK", id="only-below-counts"),
        pytest.param({}, USUAL, "OK", id="missing-is-not-breaching"),
        pytest.param({}, [(1, 20), *USUAL[:2]], "INSUFFICIENT_DATA", id="too-little-is-known"),
        pytest.param({"EvaluationPeriods": 2}, [(1, 20), (61, 20), *USUAL[1:]], "ALARM", id="both-of-two"),
        pytest.param({"EvaluationPeriods": 2}, [(1, 20), *USUAL], "OK", id="one-of-two"),
        pytest.param({"ThresholdMetricId": "nobody"}, [(1, 20), *USUAL], "INSUFFICIENT_DATA", id="no-such-band"),
        pytest.param(
            {"ComparisonOperator": "GreaterThanThreshold"},
            [(1, 20), *USUAL],
            "INSUFFICIENT_DATA",
            id="no-band-operator",
        ),
    ],
)
def test_a_band_is_what_was_usual(alarm: dict[str, Any], series: Any, state: str) -> None:
    decision = next_state(BAND | alarm, NOW, points(*series))
    assert decision is not None
    assert decision.state == state, decision


def test_an_anomaly_is_published(client: Callable[..., Any], alerts: Any) -> None:
    topic, messages = alerts
    namespace, now = f"Test{uuid.uuid4().hex[:6]}", time.time()
    metric = {"Namespace": namespace, "MetricName": "Requests", "Dimensions": [{"Name": "Environment", "Value": "dev"}]}
    client("cloudwatch").put_metric_alarm(
        AlarmName=f"anomaly-{uuid.uuid4().hex[:6]}",
        EvaluationPeriods=1,
        ThresholdMetricId="expected",
        ComparisonOperator="GreaterThanUpperThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
        Metrics=[
            {"Id": "actual", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}},
            {"Id": "expected", "Expression": "ANOMALY_DETECTION_BAND(actual, 3)"},
        ],
    )
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNamePrefix="anomaly-")["MetricAlarms"]
    assert (alarm["ThresholdMetricId"], "Threshold" in alarm) == ("expected", False)
    datum = {"MetricName": "Requests", "Dimensions": metric["Dimensions"]}
    history = [{**datum, "Value": 10 + n % 2, "Timestamp": now - 90 - 60 * n} for n in range(10)]
    client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=history)
    time.sleep(1.5)
    assert "ALARM" not in states(messages)
    client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[{**datum, "Value": 100}])
    eventually(lambda: "ALARM" in states(messages), what="the anomaly's message")


@pytest.fixture
def alerts(client: Callable[..., Any]) -> tuple[str, Callable[[], list[dict[str, Any]]]]:
    """A topic, and what was published to it so far."""
    sns, sqs = client("sns"), client("sqs")
    name = f"alerts-{uuid.uuid4().hex[:6]}"
    topic: str = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": queue}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    received: list[dict[str, Any]] = []

    def messages() -> list[dict[str, Any]]:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            received.append(json.loads(json.loads(message["Body"])["Message"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return received

    return topic, messages


def put_alarm(client: Callable[..., Any], namespace: str, topic: str, **options: Any) -> str:
    name = f"alarm-{uuid.uuid4().hex[:6]}"
    settings = {
        "AlarmName": name,
        "Namespace": namespace,
        "MetricName": "Signal",
        "Dimensions": [{"Name": "Environment", "Value": "dev"}],
        "Statistic": "Sum",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [topic],
        "OKActions": [topic],
    }
    client("cloudwatch").put_metric_alarm(**(settings | options))
    return name


def put_signal(client: Callable[..., Any], namespace: str, environment: str = "dev") -> None:
    client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {"MetricName": "Signal", "Value": 1, "Dimensions": [{"Name": "Environment", "Value": environment}]}
        ],
    )


def states(messages: Callable[[], list[dict[str, Any]]]) -> list[str]:
    return [message["NewStateValue"] for message in messages()]


def test_a_breach_and_its_end_are_published(client: Callable[..., Any], alerts: Any) -> None:
    topic, messages = alerts
    namespace = f"Test{uuid.uuid4().hex[:6]}"
    put_alarm(client, namespace, topic)
    put_signal(client, namespace)
    eventually(lambda: "ALARM" in states(messages), what="the alarm's message")
    eventually(lambda: states(messages)[-1] == "OK", seconds=20, what="the message of its end")


def test_another_dimension_does_not_raise_the_alarm(client: Callable[..., Any], alerts: Any) -> None:
    topic, messages = alerts
    namespace = f"Test{uuid.uuid4().hex[:6]}"
    name = put_alarm(client, namespace, topic)
    put_signal(client, namespace, environment="prod")
    time.sleep(1.5)
    assert "ALARM" not in states(messages)
    assert client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"] == "OK"


def test_a_functions_error_raises_an_alarm_on_its_metric(
    client: Callable[..., Any], functions: Any, alerts: Any
) -> None:
    topic, messages = alerts
    name = functions.create("def lambda_handler(event, context):\n    raise ValueError('no')\n")
    dimensions = [{"Name": "FunctionName", "Value": name}]
    put_alarm(client, "AWS/Lambda", topic, MetricName="Errors", Dimensions=dimensions, Period=60)
    functions.invoke(name)
    eventually(lambda: "ALARM" in states(messages), what="the alarm's message")
