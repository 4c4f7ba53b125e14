"""The independent ranking, on numbers small enough to check by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.module_utils.sample_data.ranking import rank_venues

TODAY = date(2026, 11, 24)


def venue(venue_id: str, capacity: int = 100) -> dict[str, Any]:
    return {"venue_id": venue_id, "name": venue_id.upper(), "city": "City", "capacity": capacity}


def concert(venue_id: str, days_ago: int, attendance: Any = 50, revenue: Any = "10.00", **more: Any) -> dict[str, Any]:
    return {
        "venue_id": venue_id,
        "event_date": TODAY - timedelta(days_ago),
        "total_attendance": attendance,
        "revenue": revenue,
        "status": "completed",
    } | more


def rank(venues: list[dict[str, Any]], concerts: list[dict[str, Any]], **limits: int) -> list[dict[str, Any]]:
    return rank_venues(venues, concerts, TODAY, **({"top_n": 10, "min_events": 1} | limits))


def test_figures_are_sums_over_the_period_rounded_half_up_at_the_end() -> None:
    held = [(1, "0.01"), (1, "0.02"), (0, "0.02"), (0, "0")]
    concerts = [concert("a", days, seats, money) for days, (seats, money) in enumerate(held, start=1)]
    assert rank([venue("a", 800)], concerts) == [
        {
            "rank": 1,
            "venue_id": "a",
            "name": "A",
            "city": "City",
            "capacity": 800,
            "total_events": 4,
            # 2 of 3,200 seats: 0.000625; 0.05 over four concerts: 0.0125.
            "attendance_rate": 0.0006,
            "total_revenue": "0.05",
            "revenue_per_event": "0.01",
        }
    ]


@pytest.mark.parametrize(
    ("days_ago", "counts"),
    [(0, False), (1, True), (365, True), (366, False), (-1, False)],
    ids=["today", "yesterday", "first-day", "the-day-before", "tomorrow"],
)
def test_the_period_is_the_365_days_before(days_ago: int, counts: bool) -> None:
    assert bool(rank([venue("a")], [concert("a", days_ago)])) is counts


@pytest.mark.parametrize("status", ["scheduled", "cancelled", "postponed"])
def test_only_completed_concerts_count(status: str) -> None:
    assert rank([venue("a")], [concert("a", 1, status=status)]) == []


def test_rank_is_by_rate_then_revenue_then_id() -> None:
    venues = [venue("d"), venue("c"), venue("b"), venue("a"), venue("e", 300)]
    concerts = [
        concert("a", 1, 50, "1.00"),
        concert("b", 1, 50, "2.00"),
        concert("c", 1, 50, "1.00"),
        concert("d", 1, 51, "0.00"),
        concert("e", 1, 152, "9.00"),
    ]
    assert [row["venue_id"] for row in rank(venues, concerts)] == ["d", "e", "b", "a", "c"]


def test_limits_apply_before_ranks_are_given() -> None:
    concerts = [concert("a", 1, 90), concert("b", 1, 50), concert("b", 2, 50), concert("c", 1, 40), concert("c", 2, 40)]
    ranking = rank([venue("a"), venue("b"), venue("c")], concerts, min_events=2, top_n=1)
    assert [(row["rank"], row["venue_id"]) for row in ranking] == [(1, "b")]


def test_rows_of_the_warehouse_are_understood_as_they_come() -> None:
    concerts = [concert("a", 1, "50", 10.5, event_date="2026-11-23"), concert("a", 2, None, None), concert("x", 1)]
    (row,) = rank([{**venue("a"), "capacity": "100"}], concerts)
    assert (row["total_events"], row["attendance_rate"], row["total_revenue"]) == (2, 0.25, "10.50")
