"""What the API functions ask the warehouse. The views own every figure; these filter, join names and limit.

Parameters arrive as text, hence the casts. Limits that depend on the caller are conditions on a row number, since
LIMIT takes no parameter everywhere. The fixed limits bound what one answer weighs in its time.
"""

from __future__ import annotations

from concert_common.warehouse import Statement


def venue_popularity(*, top_n: int, min_events: int) -> Statement:
    """Venues with at least `min_events` completed concerts in the last 365 days, best first."""
    return Statement(
        "SELECT place, venue_id, name, city, capacity, total_events, attendance_rate, total_revenue,"
        " revenue_per_event FROM ("
        "SELECT ROW_NUMBER() OVER (ORDER BY popularity_rank) AS place, venue_id, name, city, capacity,"
        " total_events, attendance_rate, total_revenue, revenue_per_event"
        " FROM concert_dw.v_venue_popularity"
        " WHERE as_of = CURRENT_DATE AND total_events >= CAST(:min_events AS INTEGER)"
        ") AS ranked WHERE place <= CAST(:top_n AS INTEGER) ORDER BY place",
        {"min_events": min_events, "top_n": top_n},
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
    "SELECT concert_id, artist_id, artist_name, genre, popularity_score, venue_name, city, state, country,"
    " event_date, ticket_prices FROM concert_dw.v_upcoming_concerts"
)


def upcoming_concerts(*, location: str | None = None) -> Statement:
    """Scheduled concerts from today on, soonest first, in one city, state or country if given."""
    order = " ORDER BY event_date, concert_id LIMIT 2000"
    if location is None:
        return Statement(_UPCOMING + order)
    return Statement(
        _UPCOMING
        + " WHERE LOWER(CAST(:location AS VARCHAR(512))) IN (LOWER(city), LOWER(state), LOWER(country))"
        + order,
        {"location": location},
    )


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
    """Artists, venues and cities whose name occurs in the message, the longest names first."""
    return Statement(
        "SELECT kind, id, name FROM ("
        "SELECT 'artist' AS kind, artist_id AS id, name FROM concert_dw.artists"
        " WHERE STRPOS(LOWER(CAST(:message AS VARCHAR(8000))), LOWER(name)) > 0"
        " UNION ALL SELECT 'venue' AS kind, venue_id AS id, name FROM concert_dw.venues"
        " WHERE STRPOS(LOWER(CAST(:message AS VARCHAR(8000))), LOWER(name)) > 0"
        " UNION ALL SELECT DISTINCT 'city' AS kind, city AS id, city AS name FROM concert_dw.venues"
        " WHERE STRPOS(LOWER(CAST(:message AS VARCHAR(8000))), LOWER(city)) > 0"
        ") AS named ORDER BY LENGTH(name) DESC, kind, id LIMIT 50",
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
