"""What the API functions ask the warehouse. The views own every figure; these filter, join names and limit.

Parameters arrive as text, hence the casts. Limits that depend on the caller are conditions on a row number, since
LIMIT takes no parameter everywhere. The fixed limits bound what one answer weighs in its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from concert_common.text import fold, words_of
from concert_common.warehouse import Scalar, Statement

#: Letters with marks by the plain one, as a message is folded; other letters must be written as they are.
_MARKED = {
    "a": "àáâãäåāăą", "c": "çćč", "d": "ď", "e": "èéêëēėęě", "g": "ğ", "i": "ìíîïī", "n": "ñńň", "o": "òóôõöōő",
    "r": "ř",    "s": "śšş", "t": "ťţ", "u": "ùúûüūůű", "y": "ýÿ", "z": "źżž",
}  # fmt: skip
_FROM = "".join(_MARKED.values())
_TO = "".join(plain * len(marked) for plain, marked in _MARKED.items())


def _folded(column: str) -> str:
    return f"TRANSLATE(LOWER({column}), '{_FROM}', '{_TO}')"


def venue_popularity(*, top_n: int, min_events: int, city: str | None = None) -> Statement:
    """Venues with at least `min_events` completed concerts in the last 365 days, best first, of one city if given."""
    in_city = f" AND {_folded('city')} = CAST(:city AS VARCHAR(512))" if city is not None else ""
    return Statement(
        "SELECT place, venue_id, name, city, capacity, total_events, attendance_rate, total_revenue,"  # noqa: S608
        " revenue_per_event FROM ("
        "SELECT ROW_NUMBER() OVER (ORDER BY popularity_rank) AS place, venue_id, name, city, capacity,"
        " total_events, attendance_rate, total_revenue, revenue_per_event"
        " FROM concert_dw.v_venue_popularity"
        " WHERE as_of = CURRENT_DATE AND total_events >= CAST(:min_events AS INTEGER)"
        + in_city
        + ") AS ranked WHERE place <= CAST(:top_n AS INTEGER) ORDER BY place",
        {"min_events": min_events, "top_n": top_n, **({"city": fold(city)} if city is not None else {})},
    )


def today() -> Statement:
    """The warehouse's day, to which every figure refers."""
    return Statement("SELECT CURRENT_DATE AS today")


def artist(artist_id: str) -> Statement:
    """One artist, or no row."""
    return Statement(
        "SELECT artist_id, name, genre, popularity_score FROM concert_dw.artists WHERE artist_id = :artist_id",
        {"artist_id": artist_id},
    )


def venue(venue_id: str) -> Statement:
    """One venue, or no row."""
    return Statement(
        "SELECT venue_id, name, city, capacity FROM concert_dw.venues WHERE venue_id = :venue_id",
        {"venue_id": venue_id},
    )


_HISTORY = (
    "SELECT history.artist_id AS artist_id, history.venue_id AS venue_id, history.capacity AS capacity,"
    " history.total_attendance AS total_attendance, history.revenue AS revenue, history.event_date AS event_date,"
    " artists.popularity_score AS popularity_score FROM concert_dw.v_concert_history AS history"
    " INNER JOIN concert_dw.artists AS artists ON history.artist_id = artists.artist_id"
    " WHERE history.total_attendance IS NOT NULL AND history.capacity > 0"
)


def concert_history(artist_id: str, venue_id: str) -> Statement:
    """The latest completed concerts of the artist or in the venue."""
    return Statement(
        _HISTORY + " AND (history.artist_id = :artist_id OR history.venue_id = :venue_id)"
        " ORDER BY history.event_date DESC, history.concert_id LIMIT 500",
        {"artist_id": artist_id, "venue_id": venue_id},
    )


def recent_history() -> Statement:
    """The latest completed concerts of all: what to expect of any."""
    return Statement(_HISTORY + " ORDER BY history.event_date DESC, history.concert_id LIMIT 2000")


_UPCOMING = (
    "SELECT concert_id, artist_id, artist_name, genre, popularity_score, venue_id, venue_name, city, state, country,"
    " event_date, ticket_prices FROM concert_dw.v_upcoming_concerts"
)


def upcoming_concerts(
    *, location: str | None = None, liked: Sequence[str] = (), first: date | None = None, last: date | None = None
) -> Statement:
    """Scheduled concerts from today on, soonest first, 2,000 of them.

    In one city, state or country if given; of the artists and genres in `liked` if there are any, where a genre may be
    part of another (`rock` of `indie rock`); from a first to a last day if given.
    """
    conditions, parameters = _upcoming_conditions(location, first, last)
    if liked:
        wanted = []
        for number, name in enumerate(liked):
            words = [f"STRPOS({_folded('genre')}, :word_{number}_{place}) > 0" for place in range(len(words_of(name)))]
            parameters |= {f"word_{number}_{place}": word for place, word in enumerate(words_of(name))}
            parameters[f"name_{number}"] = fold(name)
            genre = f"({' AND '.join(words)}) OR " if words else ""
            wanted.append(f"{genre}{_folded('artist_name')} = :name_{number} OR LOWER(artist_id) = :name_{number}")
        conditions.append(f"({' OR '.join(wanted)})")
    return Statement(_UPCOMING + _where(conditions) + " ORDER BY event_date, concert_id LIMIT 2000", parameters)


def popular_upcoming(*, location: str | None = None, first: date | None = None, last: date | None = None) -> Statement:
    """The 200 scheduled concerts of the most popular artists, for whoever has no taste that is known."""
    conditions, parameters = _upcoming_conditions(location, first, last)
    order = " ORDER BY popularity_score DESC NULLS LAST, event_date, concert_id LIMIT 200"
    return Statement(_UPCOMING + _where(conditions) + order, parameters)


