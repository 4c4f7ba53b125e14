"""The views' figures and the routines' snapshots equal what plain Python computes from the same rows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.redshift_migrate import ActionModule
from ansible_collections.concert.platform.plugins.module_utils.sample_data.ranking import rank_venues
from ansible_collections.concert.platform.plugins.module_utils.sample_data.reader import DATASETS, read
from ansible_collections.concert.platform.plugins.module_utils.sample_data.records import day

from tests.integration.warehouse_actions import TestWarehouse, run_action

ROOT = Path(__file__).resolve().parents[2]
ANCHOR = date(2026, 11, 24)

#: As of these days: the anchor, a day whose period holds scheduled concerts too, and one with little history.
DAYS = (ANCHOR, ANCHOR + timedelta(days=60), ANCHOR - timedelta(days=480))


@dataclass(frozen=True)
class Concert:
    concert_id: str
    artist_id: str
    venue_id: str
    event_date: date
    total_attendance: int | None
    revenue: Decimal | None
    status: str


@dataclass(frozen=True)
class Sale:
    sale_id: str
    concert_id: str
    customer_id: str | None
    quantity: int
    total_amount: Decimal
    purchased: datetime


@dataclass(frozen=True)
class Data:
    """All rows of the test: the sample files, and rows made to sit on every edge of the definitions."""

    venues: dict[str, dict[str, Any]]
    artists: list[str]
    concerts: list[Concert]
    sales: list[Sale]

    def period(self, as_of: date) -> list[Concert]:
        """The completed concerts of the 365 days before `as_of`."""
        return [
            concert
            for concert in self.concerts
            if concert.status == "completed" and 1 <= (as_of - concert.event_date).days <= 365
        ]

    def capacity(self, concert: Concert) -> int:
        return int(self.venues[concert.venue_id]["capacity"])


def edges() -> tuple[list[dict[str, Any]], list[Concert], list[Sale]]:
    """Venues, concerts and sales that a wrong reading of a definition gets wrong."""
    venues = [
        # The same rate from other numbers, the same revenue: only the id is left to rank them.
        {"venue_id": "edge-b", "name": "B", "city": "X", "capacity": 3},
        {"venue_id": "edge-a", "name": "A", "city": "X", "capacity": 30_000},
        {"venue_id": "edge-c", "name": "C", "city": "X", "capacity": 7},
        {"venue_id": "edge-unused", "name": "U", "city": "X", "capacity": 10},
    ]
    day_before, first, too_old = ANCHOR - timedelta(1), ANCHOR - timedelta(365), ANCHOR - timedelta(366)
    recent, earlier = ANCHOR - timedelta(182), ANCHOR - timedelta(183)

    def concert(number: int, artist: str, venue: str, when: date, seats: int | None, money: str | None) -> Concert:
        revenue = None if money is None else Decimal(money)
        return Concert(f"edge-{number}", artist, venue, when, seats, revenue, "completed")

    concerts = [
        concert(1, "edge-first", "edge-a", day_before, 10_000, "100.01"),
        concert(2, "edge-second", "edge-b", first, 1, "100.01"),
        concert(3, "edge-second", "edge-b", too_old, 3, "9999.99"),
        concert(4, "edge-third", "edge-c", ANCHOR, 7, "1.00"),
        concert(5, "edge-third", "edge-c", recent, None, None),
        concert(6, "edge-third", "edge-c", earlier, 3, "0.05"),
        concert(7, "edge-third", "edge-c", recent, 2, "33.33"),
        concert(8, "edge-third", "edge-c", recent + timedelta(1), 2, "33.33"),
        Concert("edge-9", "edge-third", "edge-c", day_before, 7, Decimal("500"), "cancelled"),
        # A venue that is not known yet.
        concert(10, "edge-third", "edge-nowhere", day_before, 5, "5.00"),
    ]

    def sale(number: int, of: int, customer: str | None, quantity: int, money: str, hour: int = 12) -> Sale:
        return Sale(
            f"edge-{number}", f"edge-{of}", customer, quantity, Decimal(money), datetime(2026, 11, 20, hour, 59, 59)
        )

    sales = [
        # Two of the artist's concerts: a fan. Twice the same concert: none. One of two outside the period: none.
        sale(1, 6, "fan", 2, "10.00"),
        sale(2, 7, "fan", 1, "5.01", 23),
        sale(3, 7, "visitor", 3, "10.00"),
        sale(4, 7, "visitor", 3, "10.00", 0),
        sale(5, 4, "late", 1, "1.00"),
        sale(6, 8, "late", 1, "1.00"),
        # Nobody is not a fan, however many concerts nobody bought tickets for.
        sale(7, 6, None, 4, "0.02"),
        sale(8, 8, None, 4, "0.02"),
        sale(9, 9, "fan", 9, "9.99"),
    ]
    return venues, concerts, sales


@pytest.fixture(scope="module")
def data() -> Data:
    directory = ROOT / "files" / "sample_data"
    venues, concerts, sales = edges()
    rows = [*read(directory, DATASETS["venues"]), *venues]
    for row in read(directory, DATASETS["concerts"]):
        concerts.append(
            Concert(
                row["concert_id"],
                row["artist_id"],
                row["venue_id"],
                day(row["event_day"], ANCHOR),
                int(row["total_attendance"]) if row["total_attendance"] else None,
                Decimal(row["revenue"]) if row["revenue"] else None,
                row["status"],
            )
        )
    for row in read(directory, DATASETS["ticket_sales"]):
        moment = datetime.fromisoformat(f"{day(row['purchase_day'], ANCHOR)}T{row['purchase_time']}")
        sales.append(
            Sale(
                row["sale_id"],
                row["concert_id"],
                row["customer_id"],
                int(row["quantity"]),
                Decimal(row["total_amount"]),
                moment,
            )
        )
    artists = sorted({concert.artist_id for concert in concerts})
    return Data({str(row["venue_id"]): dict(row) for row in rows}, artists, concerts, sales)


@pytest.fixture(scope="module")
def warehouse(client: Callable[..., Any], embedded_aws: Any, data: Data) -> TestWarehouse:
    """A migrated warehouse that holds the data."""
    made = TestWarehouse.create(client, embedded_aws.endpoint_url, "figures-test")
    directory = ROOT / "files" / "redshift" / "migrations"
    placeholders = {"environment": "development", "name_suffix": ""}
    options = {**made.options, "directory": str(directory), "placeholders": placeholders}
    assert run_action(ActionModule, options).get("msg") is None
    insert(made, "artists (artist_id, name, genre)", [(artist, artist.upper(), "rock|pop") for artist in data.artists])
    insert(
        made,
        "venues (venue_id, name, city, capacity)",
        [(v["venue_id"], v["name"], v["city"], int(v["capacity"])) for v in data.venues.values()],
    )
    insert(
        made,
        "concerts (concert_id, artist_id, venue_id, event_date, total_attendance, revenue, status)",
        [
            (c.concert_id, c.artist_id, c.venue_id, c.event_date, c.total_attendance, c.revenue, c.status)
            for c in data.concerts
        ],
    )
    insert(
        made,
        "ticket_sales (sale_id, concert_id, customer_id, quantity, total_amount, purchase_timestamp)",
        [(s.sale_id, s.concert_id, s.customer_id, s.quantity, s.total_amount, s.purchased) for s in data.sales],
    )
    return made


def insert(warehouse: TestWarehouse, target: str, rows: Sequence[Sequence[Any]]) -> None:
    for start in range(0, len(rows), 500):
        values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows[start : start + 500])
        warehouse.query(f"INSERT INTO concert_dw.{target} VALUES {values}")


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | Decimal) else "'" + str(value).replace("'", "''") + "'"


def rounded(value: Fraction | None, places: int) -> Decimal | None:
    """`value` rounded half away from zero, once."""
    if value is None:
        return None
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        return exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def numbers(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The Data API gives decimals as text."""
    decimal = re.compile(r"-?[0-9]+[.][0-9]+")
    return [
        [Decimal(value) if isinstance(value, str) and decimal.fullmatch(value) else value for value in row]
        for row in rows
    ]


