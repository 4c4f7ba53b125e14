"""Kinesis batches to objects: keys, bytes, reasons, metrics, and what is handed over again."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.fakes.functions import Context, FakeAws, FakeClient, event_named, logged, metrics, refused

ARTIST = {"artist_id": "artist-1", "name": "Björk", "genre": ["electronic"]}


def envelope(**changes: Any) -> dict[str, Any]:
    """A good envelope with these changes."""
    return {
        "source": "test",
        "data_type": "artists",
        "ingestion_timestamp": "2026-11-24T08:30:00Z",
        "payload": ARTIST,
        **changes,
    }


def record(sequence: int, data: dict[str, Any] | bytes) -> dict[str, Any]:
    """A stream record that carries this."""
    entry = event_named("kinesis_record")
    raw = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False).encode()
    entry["kinesis"] |= {"data": base64.b64encode(raw).decode(), "sequenceNumber": str(sequence)}
    entry["eventID"] = f"shardId-000000000006:{sequence}"
    return entry


class Bucket:
    """S3 in memory; keys that contain `broken` cannot be written."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.broken = "\x00"
        self.error: Exception = refused("InternalError", "PutObject")

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Store or refuse."""
        if self.broken in f"{Bucket}/{Key}":
            raise self.error
        self.objects[Bucket, Key] = Body
        return {}

    def lines(self, bucket: str, key: str) -> list[Any]:
        """The JSON lines of an object."""
        return [json.loads(line) for line in gzip.decompress(self.objects[bucket, key]).decode().splitlines()]


@pytest.fixture
def s3(aws: FakeAws) -> Bucket:
    """The buckets behind the function."""
    bucket = Bucket()
    aws["s3"] = FakeClient(put_object=bucket.put_object)
    return bucket


def process(load: Callable[..., Any], *records: dict[str, Any]) -> list[str]:
    """Run the function; the sequence numbers it wants again."""
    answer = load("stream_processor", "handler").handler.lambda_handler({"Records": list(records)}, Context())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


KEY = "artists/ingest_date=2026-11-24/concert-artist-stream-development.shardId-000000000006-1-2.json.gz"


def test_a_batch_becomes_a_raw_and_a_processed_object_under_one_key(load: Callable[..., Any], s3: Bucket) -> None:
    second = envelope(payload={**ARTIST, "artist_id": "artist-2"})
    assert process(load, record(1, envelope()), record(2, second)) == []
    assert sorted(s3.objects) == [("processed-bucket", KEY), ("raw-bucket", KEY)]
    assert s3.lines("raw-bucket", KEY) == [envelope(), second]
    rows = s3.lines("processed-bucket", KEY)
    assert [row["artist_id"] for row in rows] == ["artist-1", "artist-2"]
    assert rows[0] == {
        "artist_id": "artist-1", "name": "Björk", "genre": "electronic", "popularity_score": None,
        "formation_date": None, "members": None, "spotify_id": None,
        "created_at": "2026-11-24 08:30:00.000000", "updated_at": "2026-11-24 08:30:00.000000",
    }  # fmt: skip


def test_the_same_batch_gives_the_same_keys_and_bytes(load: Callable[..., Any], s3: Bucket) -> None:
    batch = [record(1, envelope()), record(2, b"not json")]
    process(load, *batch)
    first = dict(s3.objects)
    s3.objects.clear()
    process(load, *batch)
    assert s3.objects == first
    # Nor does an object tell when it was compressed (bytes 4 to 7 of gzip), which a quick test would not see.
    assert all(body[4:8] == bytes(4) for body in first.values())


def test_records_part_by_type_and_by_day_of_ingestion(load: Callable[..., Any], s3: Bucket) -> None:
    venue = envelope(data_type="venues", payload={"venue_id": "v", "name": "Hall", "capacity": 10})
    yesterday = envelope(ingestion_timestamp="2026-11-24T00:30:00+02:00")
    process(load, record(1, envelope()), record(2, venue), record(3, yesterday))
    partitions = {key.rpartition("/")[0] for _, key in s3.objects}
    assert partitions == {
        "artists/ingest_date=2026-11-24",
        "venues/ingest_date=2026-11-24",
        "artists/ingest_date=2026-11-23",
    }


def test_a_pretty_printed_record_stays_one_line_in_the_raw_object(load: Callable[..., Any], s3: Bucket) -> None:
    process(load, record(1, json.dumps(envelope(), indent=2).encode()), record(2, envelope()))
    assert s3.lines("raw-bucket", KEY) == [envelope(), envelope()]


@pytest.mark.parametrize(
    ("data", "data_type", "reason", "kept"),
    [
        pytest.param(b"\xff\x00", "unknown", "record: JSON in UTF-8", {"record_base64": "/wA="}, id="not-text"),
        pytest.param(b"[1]", "unknown", "envelope: a JSON object", {"record": "[1]"}, id="no-envelope"),
        pytest.param(
            json.dumps(envelope(payload={"artist_id": "a"})).encode(),
            "artists",
            "name: required",
            {"record": json.dumps(envelope(payload={"artist_id": "a"}))},
            id="broken-rule",
        ),
    ],
)
def test_a_rejected_record_is_quarantined_with_its_reason_logged_and_counted(
    load: Callable[..., Any],
    s3: Bucket,
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    data_type: str,
    reason: str,
    kept: dict[str, str],
) -> None:
    assert process(load, record(1, data)) == []
    ((bucket, key),) = s3.objects
    assert bucket == "raw-bucket"
    assert key.startswith(f"quarantine/{data_type}/ingest_date=2026-11-24/")
    (line,) = s3.lines(bucket, key)
    assert line["reason"] == reason
    assert {name: line[name] for name in kept} == kept
    output = capsys.readouterr().out
    (issue,) = [line for line in logged(output) if line.get("event_type") == "data_quality_issue"]
    assert (issue["level"], issue["data_type"], issue["reason"], issue["environment"]) == (
        "WARNING", data_type, reason, "development",
    )  # fmt: skip
    (counted,) = metrics(output)
    assert counted["DataType"] == data_type
    assert (counted["RecordsReceived"], counted["RecordsValid"], counted["RecordsInvalid"]) == ([1.0], [0.0], [1.0])


def test_completeness_is_the_filled_share_of_what_may_be_left_out(
    load: Callable[..., Any], s3: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an artist's five optional columns the first record fills one, the second three."""
    full = {**ARTIST, "artist_id": "artist-2", "members": ["a"], "popularity_score": 7}
    process(load, record(1, envelope()), record(2, envelope(payload=full)), record(3, b"not json"))
    counted = {each["DataType"]: each for each in metrics(capsys.readouterr().out)}
    assert counted["artists"]["CompletenessPercent"] == [40.0]
    assert "CompletenessPercent" not in counted["unknown"]


