"""Rows into records: dates from the anchor, requests that Kinesis takes; and the files that are refused."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.concert.platform.plugins.module_utils.sample_data.errors import SampleDataError
from ansible_collections.concert.platform.plugins.module_utils.sample_data.reader import (
    DATASETS,
    Row,
    checksum,
    read,
    select,
)
from ansible_collections.concert.platform.plugins.module_utils.sample_data.records import (
    MAX_BYTES,
    MAX_RECORDS,
    Record,
    records,
    requests,
)
from hypothesis import given
from hypothesis import strategies as st

ANCHOR, MOMENT = date(2026, 3, 1), datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
CONCERT: Row = {
    "concert_id": "c1", "artist_id": "a1", "venue_id": "v1", "event_day": "-1",
    "ticket_prices": "vip:90.50|balcony:20.00", "total_attendance": "100", "revenue": "3000.50", "status": "completed",
}  # fmt: skip
SALE: Row = {
    "sale_id": "s1", "concert_id": "c1", "customer_id": "k1", "price_tier": "vip", "quantity": "2",
    "unit_price": "90.50", "total_amount": "181.00", "purchase_day": "-60", "purchase_time": "23:59:59",
    "customer_segment": "fan",
}  # fmt: skip


def envelope(dataset: str, row: Row) -> dict[str, object]:
    (record,) = records(DATASETS[dataset], [row], ANCHOR, MOMENT)
    parsed: dict[str, object] = json.loads(record.data)
    return parsed


def test_a_concert_becomes_an_envelope_with_a_real_date() -> None:
    assert envelope("concerts", CONCERT) == {
        "source": "sample-data",
        "data_type": "concerts",
        "ingestion_timestamp": "2026-03-01T08:30:00+00:00",
        "payload": {
            "concert_id": "c1",
            "artist_id": "a1",
            "venue_id": "v1",
            "event_date": "2026-02-28",
            "ticket_prices": {"vip": 90.5, "balcony": 20.0},
            "total_attendance": 100,
            "revenue": 3000.5,
            "status": "completed",
        },
    }


def test_a_concert_to_come_has_no_attendance() -> None:
    row = CONCERT | {"event_day": "30", "total_attendance": "", "revenue": "", "status": "scheduled"}
    payload = envelope("concerts", row)["payload"]
    assert isinstance(payload, dict)
    assert (payload["event_date"], payload["total_attendance"], payload["revenue"]) == ("2026-03-31", None, None)


def test_a_sale_happens_at_its_second_in_utc() -> None:
    payload = envelope("ticket_sales", SALE)["payload"]
    assert isinstance(payload, dict)
    assert payload["purchase_timestamp"] == "2025-12-31T23:59:59+00:00"


def test_the_partition_key_is_the_record_s_own_key() -> None:
    (record,) = records(DATASETS["ticket_sales"], [SALE], ANCHOR, MOMENT)
    assert record.partition_key == "s1"


def test_a_value_that_is_no_number_is_reported_with_its_row() -> None:
    with pytest.raises(SampleDataError, match=r"ticket_sales\.csv, sale_id 's1': .*'two'"):
        records(DATASETS["ticket_sales"], [SALE | {"quantity": "two"}], ANCHOR, MOMENT)


@given(st.lists(st.integers(min_value=1, max_value=MAX_BYTES // 2), max_size=30), st.integers(0, 1200))
def test_requests_keep_order_and_limits(sizes: list[int], small: int) -> None:
    sent = [Record(b"x" * size, "key") for size in sizes] + [Record(b"%d" % n, "key") for n in range(small)]
    parts = list(requests(sent))
    assert [record for part in parts for record in part] == sent
    for part in parts:
        assert 1 <= len(part) <= MAX_RECORDS
        assert sum(record.size for record in part) <= MAX_BYTES
    # No request could have taken the first record of the next.
    for part, following in pairwise(parts):
        assert len(part) == MAX_RECORDS or sum(record.size for record in part) + following[0].size > MAX_BYTES


ARTISTS = "artist_id,name,genre,popularity_score,formation_date,members\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("artist_id,name\na,b\n", "expected artist_id, name, genre", id="other-columns"),
        pytest.param("", "has the columns none", id="an-empty-file"),
        pytest.param(ARTISTS + "a,b\n", "row 1 has not 6 values", id="a-short-row"),
        pytest.param(ARTISTS + "a,b,c,1,,,extra\n", "row 1 has not 6 values", id="a-long-row"),
        pytest.param(ARTISTS + "a,b,c,1,,\na,b,c,1,,\n", "row 2 has the artist_id 'a'", id="a-key-twice"),
        pytest.param(ARTISTS + ",b,c,1,,\n", "row 1 has the artist_id ''", id="no-key"),
    ],
)
def test_a_file_that_is_not_a_data_set_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "artists.csv").write_text(text)
    with pytest.raises(SampleDataError, match=message):
        read(tmp_path, DATASETS["artists"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SampleDataError, match=r"artists\.csv' cannot be read"):
        read(tmp_path, DATASETS["artists"])
    with pytest.raises(SampleDataError, match=r"artists\.csv' cannot be read"):
        checksum(tmp_path, [DATASETS["artists"]])


def test_data_sets_are_selected_by_name_parents_first() -> None:
    assert [dataset.name for dataset in select(["ticket_sales", "artists"])] == ["artists", "ticket_sales"]
    assert select([]) == ()
    with pytest.raises(SampleDataError, match=r"no data set 'artist'\. Known: artists, venues"):
        select(["artist"])


def test_the_checksum_follows_the_files_that_are_sent(tmp_path: Path) -> None:
    both = [DATASETS["artists"], DATASETS["venues"]]
    (tmp_path / "artists.csv").write_bytes(b"a\nb\n")
    (tmp_path / "venues.csv").write_bytes(b"c\n")
    before = checksum(tmp_path, both)
    (tmp_path / "concerts.csv").write_bytes(b"not sent\n")
    (tmp_path / "artists.csv").write_bytes(b"a\r\nb\r\n")
    assert checksum(tmp_path, both) == before
    assert checksum(tmp_path, both[:1]) != before
    # A line that moves from one file to the other changes what is sent.
    (tmp_path / "artists.csv").write_bytes(b"a\n")
    (tmp_path / "venues.csv").write_bytes(b"b\nc\n")
    assert checksum(tmp_path, both) != before
