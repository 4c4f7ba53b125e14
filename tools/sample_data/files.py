"""Writes rows as CSV, JSON lines, stream events or Parquet, with the bad records among them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tools.sample_data import defects
from tools.sample_data.tables import WAREHOUSE_COLUMNS, Cells, Kind, in_order

FORMATS = ("csv", "jsonl", "events", "parquet")


def csv_text(rows: Sequence[Cells], columns: Sequence[str]) -> str:
    """A CSV file with a header; lines end in a line feed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(in_order(rows, columns))
    return text.getvalue()


def write_table(
    table: str,
    rows: list[Cells],
    bad: Sequence[defects.BadRecord],
    directory: Path,
    *,
    file_format: str,
    zipped: bool,
    anchor: date,
) -> list[defects.Written]:
    """Write a table's file. Returns where its bad records stand."""
    columns = WAREHOUSE_COLUMNS[table]
    # A line of a CSV file with a header is one further down.
    first = 2 if file_format == "csv" else 1
    name = f"{table}.{'jsonl' if file_format == 'events' else file_format}{'.gz' if zipped else ''}"
    merged = list(_merged(rows, bad))
    if file_format == "parquet":
        _write_parquet(columns, [cells for cells, _ in merged], directory / name)
    else:
        lines = _lines(table, file_format, [cells for cells, _ in merged], columns, anchor)
        content = b"".join([*_header(file_format, columns), *_spoiled(lines, merged)])
        # Neither name nor time in the archive: the same rows give the same bytes.
        (directory / name).write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    key = next(iter(columns))
    return [
        defects.Written(name, first + place, cells[key], defect)
        for place, (cells, defect) in enumerate(merged)
        if defect is not None
    ]


def _merged(rows: list[Cells], bad: Sequence[defects.BadRecord]) -> Iterator[tuple[Cells, defects.Defect | None]]:
    position = 0
    for record in bad:
        yield from ((cells, None) for cells in rows[position : record.before])
        position = record.before
        yield record.cells, record.defect
    yield from ((cells, None) for cells in rows[position:])


def _spoiled(lines: Iterable[bytes], merged: Sequence[tuple[Cells, defects.Defect | None]]) -> Iterator[bytes]:
    for line, (_, defect) in zip(lines, merged, strict=True):
        yield (line if defect is None else defects.spoil(line, defect)) + b"\n"


def _lines(
    table: str, file_format: str, rows: list[Cells], columns: Mapping[str, Kind], anchor: date
) -> Iterable[bytes]:
    """The rows' lines, without their ends."""
    if file_format == "csv":
        # No value holds a line break, so that a line is a record.
        return csv_text(rows, list(columns)).encode().split(b"\n")[1:-1]
    if file_format == "jsonl":
        return (_json(_values(cells, columns)) for cells in rows)
    return (_json(_event(table, cells, columns, anchor)) for cells in rows)


def _header(file_format: str, columns: Mapping[str, Kind]) -> list[bytes]:
    return [(",".join(columns) + "\n").encode()] if file_format == "csv" else []


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _values(cells: Cells, columns: Mapping[str, Kind]) -> dict[str, Any]:
    """Numbers as numbers where they are; a defect's text stays text."""
    return {column: _value(cells[column], kind) for column, kind in columns.items()}


def _value(text: str, kind: Kind) -> Any:
    if text == "":
        return None
    if kind.name in ("integer", "number"):
        try:
            return int(text) if kind.name == "integer" else float(text)
        except ValueError:
            return text
    return text


def _event(table: str, cells: Cells, columns: Mapping[str, Kind], anchor: date) -> dict[str, Any]:
    """The envelope that a source puts on a stream; ingested when the anchor's day begins."""
    return {
        "source": "sample-data",
        "data_type": table,
        "ingestion_timestamp": f"{anchor.isoformat()}T00:00:00+00:00",
        "payload": _values(cells, columns),
    }


def _write_parquet(columns: Mapping[str, Kind], rows: Sequence[Cells], path: Path) -> None:
    # The one user of the library, which takes a while to load.
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = {"text": pa.string(), "integer": pa.int32(), "day": pa.date32(), "moment": pa.timestamp("us")}
    arrays = {
        column: pa.array(
            [_typed(row[column], kind) for row in rows],
            plain.get(kind.name) or pa.decimal128(kind.size, kind.scale),
        )
        for column, kind in columns.items()
    }
    pq.write_table(pa.table(arrays), path, compression="snappy")


def _typed(text: str, kind: Kind) -> Any:
    if text == "":
        return None
    convert: dict[str, Callable[[str], Any]] = {
        "text": str,
        "integer": int,
        "number": Decimal,
        "day": date.fromisoformat,
        "moment": datetime.fromisoformat,
    }
    return convert[kind.name](text)
