"""The answer to each intent: what it asks the warehouse, and how it puts the rows into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from concert_common import prediction, queries
from concert_common.formats import money, rate
from concert_common.prediction import Ask, Forecaster
from concert_common.recommendation import Taste, UpcomingConcert, rank
from concert_common.warehouse import Row
from core import Answer, Entities, Intent, genres_mentioned

FORECASTER = Forecaster()


@dataclass(frozen=True)
class Asked:
    """A message, what it names, how to ask the warehouse, and the genres that the user is known to like."""

    message: str
    entities: Entities
    ask: Ask
    liked: Sequence[str] = ()


_TRY = (
    "Which venues are most popular?",
    "What concerts are coming up?",
    "Recommend a rock concert",
    "How are ticket sales trending?",
)
_SHOWN = 5


def _percent(share: object) -> str:
    return f"{float(cast(float, share or 0)) * 100:.1f}%"


def _day(row: Row) -> str:
    return cast(date, row["event_date"]).isoformat()


def venue_popularity(asked: Asked) -> Answer:
    """The ranking of venues, as the API shows it too."""
    top_n = asked.entities.count or _SHOWN
    (rows,) = asked.ask([queries.venue_popularity(top_n=top_n, min_events=5)])
    if not rows:
        return Answer("No venue has had enough completed concerts in the last 365 days to rank.", [], _TRY[1:3])
    venues = [
        {
            "rank": row["place"],
            "venue_id": row["venue_id"],
            "name": row["name"],
            "city": row["city"],
            "attendance_rate": rate(cast(float, row["attendance_rate"])),
            "total_events": row["total_events"],
            "total_revenue": money(cast(float, row["total_revenue"])),
        }
        for row in rows
    ]
    listed = "; ".join(
        f"{row['place']}. {row['name']} ({row['city']}), {_percent(row['attendance_rate'])} full" for row in rows
    )
    return Answer(
        f"The most popular venues of the last 365 days: {listed}.",
        venues,
        (f"What concerts are coming up at {rows[0]['name']}?", _TRY[3]),
    )


def artist_lookup(asked: Asked) -> Answer:
    """One artist's figures and next concert."""
    if not asked.entities.artists:
        return Answer(
            "I know no artist by that name. Which artist do you mean?", None, ("What concerts are coming up?",)
        )
    artist = asked.entities.artists[0]
    figures, upcoming = asked.ask([queries.artist_performance(artist.id), queries.upcoming_of_artist(artist.id)])
    row = figures[0]
    data: dict[str, Any] = {
        "artist_id": row["artist_id"],
        "name": row["name"],
        "genres": [genre for genre in str(row["genre"] or "").split("|") if genre],
        "popularity_score": rate(cast(float, row["popularity_score"])),
        "total_concerts": row["total_concerts"] or 0,
        "attendance_rate": rate(cast(float, row["attendance_rate"])),
        "revenue_generated": money(cast(float, row["revenue_generated"])),
        "upcoming": [_concert(each) for each in upcoming[:_SHOWN]],
    }
    words = [f"{row['name']} plays {', '.join(data['genres']) or 'music of no listed genre'}."]
    if row["total_concerts"]:
        words.append(
            f"In the last 365 days: {row['total_concerts']} concerts, {_percent(row['attendance_rate'])} of the seats"
            f" filled, {data['revenue_generated']} in revenue."
        )
    else:
        words.append("No completed concert in the last 365 days.")
    if upcoming:
        words.append(f"Next: {_day(upcoming[0])} at {upcoming[0]['venue_name']}, {upcoming[0]['city']}.")
    return Answer(" ".join(words), data, (f"When is {artist.name} playing next?", _TRY[0]))


def concert_lookup(asked: Asked) -> Answer:
    """Scheduled concerts of an artist, in a venue, in a city, or all."""
    named = asked.entities
    if named.artists:
        statement, about = (
            queries.upcoming_of_artist(named.artists[0].id),
            f" by {named.artists[0].name}",
        )
    elif named.venues:
        statement, about = (
            queries.upcoming_in_venue(named.venues[0].id),
            f" at {named.venues[0].name}",
        )
    elif named.cities:
        statement, about = (
            queries.upcoming_concerts(location=named.cities[0].name),
            f" in {named.cities[0].name}",
        )
    else:
        statement, about = queries.upcoming_concerts(), ""
    (rows,) = asked.ask([statement])
    if not rows:
        return Answer(f"No scheduled concerts{about}.", [], (_TRY[1], _TRY[2]))
    shown = rows[: named.count or _SHOWN]
    listed = "; ".join(f"{_day(row)} {row['artist_name']} at {row['venue_name']}, {row['city']}" for row in shown)
    more = f" ({len(rows) - len(shown)} more)" if len(rows) > len(shown) else ""
    return Answer(
        f"Upcoming concerts{about}: {listed}{more}.",
        [_concert(row) for row in shown],
        (f"Tell me about {shown[0]['artist_name']}", _TRY[2]),
    )


