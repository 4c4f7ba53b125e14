"""The four tables that the pipeline fills: their columns and rules, in one place.

The stream processor normalises payloads by it, the loader builds its SQL from it. The schema's migrations create the
same columns; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

#: A normalised value, as it stands in a processed object's JSON.
Cell = str | int | float | None

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_STATUSES = ("scheduled", "completed", "cancelled", "postponed")
_VENUE_TYPES = ("arena", "stadium", "theater", "club", "amphitheater", "hall", "other")


class RuleBrokenError(Exception):
    """A value breaks its column's rule. The message is the reason, without the value: it may be personal."""


@dataclass(frozen=True)
class Column:
    """One column: its name, how a value becomes a cell, and whether a row means nothing without it."""

    name: str
    convert: Callable[[Any], Cell]
    required: bool = False

    def cell(self, payload: Mapping[str, Any]) -> Cell:
        """The payload's value as a cell; raises `RuleBrokenError` with column and rule."""
        value = payload.get(self.name)
        if value is None or value == "" or value == [] or value == {}:
            if self.required:
                raise RuleBrokenError(f"{self.name}: required")
            return None
        try:
            return self.convert(value)
        except RuleBrokenError as broken:
            raise RuleBrokenError(f"{self.name}: {broken}") from None


@dataclass(frozen=True)
class Table:
    """One table of `concert_dw`; its name is the data type of its records."""

    name: str
    key: str
    columns: tuple[Column, ...]

    @property
    def qualified(self) -> str:
        """The name with its schema."""
        return f"concert_dw.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """All columns in order, the two moments last."""
        return (*(column.name for column in self.columns), "created_at", "updated_at")

    @property
    def required_names(self) -> frozenset[str]:
        """The columns that are never null."""
        return frozenset(column.name for column in self.columns if column.required) | {"created_at", "updated_at"}

    def row(self, payload: Mapping[str, Any], ingested: datetime) -> dict[str, Cell]:
        """The payload as a row; both moments are when it was ingested. Raises `RuleBrokenError` with the reason."""
        moment = warehouse_moment(ingested)
        cells = {column.name: column.cell(payload) for column in self.columns}
        return {**cells, "created_at": moment, "updated_at": moment}


def warehouse_moment(moment: datetime) -> str:
    """A moment (with its zone) as the warehouse reads it: UTC without zone, microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def parse_moment(value: object) -> datetime:
    """An ISO 8601 moment with its zone; without one it counts as UTC."""
    if isinstance(value, str) and len(value) >= len("2026-01-01T00:00"):
        try:
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise RuleBrokenError("a moment in ISO 8601")


def _fits(text: str, most_bytes: int) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise RuleBrokenError("a text of whole Unicode characters") from None
    if size > most_bytes or "\x00" in text:
        raise RuleBrokenError(f"a text of at most {most_bytes} bytes")
    return text


def _text(most_bytes: int) -> Callable[[Any], Cell]:
    def convert(value: Any) -> Cell:
        if not isinstance(value, str) or not value.strip():
            raise RuleBrokenError(f"a text of at most {most_bytes} bytes")
        return _fits(value.strip(), most_bytes)

    return convert


def _choice(choices: tuple[str, ...]) -> Callable[[Any], Cell]:
    def convert(value: Any) -> Cell:
        word = value.strip().lower() if isinstance(value, str) else None
        if word not in choices:
            raise RuleBrokenError("one of " + ", ".join(choices))
        return word

    return convert


def _list(value: Any) -> Cell:
    """A JSON list of texts, or texts joined by a bar; stored joined, each once."""
    items = value.split("|") if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) and "|" not in item for item in items):
        raise RuleBrokenError("a list of texts without a bar")
    kept = dict.fromkeys(item.strip() for item in items if item.strip())
    return _fits("|".join(kept), 4096) or None


