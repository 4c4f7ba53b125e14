"""The baseline for ticket predictions: what history says, no more certain than history is.

Rates are pulled towards the platform's own rate in the measure that there is little history, so one sold-out night
does not promise a sold-out year. It is labelled `baseline` wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from statistics import fmean, pstdev
from typing import cast

from concert_common import queries
from concert_common.warehouse import Row, Statement

MODEL = "baseline"
LOW_CONFIDENCE = 0.7

#: Concerts that the prior weighs: with as many of one's own, history and prior count the same.
_PRIOR_EVENTS = 4
_PRIOR_WEEKDAY_EVENTS = 10
_PRIOR_PRICE_EVENTS = 20
#: Fewer priced concerts say nothing about how price moves attendance.
_LEAST_PRICED_EVENTS = 8
#: The rate assumed when the platform has no completed concert at all.
_RATE_WITHOUT_HISTORY = 0.5
#: The spread assumed when too few concerts show one.
_UNKNOWN_SPREAD = 0.25
_WEEKEND = frozenset({4, 5})  # Friday and Saturday nights


@dataclass(frozen=True)
class PastConcert:
    """One completed concert: what it could have sold, what it sold."""

    artist_id: str
    venue_id: str
    capacity: int
    attendance: int
    revenue: Decimal
    day: date

    @classmethod
    def from_row(cls, row: Row) -> PastConcert:
        """From `queries.concert_history`."""
        return cls(
            str(row["artist_id"]),
            str(row["venue_id"]),
            int(cast(int, row["capacity"])),
            int(cast(int, row["total_attendance"])),
            Decimal(str(row["revenue"] or 0)),
            cast(date, row["event_date"]),
        )

    @property
    def rate(self) -> float:
        """The share of the house that came, at most 1."""
        return min(1.0, self.attendance / self.capacity)

    @property
    def price(self) -> float | None:
        """Revenue per head, if there was any."""
        return float(self.revenue) / self.attendance if self.attendance and self.revenue > 0 else None


@dataclass(frozen=True)
class Overall:
    """The platform's completed concerts together."""

    events: int
    rate: float
    price: Decimal

    @classmethod
    def from_row(cls, row: Row) -> Overall:
        """From `queries.overall_history`."""
        events = int(cast(int, row["events"] or 0))
        attendance = int(cast(int, row["attendance"] or 0))
        capacity = int(cast(int, row["capacity"] or 0))
        revenue = Decimal(str(row["revenue"] or 0))
        return cls(
            events,
            attendance / capacity if capacity else _RATE_WITHOUT_HISTORY,
            revenue / attendance if attendance else Decimal(0),
        )


@dataclass(frozen=True)
class Question:
    """The concert to predict. `capacity` is the venue's."""

    artist_id: str
    venue_id: str
    capacity: int
    event_date: date | None = None
    ticket_price: Decimal | None = None


@dataclass(frozen=True)
class Prediction:
    """What to expect, how sure, and what it rests on. `factors` names the effects that were applied."""

    tickets: int
    revenue: Decimal
    confidence: float
    artist_events: int
    venue_events: int
    factors: tuple[str, ...]

    @property
    def low_confidence(self) -> bool:
        """Whether to warn the reader."""
        return self.confidence < LOW_CONFIDENCE


def statements(artist_id: str, venue_id: str) -> list[Statement]:
    """The history that `from_rows` takes, in its order."""
    return [queries.concert_history(artist_id, venue_id), queries.overall_history()]


def from_rows(question: Question, results: Sequence[Sequence[Row]]) -> Prediction:
    """Predict from the results of `statements`."""
    history, overall = results
    return predict(question, [PastConcert.from_row(row) for row in history], Overall.from_row(overall[0]))


