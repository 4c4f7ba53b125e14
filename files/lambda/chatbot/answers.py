"""The answer to each intent: what it asks the warehouse, and how it puts the rows into words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, cast

from concert_common import prediction, queries
from concert_common.formats import money, rate
from concert_common.prediction import Forecaster
from concert_common.recommendation import genres_of, recommend
from concert_common.warehouse import Ask, Row
from core import Answer
from understanding import Entities, Entity, Intent, Recognised

FORECASTER = Forecaster()


@dataclass(frozen=True)
class Preferences:
    """What a user said of their own taste and home; genres in lower case, artists by name."""

    genres: tuple[str, ...] = ()
    artists: tuple[str, ...] = ()
    home: str | None = None

    @property
    def any(self) -> bool:
        """Whether anything is known."""
        return bool(self.genres or self.artists or self.home)


@dataclass(frozen=True)
class Asked:
    """A message as it was understood, how to ask the warehouse, who asks, and what is known of them."""

    message: str
    recognised: Recognised
    ask: Ask
    user_id: str | None = None
    preferences: Preferences = field(default_factory=Preferences)

    @property
    def entities(self) -> Entities:
        """What it names or means."""
        return self.recognised.entities

    @property
    def skip(self) -> int:
        """Rows that were shown before."""
        return self.recognised.skip

    @property
    def count(self) -> int:
        """Rows to show."""
        return self.entities.count or _SHOWN


_TRY = (
    "Which venues are most popular?",
    "What concerts are coming up?",
    "Recommend a rock concert",
    "How are ticket sales trending?",
)
_SHOWN = 5
_PRICES = re.compile(r"\b(?:how much|price|prices|cost|costs)\b", re.IGNORECASE)
_PAST = re.compile(r"\b(?:did|was|were|last|past|previous|has)\b", re.IGNORECASE)


def _percent(share: object) -> str:
    return f"{float(cast(float, share or 0)) * 100:.1f}%"


def _day(row: Row) -> str:
    return cast(date, row["event_date"]).isoformat()


def _no_more(asked: Asked, what: str) -> Answer:
    return Answer(f"Those were all {what} that I know.", [], _TRY[:2], shown=asked.skip)


def venue_popularity(asked: Asked) -> Answer:
    """The ranking of venues, as the API shows it too, of all or of one city."""
    city = asked.entities.cities[0].name if asked.entities.cities else None
    (rows,) = asked.ask([queries.venue_popularity(top_n=asked.skip + asked.count, min_events=5, city=city)])
    where = f" in {city}" if city else ""
    if asked.skip and len(rows) <= asked.skip:
        return _no_more(asked, f"ranked venues{where}")
    if not rows:
        return Answer(f"No venue{where} has had enough completed concerts in the last 365 days to rank.", [], _TRY[1:3])
    shown = rows[asked.skip :]
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
        for row in shown
    ]
    listed = "; ".join(
        f"{row['place']}. {row['name']} ({row['city']}), {_percent(row['attendance_rate'])} full" for row in shown
    )
    lead = "The next most popular venues" if asked.skip else "The most popular venues"
    return Answer(
        f"{lead}{where} of the last 365 days: {listed}.",
        venues,
        (f"What concerts are coming up at {shown[0]['name']}?", _TRY[3]),
        Entities(venues=(Entity(str(shown[0]["venue_id"]), str(shown[0]["name"])),)),
        asked.skip + len(shown),
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
        "fan_engagement_score": rate(cast(float, row["fan_engagement_score"])),
        "upcoming": [_concert(each) for each in upcoming[:_SHOWN]],
    }
    words = [f"{row['name']} plays {', '.join(data['genres']) or 'music of no listed genre'}."]
    if row["popularity_score"] is not None:
        words.append(f"Popularity {float(cast(float, row['popularity_score'])):.0f} of 100.")
    if row["total_concerts"]:
        words.append(
            f"In the last 365 days: {row['total_concerts']} concerts, {_percent(row['attendance_rate'])} of the seats"
            f" filled, {data['revenue_generated']} in revenue."
        )
    else:
        words.append("No completed concert in the last 365 days.")
    if upcoming:
        words.append(f"Next: {_day(upcoming[0])} at {upcoming[0]['venue_name']}, {upcoming[0]['city']}.")
    return Answer(" ".join(words), data, (f"When is {artist.name} playing next?", _TRY[0]), Entities(artists=(artist,)))


def concert_lookup(asked: Asked) -> Answer:
    """Concerts of one artist or in one venue: what is scheduled, what it costs, or what was last."""
    named = asked.entities
    if not named.artists and not named.venues:
        return upcoming_concerts(asked)
    artist, venue = (each[0] if each else None for each in (named.artists, named.venues))
    about = (f" by {artist.name}" if artist else "") + (f" at {venue.name}" if venue else "")
    past = (
        bool(_PAST.search(asked.message))
        and not asked.skip
        and re.search(r"\b(?:did|last|was|were)\b", asked.message, re.I)
    )
    if past:
        return _past_concerts(asked, artist, venue, about)
    statement = queries.upcoming_of_artist(artist.id) if artist else queries.upcoming_in_venue(cast(Entity, venue).id)
    (rows,) = asked.ask([statement])
    if artist and venue:
        rows = [row for row in rows if row["venue_id"] == venue.id]
    if named.cities:
        rows = [row for row in rows if str(row["city"]).lower() == named.cities[0].name.lower()]
        about += f" in {named.cities[0].name}"
    if named.period:
        rows = [row for row in rows if named.period.holds(cast(date, row["event_date"]))]
    return _listed(asked, rows, about, prices=bool(_PRICES.search(asked.message)))


def _past_concerts(asked: Asked, artist: Entity | None, venue: Entity | None, about: str) -> Answer:
    statement = queries.past_concerts(artist.id if artist else None, venue.id if venue else None)
    (rows,) = asked.ask([statement])
    if not rows:
        return Answer(f"I know of no completed concert{about}.", [], (_TRY[1], _TRY[0]))
    shown = rows[: asked.count]
    last = shown[0]
    listed = "; ".join(
        f"{_day(row)} {row['artist_name']} at {row['venue_name']}, {row['city']}"
        + (f", {_percent(row['attendance_rate'])} full" if row["attendance_rate"] is not None else "")
        for row in shown
    )
    data = [
        {
            "concert_id": row["concert_id"],
            "artist": row["artist_name"],
            "venue": row["venue_name"],
            "city": row["city"],
            "event_date": _day(row),
            "total_attendance": row["total_attendance"],
            "attendance_rate": None if row["attendance_rate"] is None else rate(cast(float, row["attendance_rate"])),
            "revenue": money(cast(float, row["revenue"])),
        }
        for row in shown
    ]
    return Answer(
        f"The latest concerts{about}: {listed}.",
        data,
        (f"When is {last['artist_name']} playing next?",),
        _focus(last),
    )


def upcoming_concerts(asked: Asked) -> Answer:
    """Scheduled concerts, of all or in a city, of genres, in a period."""
    named = asked.entities
    city = named.cities[0].name if named.cities else None
    first, last = _days(named)
    (rows,) = asked.ask([queries.upcoming_concerts(location=city, liked=named.genres, first=first, last=last)])
    about = f" in {city}" if city else ""
    if named.genres:
        about = f" for {', '.join(named.genres)}{about}"
    if named.period:
        about += f" from {named.period.first.isoformat()} to {named.period.last.isoformat()}"
    return _listed(asked, rows, about)


def _days(named: Entities) -> tuple[date | None, date | None]:
    """First and last day that a message names."""
    return (named.period.first, named.period.last) if named.period else (None, None)


def _listed(asked: Asked, rows: Sequence[Row], about: str, *, prices: bool = False) -> Answer:
    if asked.skip and len(rows) <= asked.skip:
        return _no_more(asked, f"scheduled concerts{about}")
    if not rows:
        return Answer(f"I know of no scheduled concert{about}.", [], (_TRY[1], _TRY[2]))
    shown = rows[asked.skip : asked.skip + asked.count]
    listed = "; ".join(
        f"{_day(row)} {row['artist_name']} at {row['venue_name']}, {row['city']}"
        + (f" ({_price_words(row['ticket_prices'])})" if prices else "")
        for row in shown
    )
    left = len(rows) - asked.skip - len(shown)
    more = f" ({left} more)" if left else ""
    return Answer(
        f"{'Further' if asked.skip else 'Upcoming'} concerts{about}: {listed}{more}.",
        [_concert(row) for row in shown],
        (("And the next ones?",) if left else ()) + (f"Tell me about {shown[0]['artist_name']}", _TRY[2]),
        _focus(shown[0]),
        asked.skip + len(shown),
    )


def _price_words(text: object) -> str:
    """`vip:120.00|floor:80.00` in words."""
    tiers = [part.rpartition(":") for part in str(text or "").split("|") if ":" in part]
    return ", ".join(f"{name} {price}" for name, _, price in tiers) or "no prices yet"


def _focus(row: Row) -> Entities:
    return Entities(
        artists=(Entity(str(row["artist_id"]), str(row["artist_name"])),),
        venues=(Entity(str(row["venue_id"]), str(row["venue_name"])),),
        cities=(Entity(str(row["city"]), str(row["city"])),) if row["city"] else (),
    )


def recommendations(asked: Asked) -> Answer:
    """Concerts that fit what the message names, else what the user likes, else what the user bought."""
    entities = asked.entities
    city = entities.cities[0].name if entities.cities else None
    named = [*entities.genres, *(artist.name for artist in entities.artists)]
    liked = [*asked.preferences.genres, *asked.preferences.artists]
    wanted = named or liked
    if entities.artists:
        # Who likes one artist may like others of the same genres.
        artists = asked.ask([queries.artist(artist.id) for artist in entities.artists[:3]])
        wanted = [*named, *(genre for found in artists for row in found for genre in genres_of(row["genre"]))]
    first, last = _days(entities)
    ranked = recommend(
        asked.ask,
        wanted,
        user_id=asked.user_id,
        location=city,
        first=first,
        last=last,
        only_matching=bool(named),
        top_n=asked.skip + asked.count,
    )
    about = f" for {', '.join(named)}" if named else f" for your taste ({', '.join(liked)})" if liked else ""
    about += (f" in {city}" if city else "") + (f" {entities.period.name}" if entities.period else "")
    if asked.skip and len(ranked) <= asked.skip:
        return _no_more(asked, f"recommendations{about}")
    if not ranked:
        return Answer(f"I found no upcoming concert{about}.", [], (_TRY[1], _TRY[0]))
    shown = ranked[asked.skip :]
    listed = "; ".join(
        f"{found.concert.artist} at {found.concert.venue}, {found.concert.city}, {found.concert.day.isoformat()}"
        f" ({', '.join(found.reasons[:2])})"
        for found in shown
    )
    best = shown[0].concert
    return Answer(
        f"My recommendations{about}: {listed}.",
        [found.body() for found in shown],
        ("Show me more", f"Tell me about {best.artist}"),
        Entities(artists=(Entity(best.artist_id, best.artist),), cities=(Entity(best.city, best.city),)),
        asked.skip + len(shown),
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
            named,
        )
    artist, venue = named.artists[0], named.venues[0]
    period = named.period
    day = period.first if period and period.first == period.last else None
    question, expected = FORECASTER.predict(asked.ask, artist.id, venue.id, day, None)
    doubt = " That is uncertain: history says little about it." if expected.low_confidence else ""
    return Answer(
        f"{artist.name} at {venue.name} would sell about {expected.tickets} of {question.capacity} tickets,"
        f" probably between {expected.low} and {expected.high}"
        f" (baseline from {expected.artist_events} concerts of the artist and {expected.venue_events} in the venue)."
        + doubt,
        {
            "artist_id": artist.id,
            "venue_id": venue.id,
            "predicted_tickets": expected.tickets,
            "range": {"low": expected.low, "high": expected.high},
            "predicted_revenue": money(expected.revenue),
            "confidence": expected.confidence,
            "low_confidence": expected.low_confidence,
            "model": prediction.MODEL,
            "basis": {
                "artist_events": expected.artist_events,
                "venue_events": expected.venue_events,
                "factors": list(expected.factors),
            },
        },
        (f"Tell me about {artist.name}", f"What concerts are coming up at {venue.name}?"),
        Entities(artists=(artist,), venues=(venue,)),
    )


def revenue_trends(asked: Asked) -> Answer:
    """Ticket revenue by month, and the artists who earned most; of one artist that artist's figures."""
    if asked.entities.artists:
        return artist_lookup(asked)
    months, artists = asked.ask([queries.monthly_sales(), queries.top_earning_artists()])
    if not months and not artists:
        return Answer("There are no sales in the last 365 days.", None, (_TRY[0], _TRY[1]))
    artists = artists[asked.skip : asked.skip + (asked.entities.count or 10)]
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
        words += _named_month(asked, months)
    if artists:
        words.append(
            f"{artists[0]['name']} earned most: {money(cast(float, artists[0]['revenue_generated']))}"
            f" from {artists[0]['total_concerts']} concerts."
        )
    suggestions = (f"Tell me about {artists[0]['name']}",) if artists else ()
    focus = (
        Entities(artists=(Entity(str(artists[0]["artist_id"]), str(artists[0]["name"])),)) if artists else Entities()
    )
    return Answer(" ".join(words), data, (*suggestions, _TRY[0]), focus, asked.skip + len(artists))


