"""A world as rows: as the sample files have them (days from an anchor), or as the warehouse's tables do (dates)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tools.sample_data.world import Concert, Sale, World

#: The columns of the sample files, by file.
OFFSET_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "artists": ("artist_id", "name", "genre", "popularity_score", "formation_date", "members"),
    "venues": (
        "venue_id", "name", "address", "city", "state", "country", "postal_code", "latitude", "longitude", "capacity",
        "venue_type", "amenities",
    ),
    "concerts": (
        "concert_id", "artist_id", "venue_id", "event_day", "ticket_prices", "total_attendance", "revenue", "status",
    ),
    "ticket_sales": (
        "sale_id", "concert_id", "customer_id", "price_tier", "quantity", "unit_price", "total_amount", "purchase_day",
        "purchase_time", "customer_segment",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What a column holds: text of at most `size` bytes, an integer, a number of `size` digits, a day, a moment."""

    name: str
    size: int = 0
    scale: int = 0


INTEGER, DAY, MOMENT = Kind("integer"), Kind("day"), Kind("moment")
ID, NAME, LIST, CODE = Kind("text", 64), Kind("text", 256), Kind("text", 4096), Kind("text", 32)

#: The columns of `concert_dw` that a source fills, by table. A test holds them against the migrations.
WAREHOUSE_COLUMNS: Mapping[str, Mapping[str, Kind]] = {
    "artists": {
        "artist_id": ID,
        "name": NAME,
        "genre": LIST,
        "popularity_score": Kind("number", 5, 2),
        "formation_date": DAY,
        "members": LIST,
        "spotify_id": ID,
    },
    "venues": {
        "venue_id": ID,
        "name": NAME,
        "address": NAME,
        "city": NAME,
        "state": NAME,
        "country": NAME,
        "postal_code": CODE,
        "latitude": Kind("number", 9, 6),
        "longitude": Kind("number", 9, 6),
        "capacity": INTEGER,
        "venue_type": CODE,
        "amenities": LIST,
        "ticketmaster_id": ID,
    },
    "concerts": {
        "concert_id": ID,
        "artist_id": ID,
        "venue_id": ID,
        "event_date": DAY,
        "ticket_prices": LIST,
        "total_attendance": INTEGER,
        "revenue": Kind("number", 12, 2),
        "status": CODE,
    },
    "ticket_sales": {
        "sale_id": ID,
        "concert_id": ID,
        "customer_id": ID,
        "price_tier": CODE,
        "quantity": INTEGER,
        "unit_price": Kind("number", 8, 2),
        "total_amount": Kind("number", 10, 2),
        "purchase_timestamp": MOMENT,
        "customer_segment": CODE,
    },
}

Cells = dict[str, str]


def offset_rows(world: World) -> dict[str, list[Cells]]:
    """The rows of the sample files by file; no value is empty text."""
    return {
        "artists": [dict(row) for row in world.artists],
        "venues": [dict(row) for row in world.venues],
        "concerts": [
            {**_concert(concert), "event_day": str(concert.day)} for concert in world.concerts
        ],
        "ticket_sales": [
            {**_sale(sale), "purchase_day": str(sale.day), "purchase_time": _time(sale.second)} for sale in world.sales
        ],
    }  # fmt: skip


def warehouse_rows(world: World, anchor: date) -> dict[str, list[Cells]]:
    """The rows of the warehouse's tables by table, as text; no value is empty text."""
    return {
        "artists": [{**row, "spotify_id": ""} for row in world.artists],
        "venues": [{**row, "ticketmaster_id": ""} for row in world.venues],
        "concerts": [
            {**_concert(concert), "event_date": (anchor + timedelta(concert.day)).isoformat()}
            for concert in world.concerts
        ],
        "ticket_sales": [
            {
                **_sale(sale),
                "purchase_timestamp": f"{(anchor + timedelta(sale.day)).isoformat()} {_time(sale.second)}",
            }
            for sale in world.sales
        ],
    }


def in_order(rows: Sequence[Cells], columns: Sequence[str]) -> Iterator[list[str]]:
    """The rows' values in the columns' order."""
    return ([row[column] for column in columns] for row in rows)


def _concert(concert: Concert) -> Cells:
    return {
        "concert_id": concert.concert_id,
        "artist_id": concert.artist_id,
        "venue_id": concert.venue_id,
        "ticket_prices": "|".join(f"{tier}:{price:.2f}" for tier, price in concert.prices),
        "total_attendance": "" if concert.attendance is None else str(concert.attendance),
        "revenue": "" if concert.revenue is None else f"{concert.revenue:.2f}",
        "status": concert.status,
    }


def _sale(sale: Sale) -> Cells:
    return {
        "sale_id": sale.sale_id,
        "concert_id": sale.concert_id,
        "customer_id": sale.customer_id,
        "price_tier": sale.tier,
        "quantity": str(sale.quantity),
        "unit_price": f"{sale.price:.2f}",
        "total_amount": f"{sale.price * sale.quantity:.2f}",
        "customer_segment": sale.segment,
    }


def _time(second: int) -> str:
    """Seconds since midnight as HH:MM:SS."""
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