def predict(question: Question, history: Sequence[PastConcert], overall: Overall) -> Prediction:
    """The baseline: artist's and venue's rates combined, moved by weekday and price, bounded by the capacity."""
    by_artist = [concert for concert in history if concert.artist_id == question.artist_id]
    in_venue = [concert for concert in history if concert.venue_id == question.venue_id]
    expected = _combined(by_artist, in_venue, overall.rate)
    factors = [name for name, found in (("artist", by_artist), ("venue", in_venue)) if found]
    if question.event_date is not None and history:
        expected *= _weekday_effect(question.event_date, history)
        factors.append("weekday")
    if question.ticket_price is not None:
        shift = _price_effect(float(question.ticket_price), history)
        if shift is not None:
            expected += shift
            factors.append("price")
    expected = min(1.0, max(0.0, expected))
    tickets = min(question.capacity, math.floor(question.capacity * expected + 0.5))
    price = question.ticket_price or _usual_price(by_artist, in_venue, overall)
    return Prediction(
        tickets,
        (price * tickets).quantize(Decimal("0.01"), ROUND_HALF_UP),
        _confidence(by_artist, in_venue),
        len(by_artist),
        len(in_venue),
        tuple(factors),
    )


def _shrunk(rates: Sequence[float], prior: float, weight: int) -> float:
    return (sum(rates) + weight * prior) / (len(rates) + weight)


def _logit(share: float) -> float:
    share = min(0.99, max(0.01, share))
    return math.log(share / (1 - share))


def _combined(by_artist: Sequence[PastConcert], in_venue: Sequence[PastConcert], prior: float) -> float:
    """Both deviations from the prior add up on the logit scale, where a rate cannot leave 0 to 1."""
    artist = _shrunk([concert.rate for concert in by_artist], prior, _PRIOR_EVENTS)
    venue = _shrunk([concert.rate for concert in in_venue], prior, _PRIOR_EVENTS)
    return 1 / (1 + math.exp(-(_logit(artist) + _logit(venue) - _logit(prior))))


def _weekday_effect(day: date, history: Sequence[PastConcert]) -> float:
    """How much fuller such nights are than all nights, pulled towards no effect."""
    alike = [concert.rate for concert in history if (concert.day.weekday() in _WEEKEND) == (day.weekday() in _WEEKEND)]
    usual = fmean(concert.rate for concert in history)
    if not alike or usual == 0:
        return 1.0
    return _shrunk([fmean(alike) / usual] * len(alike), 1.0, _PRIOR_WEEKDAY_EVENTS)


def _price_effect(price: float, history: Sequence[PastConcert]) -> float | None:
    """The shift in the rate that this price means, by least squares on log price; None without enough to tell.

    A dearer ticket never raises the rate: where history shows that, fame drove both.
    """
    priced = [(math.log(concert.price), concert.rate) for concert in history if concert.price]
    if len(priced) < _LEAST_PRICED_EVENTS:
        return None
    mean_price = fmean(point[0] for point in priced)
    mean_rate = fmean(point[1] for point in priced)
    spread = sum((point[0] - mean_price) ** 2 for point in priced)
    if spread < 1e-9:
        return None
    slope = sum((point[0] - mean_price) * (point[1] - mean_rate) for point in priced) / spread
    slope *= len(priced) / (len(priced) + _PRIOR_PRICE_EVENTS)
    return min(0.0, max(-0.5, slope)) * (math.log(price) - mean_price)


def _usual_price(by_artist: Sequence[PastConcert], in_venue: Sequence[PastConcert], overall: Overall) -> Decimal:
    """Revenue per head of the artist, else in the venue, else on the platform."""
    for concerts in (by_artist, in_venue):
        heads = sum(concert.attendance for concert in concerts if concert.revenue > 0)
        if heads:
            return sum((concert.revenue for concert in concerts), Decimal(0)) / heads
    return overall.price


def _confidence(by_artist: Sequence[PastConcert], in_venue: Sequence[PastConcert]) -> float:
    """0 to 1: grows with history, the artist's above all, and shrinks with its spread."""
    evidence = len(by_artist) + 0.5 * len(in_venue)
    shown = by_artist if len(by_artist) >= 3 else [*by_artist, *in_venue]
    spread = pstdev([concert.rate for concert in shown]) if len(shown) >= 3 else _UNKNOWN_SPREAD
    sure = evidence / (evidence + _PRIOR_EVENTS) * (1 - min(0.6, 1.5 * spread))
    if not by_artist:
        sure *= 0.6
    return round(min(0.95, max(0.05, sure)), 2)
