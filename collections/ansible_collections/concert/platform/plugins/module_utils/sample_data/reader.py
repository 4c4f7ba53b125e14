"""Reads the sample files. Pure: a directory in, rows of text out, checked against what a data set must hold."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import SampleDataError

Row = dict[str, str]


@dataclass(frozen=True)
class Dataset:
    """One kind of record: its name (also its data type and table), its key, and its file's columns in order."""

    name: str
    key: str
    columns: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.name}.csv"


#: Parents before children, which nothing requires but everybody expects.
DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "artists",
            "artist_id",
            ("artist_id", "name", "genre", "popularity_score", "formation_date", "members"),
        ),
        Dataset(
            "venues",
            "venue_id",
            (
                "venue_id", "name", "address", "city", "state", "country", "postal_code", "latitude", "longitude",
                "capacity", "venue_type", "amenities",
            ),
        ),
        Dataset(
            "concerts",
            "concert_id",
            (
                "concert_id", "artist_id", "venue_id", "event_day", "ticket_prices", "total_attendance", "revenue",
                "status",
            ),
        ),
        Dataset(
            "ticket_sales",
            "sale_id",
            (
                "sale_id", "concert_id", "customer_id", "price_tier", "quantity", "unit_price", "total_amount",
                "purchase_day", "purchase_time", "customer_segment",
            ),
        ),
    )
}  # fmt: skip


def select(names: Sequence[str]) -> tuple[Dataset, ...]:
    """The data sets named, parents first. Raises SampleDataError for an unknown name."""
    unknown = [name for name in names if name not in DATASETS]
    if unknown:
        raise SampleDataError(
            f"There is no data set '{unknown[0]}'. Known: {', '.join(DATASETS)}. Correct sample_data_datasets."
        )
    return tuple(dataset for name, dataset in DATASETS.items() if name in names)


def read(directory: Path, dataset: Dataset) -> tuple[Row, ...]:
    """The rows of a data set's file. Raises SampleDataError for other columns, a row cut short, or a key twice."""
    path = directory / dataset.file_name
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = tuple(reader)
            columns = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SampleDataError(f"'{path}' cannot be read: {error}.") from error
    if columns != dataset.columns:
        raise SampleDataError(
            f"{dataset.file_name} has the columns {', '.join(columns) or 'none'}; "
            f"expected {', '.join(dataset.columns)}."
        )
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise SampleDataError(f"{dataset.file_name} row {number} has not {len(columns)} values. Complete it.")
        key = row[dataset.key]
        if not key or key in seen:
            raise SampleDataError(f"{dataset.file_name} row {number} has the {dataset.key} '{key}', empty or twice.")
        seen.add(key)
    return rows


def record_counts(directory: Path) -> dict[str, int]:
    """How many records each data set of the directory holds."""
    return {name: len(read(directory, dataset)) for name, dataset in DATASETS.items()}


def checksum(directory: Path, datasets: Sequence[Dataset]) -> str:
    """The SHA-256 of the files of `datasets`: another value means that something else would be sent."""
    digest = hashlib.sha256()
    for dataset in datasets:
        path = directory / dataset.file_name
        try:
            content = path.read_bytes().replace(b"\r\n", b"\n")
        except OSError as error:
            raise SampleDataError(f"'{path}' cannot be read: {error}.") from error
        digest.update(f"{dataset.name}:{len(content)}\n".encode() + content)
    return digest.hexdigest()
