"""The chatbot's hourly figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from concert_common.hours import hour_key, hour_keys

from tests.fakes.functions import Context, FakeAws, FakeClient, event_named


def turn(session: str, role: str, confidence: float | None = None, user: str | None = None) -> dict[str, Any]:
    """A stored turn as the index returns it."""
    item: dict[str, Any] = {"session_id": {"S": session}, "role": {"S": role}}
    if confidence is not None:
        item["confidence"] = {"N": str(confidence)}
    if user is not None:
        item["user_id"] = {"S": user}
    return item


KEY = "2026-11-24T08#2"
PAGES = [
    [turn("s1", "user", user="u1"), turn("s1", "assistant", 0.9, "u1")],
    [turn("s2", "user"), turn("s2", "assistant", 0.5), turn("s1", "user", user="u1")],
]


def publish(load: Callable[..., Any], aws: FakeAws, pages: list[Any], seconds: float = 60) -> FakeClient:
    """One run over these pages; the CloudWatch client it used."""

    def query(ExpressionAttributeValues: Any, ExclusiveStartKey: Any = None, **_: Any) -> dict[str, Any]:  # noqa: N803
        if ExpressionAttributeValues[":hour"]["S"] != KEY:
            return {"Items": []}
        number = int(ExclusiveStartKey["page"]["N"]) if ExclusiveStartKey else 0
        more = number + 1 < len(pages)
        return {"Items": pages[number], **({"LastEvaluatedKey": {"page": {"N": str(number + 1)}}} if more else {})}

    aws["dynamodb"] = FakeClient(query=query)
    cloudwatch = FakeClient(put_metric_data=lambda **_: {})
    aws["cloudwatch"] = cloudwatch
    load("chatbot_analytics", "handler").handler.lambda_handler(event_named("schedule"), Context(seconds))
    return cloudwatch


def test_the_hour_before_the_schedules_moment_is_published(load: Callable[..., Any], aws: FakeAws) -> None:
    (call,) = publish(load, aws, PAGES).of("put_metric_data")
    assert call["Namespace"] == "ConcertChatbot"
    assert {entry["MetricName"]: entry["Value"] for entry in call["MetricData"]} == {
        "TotalConversations": 3,
        "UniqueSessions": 2,
        "UniqueUsers": 1,
        "AverageConfidence": 0.7,
        "LowConfidenceResponses": 1,
    }
    for entry in call["MetricData"]:
        assert entry["Dimensions"] == [{"Name": "Environment", "Value": "development"}]
        assert entry["Timestamp"] == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    asked = aws.clients["dynamodb"].of("query")
    assert {call["IndexName"] for call in asked} == {"HourIndex"}
    assert [call["ExpressionAttributeValues"][":hour"]["S"] for call in asked] == [
        "2026-11-24T08#0", "2026-11-24T08#1", KEY, KEY, "2026-11-24T08#3",
    ]  # fmt: skip


def test_every_turn_is_under_one_of_its_hours_keys_and_a_session_under_the_same() -> None:
    start = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    first = int(start.timestamp() * 1000)
    found = Counter(hour_key(first + n, f"session-{n}") for n in range(1000))
    assert set(found) == set(hour_keys(start))
    assert min(found.values()) > 150
    assert hour_key(first, "s") == hour_key(first + 3_599_999, "s") != hour_key(first + 3_600_000, "s")


def test_a_quiet_hour_is_zero_and_has_no_average(load: Callable[..., Any], aws: FakeAws) -> None:
    (call,) = publish(load, aws, [[]]).of("put_metric_data")
    values = {entry["MetricName"]: entry["Value"] for entry in call["MetricData"]}
    assert "AverageConfidence" not in values
    assert set(values.values()) == {0}


def test_half_an_hours_figures_are_never_published(load: Callable[..., Any], aws: FakeAws) -> None:
    with pytest.raises(TimeoutError, match="nothing was published"):
        publish(load, aws, PAGES, seconds=9)
    assert aws.clients["cloudwatch"].calls == []


@pytest.mark.parametrize(
    ("event", "start"),
    [
        ({"time": "2026-11-24T09:00:00Z"}, "2026-11-24T08:00:00+00:00"),
        ({"time": "2026-11-24T00:59:59Z"}, "2026-11-23T23:00:00+00:00"),
        ({}, "2026-11-24T11:00:00+00:00"),
        ({"time": "now"}, "2026-11-24T11:00:00+00:00"),
    ],
)
def test_the_hour_is_the_last_full_one(load: Callable[..., Any], event: dict[str, str], start: str) -> None:
    hour = load("chatbot_analytics").core.Hour.of_event(event, datetime(2026, 11, 24, 12, 1, tzinfo=UTC))
    assert hour.start.isoformat() == start