def expected_artists(data: Data, as_of: date) -> list[list[Any]]:
    """v_artist_performance as of a day, by artist."""
    period = [concert for concert in data.period(as_of) if concert.venue_id in data.venues]
    by_concert: dict[str, list[Sale]] = defaultdict(list)
    for sale in data.sales:
        by_concert[sale.concert_id].append(sale)
    rows: list[list[Any]] = []
    for artist in data.artists:
        concerts = [concert for concert in period if concert.artist_id == artist]
        if not concerts:
            continue
        sales = [sale for concert in concerts for sale in by_concert[concert.concert_id]]
        visited: dict[str, set[str]] = defaultdict(set)
        for sale in sales:
            if sale.customer_id is not None:
                visited[sale.customer_id].add(sale.concert_id)
        tickets = sum(sale.quantity for sale in sales)
        returning = sum(s.quantity for s in sales if s.customer_id is not None and len(visited[s.customer_id]) >= 2)
        rate = Fraction(sum(c.total_attendance or 0 for c in concerts), sum(data.capacity(c) for c in concerts))
        revenue = sum((c.revenue or Decimal(0) for c in concerts), Decimal(0))
        recent = sum((c.revenue or Decimal(0) for c in concerts if (as_of - c.event_date).days <= 182), Decimal(0))
        earlier = revenue - recent
        share = Fraction(returning, tickets) if tickets else Fraction(0)
        growth = None if earlier == 0 else (Fraction(recent) - Fraction(earlier)) / Fraction(earlier)
        score = 100 * (Fraction(6, 10) * rate + Fraction(4, 10) * share)
        rows.append(
            [
                artist,
                len(concerts),
                rounded(Fraction(tickets, len(concerts)), 2),
                rounded(rate, 6),
                rounded(Fraction(revenue), 2),
                rounded(score, 6),
                rounded(growth, 6),
            ]
        )
    return rows