def _prices(value: Any) -> Cell:
    """Prices by tier, as an object or as `tier:price|…`; stored as the latter with two decimals."""
    rule = RuleBrokenError("prices of at least 0 by tier")
    if isinstance(value, str):
        pairs: list[tuple[Any, Any]] = []
        for part in value.split("|"):
            tier, separator, price = part.rpartition(":")
            if not separator:
                raise rule
            pairs.append((tier, price))
    elif isinstance(value, dict):
        pairs = list(value.items())
    else:
        raise rule
    parts = []
    for tier, price in pairs:
        if not isinstance(tier, str) or not tier.strip() or "|" in tier or ":" in tier:
            raise rule
        parts.append(f"{tier.strip()}:{_decimal_of(price, 2, 0, 999_999, rule)}")
    return _fits("|".join(parts), 4096)


def _day(value: Any) -> Cell:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise RuleBrokenError("a day as YYYY-MM-DD")


def _moment(value: Any) -> Cell:
    return warehouse_moment(parse_moment(value))


def _integer(minimum: int, maximum: int) -> Callable[[Any], Cell]:
    rule = f"an integer from {minimum} to {maximum}"

    def convert(value: Any) -> Cell:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise RuleBrokenError(rule)
        return value

    return convert


def _decimal_of(value: Any, scale: int, minimum: int, maximum: int, broken: RuleBrokenError) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise broken
    try:
        number = Decimal(str(value))
        if not number.is_finite() or not minimum <= number <= maximum:
            raise broken
        return number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    except InvalidOperation:
        raise broken from None


def _decimal(scale: int, minimum: int, maximum: int) -> Callable[[Any], Cell]:
    """A number of at most fifteen digits in all, so that a JSON number holds it exactly."""
    rule = f"a number from {minimum} to {maximum}"

    def convert(value: Any) -> Cell:
        return float(_decimal_of(value, scale, minimum, maximum, RuleBrokenError(rule)))

    return convert


_ID = _text(64)
_NAME = _text(256)
_CODE = _text(32)

_ALL = (
    Table(
        "artists",
        "artist_id",
        (
            Column("artist_id", _ID, required=True),
            Column("name", _NAME, required=True),
            Column("genre", _list),
            Column("popularity_score", _decimal(2, 0, 100)),
            Column("formation_date", _day),
            Column("members", _list),
            Column("spotify_id", _ID),
        ),
    ),
    Table(
        "venues",
        "venue_id",
        (
            Column("venue_id", _ID, required=True),
            Column("name", _NAME, required=True),
            Column("address", _NAME),
            Column("city", _NAME),
            Column("state", _NAME),
            Column("country", _NAME),
            Column("postal_code", _CODE),
            Column("latitude", _decimal(6, -90, 90)),
            Column("longitude", _decimal(6, -180, 180)),
            Column("capacity", _integer(1, 1_000_000), required=True),
            Column("venue_type", _choice(_VENUE_TYPES)),
            Column("amenities", _list),
            Column("ticketmaster_id", _ID),
        ),
    ),
    Table(
        "concerts",
        "concert_id",
        (
            Column("concert_id", _ID, required=True),
            Column("artist_id", _ID, required=True),
            Column("venue_id", _ID, required=True),
            Column("event_date", _day, required=True),
            Column("ticket_prices", _prices),
            Column("total_attendance", _integer(0, 1_000_000)),
            Column("revenue", _decimal(2, 0, 9_999_999_999)),
            Column("status", _choice(_STATUSES), required=True),
        ),
    ),
    Table(
        "ticket_sales",
        "sale_id",
        (
            Column("sale_id", _ID, required=True),
            Column("concert_id", _ID, required=True),
            Column("customer_id", _ID),
            Column("price_tier", _CODE),
            Column("quantity", _integer(1, 1_000_000), required=True),
            Column("unit_price", _decimal(2, 0, 999_999)),
            Column("total_amount", _decimal(2, 0, 99_999_999), required=True),
            Column("purchase_timestamp", _moment, required=True),
            Column("customer_segment", _CODE),
        ),
    ),
)

#: By data type.
TABLES: Mapping[str, Table] = {table.name: table for table in _ALL}
