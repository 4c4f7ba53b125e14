"""Turns rows into what a source puts on a stream: envelopes with real dates, in requests that Kinesis takes. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from .errors import SampleDataError
from .reader import Dataset, Row

SOURCE = "sample-data"

#: What PutRecords takes in one request.
MAX_RECORDS = 500
MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class Record:
    """One record of a stream: its bytes and the key that chooses its shard."""

    data: bytes
    partition_key: str

    @property
    def size(self) -> int:
        """The bytes that count against a request's limit."""
        return len(self.data) + len(self.partition_key.encode())


def records(dataset: Dataset, rows: Iterable[Row], anchor: date, moment: datetime) -> list[Record]:
    """One envelope a row, with day offsets counted from `anchor` and `moment` (UTC) as the time of ingestion."""
    return [_record(dataset, row, anchor, moment) for row in rows]


def _record(dataset: Dataset, row: Row, anchor: date, moment: datetime) -> Record:
    try:
        payload = _PAYLOADS[dataset.name](row, anchor)
    except ValueError as error:
        raise SampleDataError(f"{dataset.file_name}, {dataset.key} '{row[dataset.key]}': {error}.") from error
    envelope = {
        "source": SOURCE,
        "data_type": dataset.name,
        "ingestion_timestamp": moment.isoformat(),
        "payload": payload,
    }
    data = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
    return Record(data, row[dataset.key])


def requests(records: Sequence[Record]) -> Iterator[list[Record]]:
    """`records` in order, cut so that each part fits one PutRecords request."""
    part: list[Record] = []
    size = 0
    for record in records:
        if part and (len(part) == MAX_RECORDS or size + record.size > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(record)
        size += record.size
    if part:
        yield part


def _artist(row: Row, anchor: date) -> dict[str, Any]:  # noqa: ARG001 - one signature for all
    return {
        "artist_id": row["artist_id"],
        "name": row["name"],
        "genre": _list(row["genre"]),
        "popularity_score": float(row["popularity_score"]),
        "formation_date": row["formation_date"] or None,
        "members": _list(row["members"]),
        "spotify_id": None,
    }


def _venue(row: Row, anchor: date) -> dict[str, Any]:  # noqa: ARG001
    text = ("venue_id", "name", "address", "city", "state", "country", "postal_code")
    return {
        **{column: row[column] or None for column in text},
        "latitude": float(row["latitude"]),
        "longitude": float(row["longitude"]),
        "capacity": int(row["capacity"]),
        "venue_type": row["venue_type"],
        "amenities": _list(row["amenities"]),
        "ticketmaster_id": None,
    }


def _concert(row: Row, anchor: date) -> dict[str, Any]:
    prices = (part.rpartition(":") for part in row["ticket_prices"].split("|"))
    return {
        "concert_id": row["concert_id"],
        "artist_id": row["artist_id"],
        "venue_id": row["venue_id"],
        "event_date": day(row["event_day"], anchor).isoformat(),
        "ticket_prices": {tier: float(price) for tier, _, price in prices},
        "total_attendance": int(row["total_attendance"]) if row["total_attendance"] else None,
        "revenue": float(row["revenue"]) if row["revenue"] else None,
        "status": row["status"],
    }


def _ticket_sale(row: Row, anchor: date) -> dict[str, Any]:
    return {
        "sale_id": row["sale_id"],
        "concert_id": row["concert_id"],
        "customer_id": row["customer_id"],
        "price_tier": row["price_tier"],
        "quantity": int(row["quantity"]),
        "unit_price": float(row["unit_price"]),
        "total_amount": float(row["total_amount"]),
        "purchase_timestamp": f"{day(row['purchase_day'], anchor).isoformat()}T{row['purchase_time']}+00:00",
        "customer_segment": row["customer_segment"],
    }


_PAYLOADS: Mapping[str, Callable[[Row, date], dict[str, Any]]] = {
    "artists": _artist,
    "venues": _venue,
    "concerts": _concert,
    "ticket_sales": _ticket_sale,
}


def day(offset: str, anchor: date) -> date:
    """The day that lies `offset` days after `anchor`."""
    return anchor + timedelta(days=int(offset))


def _list(text: str) -> list[str]:
    return text.split("|") if text else []
