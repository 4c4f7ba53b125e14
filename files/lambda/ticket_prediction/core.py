"""What a ticket prediction asks and how it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, cast

from concert_common import prediction, queries
from concert_common.errors import NotFoundError
from concert_common.formats import money
from concert_common.http import Event
from concert_common.requests import read
from concert_common.warehouse import Row, Statement

#: Less than the gateway's 29 s and the function's own time-out, so that a slow warehouse still gets a 504 from us.
ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class PredictionRequest:
    """The concert to predict."""

    artist_id: str
    venue_id: str
    event_date: date | None
    ticket_price: Decimal | None

    @classmethod
    def from_event(cls, event: Event) -> PredictionRequest:
        """Raises 400 for a missing or wrong field."""
        values = read(event, "predictTickets")
        day, price = values["event_date"], values["ticket_price"]
        return cls(
            values["artist_id"],
            values["venue_id"],
            date.fromisoformat(day) if day is not None else None,
            Decimal(price) if price is not None else None,
        )

    def statements(self) -> list[Statement]:
        """Artist, venue, then the history that the baseline takes."""
        return [
            queries.artist(self.artist_id),
            queries.venue(self.venue_id),
            *prediction.statements(self.artist_id, self.venue_id),
        ]


def body(request: PredictionRequest, results: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """The whole answer; raises 404 when the warehouse knows no such artist or venue."""
    artists, venues, *history = results
    if not artists:
        raise NotFoundError("artist_id", request.artist_id)
    if not venues:
        raise NotFoundError("venue_id", request.venue_id)
    question = prediction.Question(
        request.artist_id,
        request.venue_id,
        cast(int, venues[0]["capacity"]),
        request.event_date,
        request.ticket_price,
    )
    expected = prediction.from_rows(question, history)
    return {
        "artist_id": request.artist_id,
        "venue_id": request.venue_id,
        "predicted_tickets": expected.tickets,
        "predicted_revenue": money(expected.revenue),
        "confidence": expected.confidence,
        "low_confidence": expected.low_confidence,
        "model": prediction.MODEL,
        "basis": {
            "artist_events": expected.artist_events,
            "venue_events": expected.venue_events,
            "factors": list(expected.factors),
        },
    }
