"""GET /venues/popularity."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.functions import Context, FakeAws, answer_body, get_event

ROW = {
    "place": 1,
    "venue_id": "venue-1",
    "name": "Red Rocks Amphitheatre",
    "city": "Morrison",
    "capacity": 9525,
    "total_events": 12,
    "attendance_rate": Decimal("0.973123"),
    "total_revenue": Decimal("1234567.80"),
    "revenue_per_event": Decimal("102880.65"),
}


def answering(rows: list[dict[str, Any]]) -> Callable[[str, dict[str, str]], list[dict[str, Any]]]:
    """The warehouse holds these rows."""
    return lambda sql, _: [{"today": date(2026, 11, 24)}] if "AS today" in sql else rows


def test_the_ranking_is_answered_as_documented(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = answering([ROW])
    body = answer_body(load("venue_popularity", "handler").handler.lambda_handler(get_event(), Context()))
    body.pop("timestamp")
    assert body == {
        "venues": [
            {
                "rank": 1,
                "venue_id": "venue-1",
                "name": "Red Rocks Amphitheatre",
                "city": "Morrison",
                "capacity": 9525,
                "total_events": 12,
                "attendance_rate": 0.9731,
                "total_revenue": "1234567.80",
                "revenue_per_event": "102880.65",
            }
        ],
        "count": 1,
        "period": {"from": "2025-11-24", "to": "2026-11-24"},
    }


def test_the_view_is_asked_as_of_today_with_bound_limits(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.answer = answering([])
    event = get_event({"top_n": "3", "min_events": "7"})
    assert answer_body(load("venue_popularity", "handler").handler.lambda_handler(event, Context()))["count"] == 0
    ((sql, parameters),) = [executed for executed in aws.data_api.executed if "v_venue_popularity" in executed[0]]
    assert parameters == {"top_n": "3", "min_events": "7"}
    assert "as_of = CURRENT_DATE" in sql
    assert "total_events >= CAST(:min_events AS INTEGER)" in sql
    assert "place <= CAST(:top_n AS INTEGER)" in sql
    assert "ORDER BY popularity_rank" in sql


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param({"top_n": "0"}, "top_n", id="too-few"),
        pytest.param({"top_n": "101"}, "top_n", id="too-many"),
        pytest.param({"top_n": "ten"}, "top_n", id="a-word"),
        pytest.param({"top_n": "1; DROP TABLE x"}, "top_n", id="hostile"),
        pytest.param({"min_events": "0"}, "min_events", id="no-events"),
    ],
)
def test_a_limit_out_of_range_is_400_and_asks_nothing(
    load: Callable[..., Any], aws: FakeAws, query: dict[str, str], field: str
) -> None:
    answer = load("venue_popularity", "handler").handler.lambda_handler(get_event(query), Context())
    details = answer_body(answer, 400)["details"]
    assert details["field"] == field
    assert "integer" in details["rule"]
    assert aws.data_api.executed == []


def test_without_parameters_ten_venues_with_five_concerts_are_asked_for(load: Callable[..., Any]) -> None:
    core = load("venue_popularity").core
    assert core.PopularityRequest.from_event(get_event()) == core.PopularityRequest(top_n=10, min_events=5)


def test_a_slow_warehouse_is_504_before_lambda_ends_the_invocation(load: Callable[..., Any], aws: FakeAws) -> None:
    aws.data_api.never_ends = True
    answer = load("venue_popularity", "handler").handler.lambda_handler(get_event(), Context(seconds=2.2))
    assert answer_body(answer, 504)["details"] == {"dependency": "warehouse"}
    assert aws.data_api.cancelled