def recommendations(asked: Asked) -> Answer:
    """Concerts that fit the genres and artists of the message, or else what the user liked before."""
    city = asked.entities.cities[0].name if asked.entities.cities else None
    (rows,) = asked.ask([queries.upcoming_concerts(location=city)])
    concerts = [UpcomingConcert.from_row(row) for row in rows]
    named = [
        *genres_mentioned(asked.message, (genre for concert in concerts for genre in concert.genres)),
        *(artist.name for artist in asked.entities.artists),
    ]
    ranked = rank(
        concerts,
        taste=Taste.named(named or asked.liked),
        location=city,
        only_matching=bool(named),
        top_n=asked.entities.count or _SHOWN,
    )
    about = f" for {', '.join(named)}" if named else ""
    place = f" in {city}" if city else ""
    if not ranked:
        return Answer(f"I found no upcoming concert{about}{place}.", [], (_TRY[1], _TRY[0]))
    listed = "; ".join(
        f"{found.concert.artist} at {found.concert.venue}, {found.concert.city}, {found.concert.day.isoformat()}"
        for found in ranked
    )
    return Answer(
        f"My recommendations{about}{place}: {listed}.",
        [found.body() for found in ranked],
        (f"Tell me about {ranked[0].concert.artist}", _TRY[1]),
    )


def ticket_prediction(asked: Asked) -> Answer:
    """The baseline for the named artist in the named venue."""
    named = asked.entities
    if not named.artists or not named.venues:
        missing = " and ".join(
            name for name, found in (("an artist", named.artists), ("a venue", named.venues)) if not found
        )
        return Answer(
            f"To predict ticket sales I need {missing} that I know, such as:"
            " how many tickets would <artist> sell at <venue>?",
            None,
            (_TRY[0], _TRY[1]),
        )
    artist, venue = named.artists[0], named.venues[0]
    question, expected = FORECASTER.predict(asked.ask, artist.id, venue.id, None, None)
    doubt = " That is uncertain: there is little history." if expected.low_confidence else ""
    return Answer(
        f"{artist.name} at {venue.name} would sell about {expected.tickets} of {question.capacity} tickets"
        f" (baseline from {expected.artist_events} concerts of the artist and {expected.venue_events} in the venue)."
        + doubt,
        {
            "artist_id": artist.id,
            "venue_id": venue.id,
            "predicted_tickets": expected.tickets,
            "predicted_revenue": money(expected.revenue),
            "confidence": expected.confidence,
            "low_confidence": expected.low_confidence,
            "model": prediction.MODEL,
            "basis": {"artist_events": expected.artist_events, "venue_events": expected.venue_events},
        },
        (f"Tell me about {artist.name}", f"What concerts are coming up at {venue.name}?"),
    )


def revenue_trends(asked: Asked) -> Answer:
    """Ticket revenue by month, and the artists who earned most."""
    months, artists = asked.ask([queries.monthly_sales(), queries.top_earning_artists()])
    if not months and not artists:
        return Answer("There are no sales in the last 365 days.", None, (_TRY[0], _TRY[1]))
    data = {
        "months": [
            {"month": row["sales_month"], "tickets": row["tickets"], "revenue": money(cast(float, row["revenue"]))}
            for row in months
        ],
        "top_artists": [
            {
                "artist_id": row["artist_id"],
                "name": row["name"],
                "total_concerts": row["total_concerts"],
                "revenue": money(cast(float, row["revenue_generated"])),
                "growth": None if row["growth_trend"] is None else rate(cast(float, row["growth_trend"])),
            }
            for row in artists
        ],
    }
    words = []
    if months:
        best = max(months, key=lambda row: (float(cast(float, row["revenue"] or 0)), str(row["sales_month"])))
        words.append(
            f"Ticket sales of the last twelve months were highest in {best['sales_month']}"
            f" with {money(cast(float, best['revenue']))}; in {months[-1]['sales_month']}"
            f" so far {money(cast(float, months[-1]['revenue']))}."
        )
    if artists:
        words.append(
            f"{artists[0]['name']} earned most: {money(cast(float, artists[0]['revenue_generated']))}"
            f" from {artists[0]['total_concerts']} concerts."
        )
    suggestions = (f"Tell me about {artists[0]['name']}",) if artists else ()
    return Answer(" ".join(words), data, (*suggestions, _TRY[0]))


def help_answer(_asked: Asked) -> Answer:
    """What can be asked."""
    return Answer(
        "I answer questions about concerts from the warehouse: popular venues, artists, upcoming concerts,"
        " recommendations, ticket predictions, revenue and trends.",
        None,
        _TRY,
    )


def unknown(_asked: Asked) -> Answer:
    """An honest no."""
    return Answer("I did not understand that. You can ask me, for example, one of these.", None, _TRY)


ANSWERS: Mapping[Intent, Callable[[Asked], Answer]] = {
    Intent.VENUE_POPULARITY: venue_popularity,
    Intent.ARTIST_LOOKUP: artist_lookup,
    Intent.CONCERT_LOOKUP: concert_lookup,
    Intent.RECOMMENDATIONS: recommendations,
    Intent.TICKET_PREDICTION: ticket_prediction,
    Intent.REVENUE_TRENDS: revenue_trends,
    Intent.HELP: help_answer,
    Intent.UNKNOWN: unknown,
}


def _concert(row: Row) -> dict[str, Any]:
    return {
        "concert_id": row["concert_id"],
        "artist": row["artist_name"],
        "venue": row["venue_name"],
        "city": row["city"],
        "event_date": _day(row),
        "ticket_prices": row["ticket_prices"],
    }
