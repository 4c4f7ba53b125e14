"""Ranking upcoming concerts for a taste and a place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from concert_common import queries
from concert_common.text import fold, words_of
from concert_common.warehouse import Ask, Row

#: How much each signal weighs where it is asked for.
_TASTE, _POPULARITY, _PLACE = 0.6, 0.4, 0.2
_POPULAR = 70
#: Genres and artists that the warehouse is asked for at once.
_MOST_LIKED = 40


def genres_of(text: object) -> tuple[str, ...]:
    """The genres of an artist, in the warehouse joined by bars, in lower case."""
    return tuple(part.strip().lower() for part in str(text or "").split("|") if part.strip())


@dataclass(frozen=True)
class UpcomingConcert:
    """One concert to choose from."""

    concert_id: str
    artist_id: str
    artist: str
    genres: tuple[str, ...]
    popularity: float
    venue: str
    city: str
    state: str
    country: str
    day: date

    @classmethod
    def from_row(cls, row: Row) -> UpcomingConcert:
        """From `queries.upcoming_concerts`; popularity 0 to 100."""
        return cls(
            str(row["concert_id"]),
            str(row["artist_id"]),
            str(row["artist_name"]),
            genres_of(row["genre"]),
            min(100.0, max(0.0, float(cast(float, row["popularity_score"] or 0)))),
            str(row["venue_name"]),
            str(row["city"] or ""),
            str(row["state"] or ""),
            str(row["country"] or ""),
            cast(date, row["event_date"]),
        )


@dataclass(frozen=True)
class Taste:
    """Liked genres with a weight above 0, and artists by name or id, all folded."""

    genres: Mapping[str, float] = field(default_factory=dict)
    artists: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.genres or self.artists)

    @classmethod
    def named(cls, words: Iterable[str]) -> Taste:
        """From words that may be genres or artists: what they are shows when they match."""
        folded = [fold(word).strip() for word in words if word.strip()]
        return cls(dict.fromkeys(folded, 1.0), frozenset(folded))

    @classmethod
    def bought(cls, rows: Sequence[Row]) -> Taste:
        """From `queries.bought_genres`: each genre weighs the share of tickets bought for it."""
        tickets: dict[str, float] = {}
        for row in rows:
            for genre in genres_of(row["genre"]):
                tickets[genre] = tickets.get(genre, 0.0) + float(cast(int, row["tickets"]))
        most = max(tickets.values(), default=1.0)
        return cls({genre: count / most for genre, count in tickets.items() if count > 0})

    def matches(self, concert: UpcomingConcert) -> tuple[float, list[str]]:
        """How well the concert fits, 0 to 1, and why."""
        if fold(concert.artist) in self.artists or concert.artist_id.lower() in self.artists:
            return 1.0, [f"artist: {concert.artist}"]
        matched: dict[str, float] = {}
        for liked, weight in self.genres.items():
            for genre in concert.genres:
                # "rock" also means "indie rock"; "indie rock" does not mean all rock.
                wanted, had = words_of(liked), words_of(genre)
                closeness = 1.0 if wanted == had else 0.8 if wanted and set(wanted) <= set(had) else 0.0
                if closeness:
                    matched[genre] = max(matched.get(genre, 0.0), weight * closeness)
        if not matched:
            return 0.0, []
        # One fitting genre makes a match; each further one of a multi-genre artist makes a better one.
        best, total = max(matched.values()), sum(matched.values())
        fit = 0.8 * best + 0.2 * min(1.0, total / sum(self.genres.values()))
        return min(1.0, fit), [f"genre: {genre}" for genre in sorted(matched, key=lambda name: (-matched[name], name))]


@dataclass(frozen=True)
class Recommendation:
    """A concert with its score, 0 to 1, and the reasons for it."""

    concert: UpcomingConcert
    score: float
    reasons: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "concert_id": self.concert.concert_id,
            "artist": self.concert.artist,
            "venue": self.concert.venue,
            "city": self.concert.city,
            "event_date": self.concert.day.isoformat(),
            "score": self.score,
            "reasons": list(self.reasons),
        }


def _place(concert: UpcomingConcert, location: str) -> tuple[float, str]:
    """How near, 0 to 1, and the name of the place that matched."""
    wanted = fold(location).strip()
    for closeness, name in ((1.0, concert.city), (0.7, concert.state), (0.5, concert.country)):
        if fold(name) == wanted:
            return closeness, name
    return 0.0, ""


def rank(
    concerts: Iterable[UpcomingConcert],
    *,
    taste: Taste,
    location: str | None,
    only_matching: bool,
    top_n: int,
) -> list[Recommendation]:
    """The best `top_n` concerts; equal scores go by day, then id, so the order never changes by chance.

    A location always filters. `only_matching` leaves out what does not fit the taste at all.
    """
    ranked: list[Recommendation] = []
    for concert in concerts:
        fit, reasons = taste.matches(concert)
        if only_matching and taste and not fit:
            continue
        parts = [(_POPULARITY, concert.popularity / 100)]
        if taste:
            parts.append((_TASTE, fit))
        if location is not None:
            near, place = _place(concert, location)
            if not near:
                continue
            parts.append((_PLACE, near))
            reasons = [*reasons, f"in {place}"]
        if concert.popularity >= _POPULAR:
            reasons = [*reasons, "popular artist"]
        score = sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts)
        ranked.append(Recommendation(concert, round(score, 4), tuple(reasons or ["upcoming concert"])))
    ranked.sort(key=lambda found: (-found.score, found.concert.day, found.concert.concert_id))
    return ranked[:top_n]


def recommend(
    ask: Ask,
    named: Sequence[str],
    *,
    user_id: str | None = None,
    location: str | None = None,
    first: date | None = None,
    last: date | None = None,
    only_matching: bool,
    top_n: int,
) -> list[Recommendation]:
    """The best concerts of the warehouse for named genres and artists, else for what the user bought.

    The warehouse picks the candidates: all that could match the taste, and, unless only those are wanted, the ones of
    the most popular artists.
    """
    taste = Taste.named(named)
    if not taste and user_id is not None:
        taste = Taste.bought(ask([queries.bought_genres(user_id)])[0])
    statements = []
    if taste:
        liked = sorted({*taste.genres, *taste.artists})[:_MOST_LIKED]
        statements.append(queries.upcoming_concerts(location=location, liked=liked, first=first, last=last))
    if not (taste and only_matching):
        statements.append(queries.popular_upcoming(location=location, first=first, last=last))
    found = {str(row["concert_id"]): row for rows in ask(statements) for row in rows}
    return rank(
        map(UpcomingConcert.from_row, found.values()),
        taste=taste,
        location=location,
        only_matching=only_matching,
        top_n=top_n,
    )
