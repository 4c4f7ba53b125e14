"""Whether the warehouse holds the rows that were sent: what to ask it, and how to read the answers. Pure.

A data set is there when all its keys are, with the sums of their figures; the sums show that changed files have
arrived too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from .reader import Dataset, Row

#: Keys in one query: far below the Data API's 100 KB a statement.
_KEYS_PER_QUERY = 2_000

#: The figures whose sums are compared.
_MEASURES: Mapping[str, tuple[str, ...]] = {
    "artists": ("popularity_score",),
    "venues": ("capacity", "latitude"),
    "concerts": ("total_attendance", "revenue"),
    "ticket_sales": ("quantity", "total_amount"),
}


@dataclass(frozen=True)
class Expectation:
    """What one query about one data set's keys has to answer: first the number of rows, then the sums."""

    dataset: str
    sql: str
    answer: tuple[Decimal, ...]

    def found(self, row: Sequence[Any]) -> int:
        """How many of the rows are there."""
        return int(row[0])

    def is_met(self, row: Sequence[Any]) -> bool:
        """Whether the answer is the expected one."""
        return tuple(Decimal(str(value or 0)) for value in row) == self.answer


def expectations(dataset: Dataset, rows: Sequence[Row]) -> list[Expectation]:
    """The queries whose answers say that `rows` have arrived."""
    measures = _MEASURES[dataset.name]
    sums = "".join(f", SUM({measure})" for measure in measures)
    found = []
    for start in range(0, len(rows), _KEYS_PER_QUERY):
        part = rows[start : start + _KEYS_PER_QUERY]
        keys = ", ".join("'" + row[dataset.key].replace("'", "''") + "'" for row in part)
        # Table and columns are constants, and keys are quoted.
        sql = f"SELECT COUNT(*){sums} FROM concert_dw.{dataset.name} WHERE {dataset.key} IN ({keys})"  # noqa: S608
        totals = (sum((Decimal(row[measure] or 0) for row in part), Decimal(0)) for measure in measures)
        found.append(Expectation(dataset.name, sql, (Decimal(len(part)), *totals)))
    return found