def _named_month(asked: Asked, months: Sequence[Row]) -> list[str]:
    """A sentence on the month that the message names, the last one of that name."""
    period = asked.entities.period
    if period is None or (period.last - period.first).days > 31:
        return []
    found = [row for row in months if str(row["sales_month"])[5:] == f"{period.first.month:02d}"]
    return [f"In {row['sales_month']}: {money(cast(float, row['revenue']))}." for row in found[-1:]]


def preferences(asked: Asked) -> Answer:
    """What is known of the user's taste and home. What the message said is remembered before."""
    if asked.user_id is None:
        return Answer("I can only remember preferences with a user_id.", None, _TRY[2:3])
    known = asked.preferences
    if not known.any:
        return Answer("I know nothing of your taste. Tell me, for example: I love jazz.", None, _TRY[2:3])
    words = []
    if known.genres or known.artists:
        words.append(f"You like {', '.join([*known.genres, *known.artists])}.")
    if known.home:
        words.append(f"You live in {known.home}.")
    data = {"genres": list(known.genres), "artists": list(known.artists), "home": known.home}
    return Answer(" ".join(words), data, ("Recommend me something", "Forget my preferences"))


def help_answer(_asked: Asked) -> Answer:
    """What can be asked."""
    return Answer(
        "I answer questions about concerts from the warehouse: popular venues, artists, their concerts, what is coming"
        " up, recommendations, ticket predictions, revenue and trends. I remember what we talk about, so you can go on"
        " with: and the next ones?",
        None,
        _TRY,
    )


