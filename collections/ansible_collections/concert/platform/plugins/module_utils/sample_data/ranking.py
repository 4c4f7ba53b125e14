"""The ranking of venues, computed from rows in plain Python: what the API has to answer, found without its SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

from .reader import DATASETS, read
from .records import day

#: The period that figures as of a day look at: this many days before it, that day itself left out.
PERIOD = timedelta(days=365)

_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_CENT, _MILLIONTH = Decimal("0.01"), Decimal("0.000001")


def expected_venue_popularity(
    directory: Path, anchor: date, as_of: date, top_n: int, min_events: int
) -> list[dict[str, Any]]:
    """What `/venues/popularity` answers as of a day, if the warehouse holds the sample files loaded with `anchor`."""
    concerts = [{**row, "event_date": day(row["event_day"], anchor)} for row in read(directory, DATASETS["concerts"])]
    return rank_venues(read(directory, DATASETS["venues"]), concerts, as_of, top_n, min_events)


def rank_venues(
    venues: Iterable[Mapping[str, Any]], concerts: Iterable[Mapping[str, Any]], as_of: date, top_n: int, min_events: int
) -> list[dict[str, Any]]:
    """The best `top_n` venues with at least `min_events` completed concerts in the period, as the API shows them.

    `venues` need venue_id, name, city and capacity; `concerts` need venue_id, event_date (a date, or its ISO text),
    total_attendance, revenue and status. Empty text counts as no value. A concert of an unknown venue is left out.
    """
    known = {str(venue["venue_id"]): venue for venue in venues}
    held: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for concert in concerts:
        if concert["status"] == "completed" and as_of - PERIOD <= _date(concert["event_date"]) < as_of:
            held[str(concert["venue_id"])].append(concert)
    figures = [
        _figures(known[venue_id], events)
        for venue_id, events in held.items()
        if venue_id in known and len(events) >= min_events
    ]
    figures.sort(key=lambda venue: (-venue["rate"], -venue["revenue"], venue["venue_id"]))
    return [_shown(rank, venue) for rank, venue in enumerate(figures[:top_n], start=1)]


def _figures(venue: Mapping[str, Any], events: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Exact sums and the unrounded rate of one venue."""
    capacity = int(venue["capacity"])
    attendance = sum(int(event["total_attendance"] or 0) for event in events)
    return {
        "venue_id": str(venue["venue_id"]),
        "name": venue["name"],
        "city": venue["city"],
        "capacity": capacity,
        "events": len(events),
        "rate": _EXACT.divide(Decimal(attendance), Decimal(capacity * len(events))),
        "revenue": sum((Decimal(str(event["revenue"] or 0)) for event in events), Decimal(0)),
    }


def _shown(rank: int, venue: Mapping[str, Any]) -> dict[str, Any]:
    """The figures as the API writes them: money as text, the rate as a number of at most four places."""
    return {
        "rank": rank,
        "venue_id": venue["venue_id"],
        "name": venue["name"],
        "city": venue["city"],
        "capacity": venue["capacity"],
        "total_events": venue["events"],
        "attendance_rate": round(float(_EXACT.quantize(venue["rate"], _MILLIONTH)), 4),
        "total_revenue": str(_EXACT.quantize(venue["revenue"], _CENT)),
        "revenue_per_event": str(_EXACT.quantize(_EXACT.divide(venue["revenue"], venue["events"]), _CENT)),
    }


def _date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))
