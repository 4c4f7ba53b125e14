"""Bad records on top of good ones, one kind of defect after the other, so that a load can be held against them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.sample_data.tables import WAREHOUSE_COLUMNS, Cells
from tools.sample_data.world import Dice


@dataclass(frozen=True)
class Defect:
    """One way in which a record is bad. `column` is empty where the whole line is spoiled."""

    name: str
    column: str
    value: str = ""


@dataclass(frozen=True)
class BadRecord:
    """One bad record: its values, what is wrong with it, and which good row it stands before."""

    cells: Cells
    defect: Defect
    before: int


@dataclass(frozen=True)
class Written:
    """Where a bad record ended up: the line of its file (the row, for Parquet), from 1."""

    file: str
    line: int
    key: str
    defect: Defect


#: What can be wrong with a value, by table: a rule of the platform broken, then what no column takes.
_VALUES: Mapping[str, tuple[Defect, ...]] = {
    "artists": (
        Defect("required", "name"),
        Defect("against-a-rule", "popularity_score", "100.01"),
        Defect("too-long", "spotify_id", "x" * 65),
        Defect("not-a-number", "popularity_score", "famous"),
        Defect("too-large", "popularity_score", "1000.00"),
        Defect("no-such-day", "formation_date", "1999-02-30"),
    ),
    "venues": (
        Defect("required", "capacity"),
        Defect("against-a-rule", "venue_type", "garage"),
        Defect("too-long", "postal_code", "9" * 33),
        Defect("not-a-number", "capacity", "twenty"),
        Defect("too-large", "capacity", "3000000000"),
        Defect("against-a-rule", "capacity", "0"),
    ),
    "concerts": (
        Defect("required", "event_date"),
        Defect("against-a-rule", "status", "perhaps"),
        Defect("too-long", "artist_id", "ü" * 33),
        Defect("not-a-number", "total_attendance", "many"),
        Defect("too-large", "revenue", "99999999999.00"),
        Defect("no-such-day", "event_date", "2026-02-30"),
    ),
    "ticket_sales": (
        Defect("required", "quantity"),
        Defect("against-a-rule", "quantity", "-2"),
        Defect("too-long", "customer_id", "c" * 65),
        Defect("not-a-number", "quantity", "two"),
        Defect("too-large", "unit_price", "1000000.00"),
        Defect("no-such-day", "purchase_timestamp", "2026-02-30 20:00:00"),
    ),
}
#: What can be wrong with a line, by format.
_LINES: Mapping[str, tuple[Defect, ...]] = {
    "csv": (Defect("too-many-values", ""), Defect("too-few-values", ""), Defect("not-utf8", "")),
    "jsonl": (Defect("broken-json", ""), Defect("not-utf8", "")),
    "events": (Defect("broken-json", ""), Defect("not-utf8", "")),
}
#: A typed Parquet column cannot hold these.
_TEXT_ONLY = frozenset({"not-a-number", "too-large", "no-such-day"})


def kinds(table: str, file_format: str) -> tuple[Defect, ...]:
    """Every defect that a record of this table can have in this format."""
    values = _VALUES[table]
    if file_format == "parquet":
        return tuple(defect for defect in values if defect.name not in _TEXT_ONLY)
    return (*values, *_LINES[file_format])


def bad_records(table: str, rows: list[Cells], share: float, file_format: str, seed: int) -> list[BadRecord]:
    """`share` of the rows' number as bad records, at least one of every kind, sorted by where they stand."""
    if not share:
        return []
    possible = kinds(table, file_format)
    dice = Dice(seed)
    key = next(iter(WAREHOUSE_COLUMNS[table]))
    made = []
    for number in range(max(len(possible), round(share * len(rows)))):
        defect = possible[number % len(possible)]
        cells = {**dice.pick(rows), key: f"bad-{table}-{number + 1}"}
        if defect.column:
            cells[defect.column] = defect.value
        made.append(BadRecord(cells, defect, dice.between(0, len(rows))))
    return sorted(made, key=lambda record: record.before)


def spoil(line: bytes, defect: Defect) -> bytes:
    """A line (without its end) with a defect of lines; one of values leaves it as it is."""
    spoiler = _SPOILERS.get(defect.name)
    return spoiler(line) if spoiler else line


_SPOILERS: Mapping[str, Callable[[bytes], bytes]] = {
    "too-many-values": lambda line: line + b",surplus",
    "too-few-values": lambda line: line.rpartition(b",")[0],
    "broken-json": lambda line: line[: len(line) // 2],
    "not-utf8": lambda line: line.replace(b"bad-", b"bad\xff", 1),
}


def describe(written: list[Written], path: Path) -> None:
    """Write the list of bad records: file, line, key, defect, column."""
    lines = [f"{bad.file},{bad.line},{bad.key},{bad.defect.name},{bad.defect.column}" for bad in written]
    path.write_text("\n".join(["file,line,key,defect,column", *lines, ""]), encoding="utf-8")
