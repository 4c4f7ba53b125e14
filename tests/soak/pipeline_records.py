"""The soak's records: what is put on the streams, and what must be in the warehouse and in quarantine afterwards.

One seed, so that a failed run can be repeated. Beside the valid records there are repetitions, older versions that
arrive after newer ones, records that arrive days late, and every kind of invalid record.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

ARTISTS, VENUES = 1_000, 500
SEGMENTS = ("casual", "fan", "student", "corporate")

#: What is broken in a ticket sale, and the reason that the quarantine has to give.
BROKEN_SALES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"sale_id": ""}, "sale_id: required"),
    ({"concert_id": None}, "concert_id: required"),
    ({"quantity": 0}, "quantity: an integer from 1 to 1000000"),
    ({"quantity": "two"}, "quantity: an integer from 1 to 1000000"),
    ({"total_amount": -1}, "total_amount: a number from 0 to 99999999"),
    ({"purchase_timestamp": "yesterday"}, "purchase_timestamp: a moment in ISO 8601"),
    ({"price_tier": "x" * 40}, "price_tier: a text of at most 32 bytes"),
)


@dataclass
class Load:
    """`sent` by data type, in order; `expected` rows by data type and key; `refused`: record text to reason."""

    sent: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: {"artists": [], "venues": [], "events": []})
    expected: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many are put on the streams, invalid ones and repetitions included."""
        return sum(map(len, self.sent.values()))

    @property
    def rows(self) -> int:
        """How many rows the warehouse must hold afterwards."""
        return sum(map(len, self.expected.values()))


def make(concerts: int, sales: int, seed: int) -> Load:
    """A load of so many concerts and sales, an invalid record for every hundred valid ones."""
    chance = random.Random(seed)
    now = datetime.now(UTC).replace(microsecond=0)
    load = Load()
    _send_all(load, "artists", "artists", "artist_id", _artists(), now)
    _send_all(load, "venues", "venues", "venue_id", _venues(chance), now)
    events: list[tuple[str, str]] = []
    for data_type, key, payloads in (
        ("concerts", "concert_id", _concerts(chance, concerts, now)),
        ("ticket_sales", "sale_id", _sales(chance, sales, concerts, now)),
    ):
        rows = load.expected[data_type] = {}
        for number, payload in enumerate(payloads):
            moment = now - timedelta(days=2 if number % 200 == 0 else 0, seconds=chance.randrange(60))
            rows[payload[key]] = payload
            events.append((payload[key], envelope(data_type, payload, moment)))
            if number % 20 == 0:
                # The same record once more.
                events.append(events[-1])
            if number % 25 == 0 and data_type == "concerts":
                # An older version, which arrives after the newer one and must change nothing.
                older = {**payload, "total_attendance": 1, "revenue": 1.0}
                events.append((payload[key], envelope(data_type, older, moment - timedelta(hours=1))))
            if number % 100 == 0:
                text, reason = _broken(chance, number, now)
                load.refused[text] = reason
                events.append((f"broken-{number}", text))
    load.sent["events"] = events
    return load


def envelope(data_type: str, payload: dict[str, Any], moment: datetime) -> str:
    """The record as a source sends it."""
    return json.dumps(
        {
            "source": "soak",
            "data_type": data_type,
            "ingestion_timestamp": moment.isoformat(),
            "payload": payload,
        }
    )


def _send_all(
    load: Load, stream: str, data_type: str, key: str, payloads: Iterator[dict[str, Any]], now: datetime
) -> None:
    load.expected[data_type] = {}
    for payload in payloads:
        load.expected[data_type][payload[key]] = payload
        load.sent[stream].append((payload[key], envelope(data_type, payload, now)))


def _artists() -> Iterator[dict[str, Any]]:
    for number in range(ARTISTS):
        yield {"artist_id": f"soak-artist-{number}", "name": f"Ärtist {number}", "genre": ["rock", "pop"]}


def _venues(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(VENUES):
        capacity = chance.randrange(500, 50_000)
        yield {"venue_id": f"soak-venue-{number}", "name": f"Venue {number}", "city": "Soak", "capacity": capacity}


def _concerts(chance: random.Random, count: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {
            "concert_id": f"soak-concert-{number}",
            "artist_id": f"soak-artist-{chance.randrange(ARTISTS)}",
            "venue_id": f"soak-venue-{chance.randrange(VENUES)}",
            "event_date": (now - timedelta(days=chance.randrange(1, 360))).date().isoformat(),
            "ticket_prices": {"general": 50, "vip": 120.5},
            "total_attendance": chance.randrange(10_000),
            "revenue": chance.randrange(10_000_000) / 100,
            "status": "completed",
        }


def _sales(chance: random.Random, count: int, concerts: int, now: datetime) -> Iterator[dict[str, Any]]:
    for number in range(count):
        quantity, cents = chance.randrange(1, 7), chance.randrange(2_000, 20_000)
        yield {
            "sale_id": f"soak-sale-{number}",
            "concert_id": f"soak-concert-{chance.randrange(concerts)}",
            "customer_id": f"soak-customer-{chance.randrange(5_000)}",
            "price_tier": "general",
            "quantity": quantity,
            "unit_price": cents / 100,
            "total_amount": quantity * cents / 100,
            "purchase_timestamp": (now - timedelta(minutes=chance.randrange(500_000))).isoformat(),
            "customer_segment": chance.choice(SEGMENTS),
        }


def _broken(chance: random.Random, number: int, now: datetime) -> tuple[str, str]:
    """An invalid record and the reason that it must be refused for. The number makes its text unique."""
    marker = f"{number}-{chance.randrange(10**12)}"
    kind = chance.randrange(len(BROKEN_SALES) + 3)
    if kind == len(BROKEN_SALES):
        return f"not JSON {marker}", "record: JSON in UTF-8"
    sound = {**next(_sales(chance, 1, 10, now)), "sale_id": f"soak-broken-{marker}"}
    if kind == len(BROKEN_SALES) + 1:
        return (
            envelope("merchandise", sound, now),
            "data_type: one of artists, concerts, ticket_sales, venues",
        )
    if kind == len(BROKEN_SALES) + 2:
        tomorrow = now + timedelta(days=1)
        return (
            envelope("ticket_sales", sound, tomorrow),
            "ingestion_timestamp: at most 15 minutes after the record arrived",
        )
    changed, reason = BROKEN_SALES[kind]
    return envelope("ticket_sales", {**sound, "customer_id": marker, **changed}, now), reason