@pytest.mark.parametrize("as_of", DAYS)
def test_venues_are_ranked_as_defined(warehouse: TestWarehouse, data: Data, as_of: date) -> None:
    rows = warehouse.query(
        "SELECT popularity_rank, venue_id, name, city, capacity, total_events, attendance_rate, total_revenue,"
        f" revenue_per_event FROM concert_dw.v_venue_popularity WHERE as_of = '{as_of}' ORDER BY popularity_rank"
    )
    concerts = [vars(concert) for concert in data.concerts]
    expected = rank_venues(data.venues.values(), concerts, as_of, top_n=1000, min_events=1)
    assert expected
    assert [[*row[:6], round(float(row[6]), 4), *row[7:]] for row in rows] == [
        list(venue.values()) for venue in expected
    ]


def test_equal_rates_and_revenues_are_ranked_by_id(warehouse: TestWarehouse) -> None:
    rows = warehouse.query(
        "SELECT venue_id, attendance_rate, total_revenue FROM concert_dw.v_venue_popularity"
        f" WHERE as_of = '{ANCHOR}' AND venue_id IN ('edge-a', 'edge-b') ORDER BY popularity_rank"
    )
    assert rows == [["edge-a", "0.333333", "100.01"], ["edge-b", "0.333333", "100.01"]]


@pytest.mark.parametrize("as_of", DAYS)
def test_rates_of_venues_keep_six_places(warehouse: TestWarehouse, data: Data, as_of: date) -> None:
    rows = warehouse.query(
        "SELECT venue_id, attendance_rate, booking_frequency FROM concert_dw.v_venue_popularity"
        f" WHERE as_of = '{as_of}' ORDER BY venue_id"
    )
    held: dict[str, list[Concert]] = defaultdict(list)
    for concert in data.period(as_of):
        if concert.venue_id in data.venues:
            held[concert.venue_id].append(concert)
    assert numbers(rows) == [
        [
            venue,
            rounded(Fraction(sum(c.total_attendance or 0 for c in cs), sum(data.capacity(c) for c in cs)), 6),
            rounded(Fraction(len(cs), 12), 6),
        ]
        for venue, cs in sorted(held.items())
    ]


@pytest.mark.parametrize("as_of", DAYS)
def test_artists_perform_as_defined(warehouse: TestWarehouse, data: Data, as_of: date) -> None:
    rows = warehouse.query(
        "SELECT artist_id, total_concerts, avg_ticket_sales, attendance_rate, revenue_generated, fan_engagement_score,"
        f" growth_trend FROM concert_dw.v_artist_performance WHERE as_of = '{as_of}' ORDER BY artist_id"
    )
    assert numbers(rows) == expected_artists(data, as_of)


def test_days_are_summed_up_as_defined(warehouse: TestWarehouse, data: Data) -> None:
    rows = warehouse.query(
        "SELECT summary_date, concert_id, artist_id, venue_id, total_tickets_sold, total_revenue, avg_ticket_price,"
        " unique_customers FROM concert_dw.v_daily_sales_summary WHERE summary_date >= '2026-11-01'"
        " ORDER BY summary_date, concert_id"
    )
    assert numbers(rows) == expected_days(data, date(2026, 11, 1))


def expected_days(data: Data, since: date) -> list[list[Any]]:
    """v_daily_sales_summary from a day on, by day and concert."""
    concerts = {concert.concert_id: concert for concert in data.concerts}
    groups: dict[tuple[str, str], list[Sale]] = defaultdict(list)
    for sale in data.sales:
        if sale.purchased.date() >= since and sale.concert_id in concerts:
            groups[sale.purchased.date().isoformat(), sale.concert_id].append(sale)
    expected = []
    for (when, concert_id), sales in sorted(groups.items()):
        quantity, amount = sum(s.quantity for s in sales), sum((s.total_amount for s in sales), Decimal(0))
        customers = {s.customer_id for s in sales if s.customer_id is not None}
        concert = concerts[concert_id]
        average = rounded(Fraction(amount) / quantity, 2)
        places = [concert.artist_id, concert.venue_id]
        expected.append([when, concert_id, *places, quantity, amount, average, len(customers)])
    return expected


