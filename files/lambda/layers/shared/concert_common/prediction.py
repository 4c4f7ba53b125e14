"""The baseline for ticket predictions: what history says, no more certain than history is.

Two models of the same form (`effects`) are learnt from the latest completed concerts: what a visitor pays, and what
share of the house comes. Popularity, capacity and weekday move the share, and so does how dear the ticket is, that is
how far its price is from what this artist in this house usually costs. Artist and house add what they show beyond that,
in the measure that they have a history. It is labelled `baseline` wherever it is shown.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from statistics import NormalDist, pvariance
from typing import cast

from concert_common import effects, queries
from concert_common.effects import Fit, Observation
from concert_common.errors import NotFoundError
from concert_common.warehouse import Ask, Row

MODEL = "baseline"
LOW_CONFIDENCE = 0.7
#: Confidence is the chance that the real number lies within this share of the predicted one.
TOLERANCE = 0.1
#: The share of real numbers that the range is meant to hold.
RANGE_SHARE = 0.8
#: How long what was learnt stays good. New concerts of an artist or a house count at once.
TREND_SECONDS = 600.0

#: The rate assumed when the platform has no completed concert at all.
_RATE_WITHOUT_HISTORY = 0.5
_DAYS = 7
#: Constant, popularity, capacity; then how dear it is; then one for each weekday.
_KIND_FEATURES = 3
_DEARNESS = _KIND_FEATURES
_FEATURES = _KIND_FEATURES + 1 + _DAYS
_RANGE_WIDTH = NormalDist().inv_cdf(0.5 + RANGE_SHARE / 2)


@dataclass(frozen=True)
class PastConcert:
    """One completed concert: what it could have sold, what it sold. Popularity is the artist's, 0 to 100."""

    artist_id: str
    venue_id: str
    capacity: int
    attendance: int
    revenue: Decimal
    day: date
    popularity: float | None

    @classmethod
    def from_row(cls, row: Row) -> PastConcert:
        """From `queries.concert_history` or `queries.recent_history`."""
        score = row["popularity_score"]
        return cls(
            str(row["artist_id"]),
            str(row["venue_id"]),
            int(cast(int, row["capacity"])),
            int(cast(int, row["total_attendance"])),
            Decimal(str(row["revenue"] or 0)),
            cast(date, row["event_date"]),
            None if score is None else float(cast(float, score)),
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
class Question:
    """The concert to predict. `capacity` is the venue's, `popularity` the artist's."""

    artist_id: str
    venue_id: str
    capacity: int
    popularity: float | None = None
    event_date: date | None = None
    ticket_price: Decimal | None = None


@dataclass(frozen=True)
class Prediction:
    """What to expect, how sure, and what it rests on.

    `low` and `high` are the range of tickets, `price` is per head, `factors` names what moved the prediction.
    """

    tickets: int
    low: int
    high: int
    price: Decimal
    revenue: Decimal
    confidence: float
    artist_events: int
    venue_events: int
    factors: tuple[str, ...]

    @property
    def low_confidence(self) -> bool:
        """Whether to warn the reader."""
        return self.confidence < LOW_CONFIDENCE


@dataclass(frozen=True)
class Prices:
    """What visitors pay. The scale of the features is the mean concert's."""

    popularity: float
    log_capacity: float
    #: Of logarithms; None if the platform never sold a ticket.
    learnt: Fit | None

    @classmethod
    def learn(cls, concerts: Sequence[PastConcert]) -> Prices:
        """From completed concerts in any order, or from none."""
        popularity = effects.mean_of([c.popularity for c in concerts if c.popularity is not None], 50.0)
        log_capacity = effects.mean_of([math.log(c.capacity) for c in concerts], math.log(1000))
        scale = cls(popularity, log_capacity, None)
        priced = [Observation(math.log(c.price), scale.kind(c), c.artist_id, c.venue_id) for c in concerts if c.price]
        if not priced:
            return scale
        usual = effects.mean_of([observation.value for observation in priced], 0.0)
        return cls(popularity, log_capacity, effects.fit(priced, _KIND_FEATURES, usual))

    def kind(self, concert: PastConcert | Question) -> list[float]:
        """Features of a concert without its day and price: the constant, popularity, capacity."""
        popularity = self.popularity if concert.popularity is None else concert.popularity
        return [1.0, (popularity - self.popularity) / 20, (math.log(concert.capacity) - self.log_capacity) / 2]

    def usual(self, concert: PastConcert | Question) -> float | None:
        """What this artist in this house usually costs, as a logarithm."""
        if self.learnt is None:
            return None
        artist = self.learnt.artists.get(concert.artist_id, 0.0)
        return self.learnt.mean(self.kind(concert)) + artist + self.learnt.venues.get(concert.venue_id, 0.0)

    def dearness(self, concert: PastConcert | Question, price: float | None) -> float:
        """How far a price is from the usual one, as a difference of logarithms; 0 where either is unknown."""
        usual = self.usual(concert)
        return math.log(price) - usual if price and usual is not None else 0.0


@dataclass(frozen=True)
class Trend:
    """What the platform's latest concerts teach about all concerts."""

    prices: Prices
    rates: Fit
    #: How often concerts fall on each weekday, Monday first; in all 1.
    weekdays: Sequence[float]
    dearness_spread: float

    @classmethod
    def learn(cls, concerts: Sequence[PastConcert]) -> Trend:
        """From completed concerts in any order; none at all leave everything uncertain."""
        prices = Prices.learn(concerts)
        observations = [_observation(concert, prices) for concert in concerts]
        counts = Counter(concert.day.weekday() for concert in concerts)
        prior = effects.mean_of([concert.rate for concert in concerts], _RATE_WITHOUT_HISTORY)
        return cls(
            prices,
            effects.fit(observations, _FEATURES, prior),
            [counts[day] / len(concerts) if concerts else 1 / _DAYS for day in range(_DAYS)],
            pvariance([o.features[_DEARNESS] for o in observations]) if observations else 0.0,
        )

    def expected(
        self, question: Question, by_artist: Sequence[PastConcert], in_venue: Sequence[PastConcert]
    ) -> tuple[float, float]:
        """The share of the house to expect, and the variance of the real one around it."""
        rates = self.rates
        weekday = list(self.weekdays)
        by_day = rates.coefficients[-_DAYS:]
        usual_day = sum(share * effect for share, effect in zip(weekday, by_day, strict=True))
        unknown = 0.0
        if question.event_date is None:
            unknown += sum(share * (effect - usual_day) ** 2 for share, effect in zip(weekday, by_day, strict=True))
        else:
            weekday = [float(day == question.event_date.weekday()) for day in range(_DAYS)]
        # A dearer ticket never fills a house: where history seems to show that, fame drove both.
        price_effect = min(0.0, rates.coefficients[_DEARNESS])
        dearness = 0.0
        if question.ticket_price is None:
            unknown += price_effect**2 * self.dearness_spread
        else:
            dearness = self.prices.dearness(question, float(question.ticket_price))
        features = [*self.prices.kind(question), dearness, *weekday]
        artist, artist_open = rates.artist([_observation(concert, self.prices) for concert in by_artist])
        venue, venue_open = rates.venue([_observation(concert, self.prices) for concert in in_venue])
        mean = rates.mean(features) + (price_effect - rates.coefficients[_DEARNESS]) * dearness + artist + venue
        variance = rates.chance + rates.uncertainty(features) + artist_open + venue_open + unknown
        return mean, variance


def _observation(concert: PastConcert, prices: Prices) -> Observation:
    """What a past concert shows about rates."""
    weekday = [0.0] * _DAYS
    weekday[concert.day.weekday()] = 1.0
    features = [*prices.kind(concert), prices.dearness(concert, concert.price), *weekday]
    return Observation(concert.rate, features, concert.artist_id, concert.venue_id)


def predict(question: Question, history: Sequence[PastConcert], trend: Trend) -> Prediction:
    """The baseline from the trend and the history of the artist and of the venue, bounded by the capacity."""
    by_artist = [concert for concert in history if concert.artist_id == question.artist_id]
    in_venue = [concert for concert in history if concert.venue_id == question.venue_id]
    mean, variance = trend.expected(question, by_artist, in_venue)
    rate = min(1.0, max(0.0, mean))
    spread = math.sqrt(variance)
    tickets = _people(question.capacity, rate)
    usual = trend.prices.usual(question)
    price = question.ticket_price or Decimal(str(math.exp(usual) if usual is not None else 0))
    factors = [
        name
        for name, applied in (
            ("artist", by_artist),
            ("venue", in_venue),
            ("popularity", question.popularity is not None),
            ("weekday", question.event_date is not None),
            ("price", question.ticket_price is not None and trend.rates.coefficients[_DEARNESS] < 0),
        )
        if applied
    ]
    return Prediction(
        tickets,
        _people(question.capacity, min(rate, max(0.0, mean - _RANGE_WIDTH * spread))),
        _people(question.capacity, max(rate, min(1.0, mean + _RANGE_WIDTH * spread))),
        price,
        (price * tickets).quantize(Decimal("0.01"), ROUND_HALF_UP),
        _confidence(mean, rate, spread),
        len(by_artist),
        len(in_venue),
        tuple(factors),
    )


def _people(capacity: int, rate: float) -> int:
    return min(capacity, math.floor(capacity * rate + 0.5))


def _confidence(mean: float, rate: float, spread: float) -> float:
    """The chance that the real rate, around `mean` but never above a full house, is within a tenth of `rate`."""
    real = NormalDist(mean, spread)
    above = 1.0 if rate * (1 + TOLERANCE) >= 1.0 else real.cdf(rate * (1 + TOLERANCE))
    return round(min(0.95, max(0.05, above - real.cdf(rate * (1 - TOLERANCE)))), 2)


class Forecaster:
    """Predicts from the warehouse, and keeps what it learnt about all concerts for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._trend: Trend | None = None
        self._good_until = 0.0

    def predict(
        self, ask: Ask, artist_id: str, venue_id: str, event_date: date | None, ticket_price: Decimal | None
    ) -> tuple[Question, Prediction]:
        """The concert as asked about, and what to expect of it.

        Raises:
            NotFoundError: the warehouse knows no such artist or venue.
        """
        statements = [
            queries.artist(artist_id), queries.venue(venue_id), queries.concert_history(artist_id, venue_id)
        ]  # fmt: skip
        trend = self._trend if self._clock() < self._good_until else None
        if trend is None:
            statements.append(queries.recent_history())
        artists, venues, history, *recent = ask(statements)
        if not artists:
            raise NotFoundError("artist_id", artist_id)
        if not venues:
            raise NotFoundError("venue_id", venue_id)
        if trend is None:
            trend = Trend.learn([PastConcert.from_row(row) for row in recent[0]])
            self._trend, self._good_until = trend, self._clock() + TREND_SECONDS
        score = artists[0]["popularity_score"]
        question = Question(
            artist_id,
            venue_id,
            int(cast(int, venues[0]["capacity"])),
            None if score is None else float(cast(float, score)),
            event_date,
            ticket_price,
        )
        return question, predict(question, [PastConcert.from_row(row) for row in history], trend)