def unknown(_asked: Asked) -> Answer:
    """An honest no."""
    return Answer(
        "I do not know that, or did not understand it. You can ask me, for example, one of these.", None, _TRY
    )


ANSWERS: Mapping[Intent, Callable[[Asked], Answer]] = {
    Intent.VENUE_POPULARITY: venue_popularity,
    Intent.ARTIST_LOOKUP: artist_lookup,
    Intent.CONCERT_LOOKUP: concert_lookup,
    Intent.UPCOMING_CONCERTS: upcoming_concerts,
    Intent.RECOMMENDATIONS: recommendations,
    Intent.TICKET_PREDICTION: ticket_prediction,
    Intent.REVENUE_TRENDS: revenue_trends,
    Intent.PREFERENCES: preferences,
    Intent.HELP: help_answer,
    Intent.UNKNOWN: unknown,
}


def with_note(answer: Answer, note: str) -> Answer:
    """The answer with a sentence before it."""
    return replace(answer, message=f"{note} {answer.message}") if note else answer


def _concert(row: Row) -> dict[str, Any]:
    return {
        "concert_id": row["concert_id"],
        "artist": row["artist_name"],
        "venue": row["venue_name"],
        "city": row["city"],
        "event_date": _day(row),
        "ticket_prices": row["ticket_prices"],
    }