@pytest.mark.parametrize(
    ("routine", "table", "view", "key", "columns"),
    [
        (
            "calculate_venue_popularity",
            "venue_popularity",
            "v_venue_popularity",
            ("calculated_at", "as_of"),
            "venue_id, popularity_rank, attendance_rate, revenue_per_event, booking_frequency, total_events",
        ),
        (
            "calculate_artist_performance",
            "artist_performance",
            "v_artist_performance",
            ("calculated_at", "as_of"),
            "artist_id, total_concerts, avg_ticket_sales, revenue_generated, fan_engagement_score, growth_trend",
        ),
        (
            "generate_daily_sales_summary",
            "daily_sales_summary",
            "v_daily_sales_summary",
            ("summary_date", "summary_date"),
            "concert_id, artist_id, venue_id, total_tickets_sold, total_revenue, avg_ticket_price, unique_customers",
        ),
    ],
    ids=["venues", "artists", "days"],
)
def test_a_routine_keeps_the_view_of_a_day_and_replaces_it(
    warehouse: TestWarehouse, routine: str, table: str, view: str, key: tuple[str, str], columns: str
) -> None:
    stored, shown = key
    kept = columns.replace("attendance_rate", "avg_attendance_rate") if table == "venue_popularity" else columns
    for when in (date(2026, 11, 20), date(2026, 11, 19), date(2026, 11, 20)):
        warehouse.query(f"CALL concert_dw.{routine}('{when}')")
    snapshot = warehouse.query(f"SELECT {kept} FROM concert_dw.{table} WHERE {stored} = '2026-11-20' ORDER BY 1")
    assert snapshot
    assert snapshot == warehouse.query(
        f"SELECT {columns} FROM concert_dw.{view} WHERE {shown} = '2026-11-20' ORDER BY 1"
    )
    days = warehouse.query(f"SELECT DISTINCT {stored} FROM concert_dw.{table} ORDER BY 1")
    assert days == [["2026-11-19"], ["2026-11-20"]]
    warehouse.query(f"DELETE FROM concert_dw.{table}")


@pytest.mark.parametrize("routine", ["calculate_venue_popularity", "calculate_artist_performance"])
def test_a_routine_without_a_day_means_today(warehouse: TestWarehouse, routine: str) -> None:
    table = routine.removeprefix("calculate_")
    warehouse.query(f"CALL concert_dw.{routine}()")
    rows = warehouse.query(
        f"SELECT COUNT(*), SUM(CASE WHEN calculated_at = CURRENT_DATE THEN 1 ELSE 0 END) FROM concert_dw.{table}"
    )
    shown = warehouse.query(f"SELECT COUNT(*) FROM concert_dw.v_{table} WHERE as_of = CURRENT_DATE")
    assert rows == [[shown[0][0], shown[0][0] or None]]
    warehouse.query(f"DELETE FROM concert_dw.{table}")


def test_upcoming_and_past_concerts_are_shown_with_artist_and_venue(warehouse: TestWarehouse, data: Data) -> None:
    today = date.fromisoformat(warehouse.query("SELECT CURRENT_DATE")[0][0])
    upcoming = warehouse.query("SELECT concert_id, artist_name FROM concert_dw.v_upcoming_concerts ORDER BY concert_id")
    assert upcoming == [
        [c.concert_id, c.artist_id.upper()]
        for c in sorted(data.concerts, key=lambda c: c.concert_id)
        if c.status == "scheduled" and c.event_date >= today
    ]
    history = warehouse.query(
        "SELECT concert_id, attendance_rate FROM concert_dw.v_concert_history ORDER BY concert_id"
    )
    assert numbers(history) == [
        [
            c.concert_id,
            None if c.total_attendance is None else rounded(Fraction(c.total_attendance, data.capacity(c)), 6),
        ]
        for c in sorted(data.concerts, key=lambda c: c.concert_id)
        if c.status == "completed" and c.venue_id in data.venues
    ]


def test_the_calendar_holds_every_day_once(warehouse: TestWarehouse) -> None:
    rows = warehouse.query("SELECT MIN(as_of), MAX(as_of), COUNT(*), COUNT(DISTINCT as_of) FROM concert_dw.calendar")
    assert rows == [["2015-01-01", "2045-12-31", 11_323, 11_323]]
