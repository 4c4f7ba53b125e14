"""The tables that files are loaded into: their keys and the rules that a row has to keep.

Names, types, lengths and NOT NULL are read from the warehouse. The rules are those that the pipeline applies to records
(`files/lambda/layers/shared/concert_common/tables.py`); a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Moments of a row that a load sets where the file has none.
MOMENTS = ("created_at", "updated_at")

_STATUSES = ("scheduled", "completed", "cancelled", "postponed")
_VENUE_TYPES = ("arena", "stadium", "theater", "club", "amphitheater", "hall", "other")


@dataclass(frozen=True)
class Rule:
    """What a value that is not NULL has to be. `kept` is SQL over the column named `{}`."""

    column: str
    kept: str
    says: str

    @property
    def broken(self) -> str:
        """SQL that is true for a row that breaks the rule."""
        return f"NOT ({self.kept.format(self.column)})"


@dataclass(frozen=True)
class Table:
    """A table of `concert_dw`, its key and its rules."""

    name: str
    key: str
    rules: tuple[Rule, ...]

    @property
    def qualified(self) -> str:
        """The name with its schema."""
        return f"concert_dw.{self.name}"


@dataclass(frozen=True)
class Column:
    """A column as the warehouse has it. `sql_type` is its type in SQL, `length` the bytes of a text."""

    name: str
    sql_type: str
    length: int | None
    required: bool

    @classmethod
    def from_catalog(cls, name: str, type_name: str, required: bool) -> Column:
        """From a type as FORMAT_TYPE writes it, such as `character varying(64)` or `numeric(5,2)`."""
        kind, _, size = type_name.partition("(")
        if kind.startswith("character"):
            length = int(size.rstrip(")"))
            return cls(name, f"VARCHAR({length})", length, required)
        if kind.startswith("timestamp without"):
            return cls(name, "TIMESTAMP", None, required)
        return cls(name, type_name.upper(), None, required)


def _between(column: str, least: int, most: int) -> Rule:
    return Rule(column, f"{{}} BETWEEN {least} AND {most}", f"a number from {least} to {most}")


def _one_of(column: str, words: tuple[str, ...]) -> Rule:
    quoted = ", ".join(f"'{word}'" for word in words)
    return Rule(column, f"{{}} IN ({quoted})", f"one of {', '.join(words)}")


TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table("artists", "artist_id", (_between("popularity_score", 0, 100),)),
        Table(
            "venues",
            "venue_id",
            (
                _between("latitude", -90, 90),
                _between("longitude", -180, 180),
                _between("capacity", 1, 1_000_000),
                _one_of("venue_type", _VENUE_TYPES),
            ),
        ),
        Table(
            "concerts",
            "concert_id",
            (
                _between("total_attendance", 0, 1_000_000),
                _between("revenue", 0, 9_999_999_999),
                _one_of("status", _STATUSES),
            ),
        ),
        Table(
            "ticket_sales",
            "sale_id",
            (
                _between("quantity", 1, 1_000_000),
                _between("unit_price", 0, 999_999),
                _between("total_amount", 0, 99_999_999),
            ),
        ),
    )
}