@pytest.mark.parametrize(
    ("ahead", "accepted"),
    [
        pytest.param(timedelta(minutes=15), True, id="a-clock-a-little-ahead"),
        pytest.param(timedelta(minutes=15, seconds=1), False, id="from-the-future"),
    ],
)
def test_a_record_from_the_future_is_refused_since_it_would_keep_out_every_update(
    load: Callable[..., Any], s3: Bucket, ahead: timedelta, accepted: bool
) -> None:
    entry = record(1, envelope())
    arrived = datetime.fromtimestamp(entry["kinesis"]["approximateArrivalTimestamp"], UTC)
    entry = record(1, envelope(ingestion_timestamp=(arrived + ahead).isoformat()))
    assert process(load, entry) == []
    keys = [key for _, key in s3.objects]
    assert len(keys) == (2 if accepted else 1)
    if not accepted:
        (line,) = s3.lines("raw-bucket", keys[0])
        assert line["reason"] == "ingestion_timestamp: at most 15 minutes after the record arrived"


def test_a_canary_goes_its_own_way_in_both_buckets_and_is_counted_nowhere(
    load: Callable[..., Any], s3: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    process(load, record(1, envelope(canary=True)))
    assert {bucket for bucket, _ in s3.objects} == {"raw-bucket", "processed-bucket"}
    assert all(key.startswith("canary/artists/ingest_date=2026-11-24/") for _, key in s3.objects)
    assert metrics(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(refused("SlowDown", "PutObject"), id="throttled"),
        pytest.param(EndpointConnectionError(endpoint_url="https://s3"), id="no-way-there"),
    ],
)
def test_what_cannot_be_written_is_handed_over_again_from_the_first_such_record_on(
    load: Callable[..., Any], s3: Bucket, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    s3.broken, s3.error = "raw-bucket/venues/", error
    venue = envelope(data_type="venues", payload={"venue_id": "v", "name": "Hall", "capacity": 10})
    assert process(load, record(1, envelope()), record(2, venue), record(3, envelope())) == ["2", "3"]
    counted = metrics(capsys.readouterr().out)
    # Only what is settled counts: the rest comes again and would count twice.
    assert [(each["DataType"], each["RecordsReceived"]) for each in counted] == [("artists", [1.0])]
