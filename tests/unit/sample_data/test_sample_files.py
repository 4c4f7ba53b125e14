"""The committed sample files: what the generator writes, plausible, and rich enough to rank."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.sample_data.ranking import expected_venue_popularity
from ansible_collections.concert.platform.plugins.module_utils.sample_data.reader import (
    DATASETS,
    Row,
    read,
    record_counts,
)
from ansible_collections.concert.platform.plugins.module_utils.sample_data.records import records
from concert_common.records import Envelope, read_document

DIRECTORY = Path(__file__).resolve().parents[3] / "files" / "sample_data"
ANCHOR = date(2026, 11, 24)
STATUSES = {"completed", "scheduled", "cancelled", "postponed"}


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[Row, ...]]:
    return {name: read(DIRECTORY, dataset) for name, dataset in DATASETS.items()}


def test_the_committed_files_are_what_the_generator_writes() -> None:
    command = [sys.executable, "-m", "tools.sample_data", "--check"]
    checked = subprocess.run(command, cwd=DIRECTORY.parents[1], capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr


def test_there_is_enough_and_not_too_much() -> None:
    counts = record_counts(DIRECTORY)
    assert counts["artists"] >= 60
    assert counts["venues"] >= 40
    assert (counts["concerts"], counts["ticket_sales"]) == (600, 6_000)
    assert sum(path.stat().st_size for path in DIRECTORY.iterdir() if path.is_file()) < 1_500_000


def test_references_hold(rows: dict[str, tuple[Row, ...]]) -> None:
    artists = {row["artist_id"] for row in rows["artists"]}
    venues = {row["venue_id"] for row in rows["venues"]}
    concerts = {row["concert_id"] for row in rows["concerts"]}
    assert {row["artist_id"] for row in rows["concerts"]} == artists
    assert {row["venue_id"] for row in rows["concerts"]} <= venues
    assert {row["concert_id"] for row in rows["ticket_sales"]} <= concerts


def test_concerts_are_plausible(rows: dict[str, tuple[Row, ...]]) -> None:
    capacity = {row["venue_id"]: int(row["capacity"]) for row in rows["venues"]}
    for row in rows["concerts"]:
        offset = int(row["event_day"])
        prices = [Decimal(part.split(":")[1]) for part in row["ticket_prices"].split("|")]
        assert -500 <= offset <= 180
        assert row["status"] in STATUSES
        assert (row["status"] == "completed") <= (offset < 0)
        assert (row["status"] == "scheduled") <= (offset > 0)
        if row["status"] == "completed":
            attendance, revenue = int(row["total_attendance"]), Decimal(row["revenue"])
            assert 0 < attendance <= capacity[row["venue_id"]]
            assert min(prices) * attendance <= revenue <= max(prices) * attendance
        else:
            assert (row["total_attendance"], row["revenue"]) == ("", "")
    assert Counter(row["status"] for row in rows["concerts"]).keys() == STATUSES


def test_no_hall_and_no_artist_is_in_two_places_at_once(rows: dict[str, tuple[Row, ...]]) -> None:
    for who in ("venue_id", "artist_id"):
        assert max(Counter((row[who], row["event_day"]) for row in rows["concerts"]).values()) == 1


def test_sales_are_consistent_with_their_concert(rows: dict[str, tuple[Row, ...]]) -> None:
    concerts = {row["concert_id"]: row for row in rows["concerts"]}
    segment: dict[str, str] = {}
    for row in rows["ticket_sales"]:
        concert = concerts[row["concert_id"]]
        prices = dict(part.split(":") for part in concert["ticket_prices"].split("|"))
        assert row["unit_price"] == prices[row["price_tier"]]
        assert Decimal(row["total_amount"]) == int(row["quantity"]) * Decimal(row["unit_price"])
        assert int(row["purchase_day"]) <= min(-1, int(concert["event_day"]))
        assert segment.setdefault(row["customer_id"], row["customer_segment"]) == row["customer_segment"]


@pytest.mark.parametrize("days_later", [0, 30, 90])
def test_the_ranking_is_worth_reading_for_months(days_later: int) -> None:
    ranking = expected_venue_popularity(DIRECTORY, ANCHOR, ANCHOR + timedelta(days_later), top_n=100, min_events=5)
    assert len(ranking) >= 15
    assert len({venue["attendance_rate"] for venue in ranking[:10]}) == 10


def test_every_genre_and_city_that_a_question_may_name_has_something_coming(rows: dict[str, tuple[Row, ...]]) -> None:
    genres = {row["artist_id"]: row["genre"].split("|") for row in rows["artists"]}
    assert all(len(names) >= 2 for names in genres.values())
    coming = Counter(
        genre for row in rows["concerts"] if row["status"] == "scheduled" for genre in genres[row["artist_id"]]
    )
    for genre in ("rock", "pop", "jazz", "electronic", "hip hop", "country", "indie rock"):
        assert coming[genre] >= 2, genre


@pytest.mark.parametrize("name", DATASETS)
def test_the_pipeline_accepts_every_record(rows: dict[str, tuple[Row, ...]], name: str) -> None:
    sent = records(DATASETS[name], rows[name], ANCHOR, datetime(2026, 11, 24, 8, tzinfo=UTC))
    for record, row in zip(sent, rows[name], strict=True):
        envelope = Envelope.parse(read_document(record.data))
        stored = envelope.table.row(envelope.payload, envelope.ingested)
        assert envelope.table.name == name
        assert set(envelope.payload) == set(envelope.table.column_names) - {"created_at", "updated_at"}
        for column in set(row) & set(stored):
            value = stored[column]
            if isinstance(value, int | float):
                assert Decimal(str(value)) == Decimal(row[column])
            else:
                assert (value or "") == row[column]
