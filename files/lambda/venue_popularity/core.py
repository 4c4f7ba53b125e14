"""What the ranking of venues asks and how it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, cast

from concert_common import queries
from concert_common.formats import money, rate
from concert_common.http import Event
from concert_common.requests import read
from concert_common.warehouse import Row, Statement

#: Days that the views look back from their `as_of`.
PERIOD_DAYS = 365


@dataclass(frozen=True)
class PopularityRequest:
    """How many venues, and with how many concerts at least."""

    top_n: int
    min_events: int

    @classmethod
    def from_event(cls, event: Event) -> PopularityRequest:
        """Raises 400 for a value out of range."""
        values = read(event, "venuePopularity")
        return cls(values["top_n"], values["min_events"])

    def statements(self) -> list[Statement]:
        """The day of the figures, then the ranking."""
        return [queries.today(), queries.venue_popularity(top_n=self.top_n, min_events=self.min_events)]


def venue(row: Row) -> dict[str, Any]:
    """One venue of the answer. Its rank is its place among the venues that were asked for."""
    return {
        "rank": row["place"],
        "venue_id": row["venue_id"],
        "name": row["name"],
        "city": row["city"],
        "capacity": row["capacity"],
        "total_events": row["total_events"],
        "attendance_rate": rate(cast(float, row["attendance_rate"])),
        "total_revenue": money(cast(float, row["total_revenue"])),
        "revenue_per_event": money(cast(float, row["revenue_per_event"])),
    }


def body(today: Row, ranking: Sequence[Row]) -> dict[str, Any]:
    """The whole answer."""
    to = cast(date, today["today"])
    venues = [venue(row) for row in ranking]
    return {
        "venues": venues,
        "count": len(venues),
        "period": {"from": (to - timedelta(days=PERIOD_DAYS)).isoformat(), "to": to.isoformat()},
    }