def _upcoming_conditions(
    location: str | None, first: date | None, last: date | None
) -> tuple[list[str], dict[str, Scalar]]:
    conditions, parameters = [], dict[str, Scalar]()
    if location is not None:
        place = "CAST(:location AS VARCHAR(512))"
        conditions.append(f"{place} IN ({_folded('city')}, {_folded('state')}, {_folded('country')})")
        parameters["location"] = fold(location)
    for name, operator, day in (("first", ">=", first), ("last", "<=", last)):
        if day is not None:
            conditions.append(f"event_date {operator} CAST(:{name} AS DATE)")
            parameters[name] = day.isoformat()
    return conditions, parameters


def _where(conditions: Sequence[str]) -> str:
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def upcoming_of_artist(artist_id: str) -> Statement:
    """The artist's scheduled concerts, soonest first."""
    return Statement(
        _UPCOMING + " WHERE artist_id = :artist_id ORDER BY event_date, concert_id LIMIT 20", {"artist_id": artist_id}
    )


def upcoming_in_venue(venue_id: str) -> Statement:
    """The venue's scheduled concerts, soonest first."""
    return Statement(
        _UPCOMING + " WHERE venue_id = :venue_id ORDER BY event_date, concert_id LIMIT 20", {"venue_id": venue_id}
    )


def past_concerts(artist_id: str | None, venue_id: str | None) -> Statement:
    """The latest completed concerts of the artist, in the venue, or of the artist in the venue, newest first."""
    conditions = {"artist_id": artist_id, "venue_id": venue_id}
    given = {name: value for name, value in conditions.items() if value is not None}
    return Statement(
        "SELECT concert_id, artist_id, artist_name, venue_id, venue_name, city, event_date,"  # noqa: S608
        " total_attendance,"
        " attendance_rate, revenue FROM concert_dw.v_concert_history WHERE "
        + " AND ".join(f"{name} = :{name}" for name in given)
        + " ORDER BY event_date DESC, concert_id LIMIT 20",
        given,
    )


def bought_genres(user_id: str) -> Statement:
    """The genres of the concerts that a customer bought tickets for, with the tickets of each."""
    return Statement(
        "SELECT artists.genre AS genre, SUM(sales.quantity) AS tickets FROM concert_dw.ticket_sales AS sales"
        " INNER JOIN concert_dw.concerts AS concerts ON sales.concert_id = concerts.concert_id"
        " INNER JOIN concert_dw.artists AS artists ON concerts.artist_id = artists.artist_id"
        " WHERE sales.customer_id = :user_id AND artists.genre IS NOT NULL"
        " GROUP BY artists.genre ORDER BY tickets DESC, genre LIMIT 50",
        {"user_id": user_id},
    )


def names_in(message: str) -> Statement:
    """Artists, venues and cities whose name occurs in the folded message, the longest names first.

    Neither accents nor upper case count.
    """
    sources = (
        ("SELECT '{kind}' AS kind, {kind}_id AS id, name FROM concert_dw.{kind}s", "artist", "name"),
        ("SELECT '{kind}' AS kind, {kind}_id AS id, name FROM concert_dw.{kind}s", "venue", "name"),
        ("SELECT DISTINCT '{kind}' AS kind, city AS id, city AS name FROM concert_dw.venues", "city", "city"),
    )
    asked = " UNION ALL ".join(
        f"{select.format(kind=kind)} WHERE STRPOS(CAST(:message AS VARCHAR(8000)), {_folded(column)}) > 0"
        for select, kind, column in sources
    )
    return Statement(
        f"SELECT kind, id, name FROM ({asked}) AS named ORDER BY LENGTH(name) DESC, kind, id LIMIT 50",  # noqa: S608
        {"message": message},
    )


def artist_performance(artist_id: str) -> Statement:
    """One artist with the figures of the last 365 days, which are null without concerts."""
    return Statement(
        "SELECT artists.artist_id AS artist_id, artists.name AS name, artists.genre AS genre,"
        " artists.popularity_score AS popularity_score, performance.total_concerts AS total_concerts,"
        " performance.attendance_rate AS attendance_rate, performance.revenue_generated AS revenue_generated,"
        " performance.fan_engagement_score AS fan_engagement_score, performance.growth_trend AS growth_trend"
        " FROM concert_dw.artists AS artists LEFT JOIN concert_dw.v_artist_performance AS performance"
        " ON performance.artist_id = artists.artist_id AND performance.as_of = CURRENT_DATE"
        " WHERE artists.artist_id = :artist_id",
        {"artist_id": artist_id},
    )


def top_earning_artists() -> Statement:
    """The ten artists with the most revenue in the last 365 days, with their growth."""
    return Statement(
        "SELECT artist_id, name, total_concerts, revenue_generated, growth_trend FROM concert_dw.v_artist_performance"
        " WHERE as_of = CURRENT_DATE ORDER BY revenue_generated DESC, artist_id LIMIT 10"
    )


def monthly_sales() -> Statement:
    """Ticket revenue by month of purchase over the last twelve months, oldest first."""
    return Statement(
        "SELECT TO_CHAR(summary_date, 'YYYY-MM') AS sales_month, CAST(SUM(total_tickets_sold) AS BIGINT) AS tickets,"
        " SUM(total_revenue) AS revenue FROM concert_dw.v_daily_sales_summary"
        " WHERE summary_date >= CURRENT_DATE - 365 AND summary_date <= CURRENT_DATE"
        " GROUP BY TO_CHAR(summary_date, 'YYYY-MM') ORDER BY sales_month"
    )
