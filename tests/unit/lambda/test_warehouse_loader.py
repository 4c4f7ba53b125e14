"""Notices of objects to loading transactions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from concert_common.tables import TABLES
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.functions import (
    ENVIRONMENT,
    Context,
    FakeAws,
    FakeClient,
    core_of,
    event_named,
    logged,
    metrics,
    refused,
)

NEWEST = datetime(2026, 11, 24, 8, 0)
COUNTING = "SELECT (SELECT COUNT(*) FROM arrived_"
STREAM = "concert-artist-stream-development.shardId-000000000006"


def message(message_id: str, key: str, bucket: str = "processed-bucket") -> dict[str, Any]:
    """An SQS record that tells of this object."""
    entry = event_named("sqs_object_created")
    body = json.loads(entry["body"])
    body["detail"]["bucket"]["name"] = bucket
    body["detail"]["object"]["key"] = key
    return {**entry, "messageId": message_id, "body": json.dumps(body)}


def key(data_type: str, name: str = "1-2") -> str:
    """The key of a processed object."""
    return f"{data_type}/ingest_date=2026-11-24/{STREAM}-{name}.json.gz"


def run(load: Callable[..., Any], *messages: dict[str, Any], seconds: float = 300) -> list[str]:
    """Run the function; the messages it wants again."""
    module = load("warehouse_loader", "handler").handler
    answer = module.lambda_handler({"Records": list(messages)}, Context(seconds))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture(autouse=True)
def queue(aws: FakeAws) -> FakeClient:
    """The queue that failed messages are left in."""
    aws["sqs"] = client = FakeClient(change_message_visibility_batch=lambda **_: {"Failed": []})
    return client


def changed_rows(aws: FakeAws, count: int) -> None:
    """Every transaction changes this many rows, of one more that arrived."""
    row = {"arrived": count + 2, "changed": count, "duplicate": 1, "late": 1, "newest": NEWEST}
    aws.data_api.answer = lambda sql, _: [row] if sql.startswith(COUNTING) else []


def test_one_transaction_per_data_type_loads_each_object_once(
    load: Callable[..., Any], aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_rows(aws, 7)
    again = run(
        load,
        message("m1", key("artists", "1-2")),
        message("m2", key("venues", "3-4")),
        message("m3", key("artists", "5-6")),
        message("m4", key("artists", "1-2")),
    )
    assert again == []
    artists, venues = aws.data_api.batches
    assert [sql.split("'")[1] for sql in artists if sql.startswith("COPY")] == [
        f"s3://processed-bucket/{key('artists', '1-2')}",
        f"s3://processed-bucket/{key('artists', '5-6')}",
    ]
    assert sum(sql.startswith("COPY") for sql in venues) == 1
    counted = metrics(capsys.readouterr().out)
    names = ("DataType", "RecordsArrived", "RecordsLoaded", "RecordsDuplicate", "RecordsLate")
    assert [[each[name] for name in names] for each in counted] == [
        ["artists", [9.0], [7.0], [1.0], [1.0]],
        ["venues", [9.0], [7.0], [1.0], [1.0]],
    ]
    assert all(each["FreshnessSeconds"][0] > 0 for each in counted)


def test_freshness_is_the_age_of_the_newest_record_and_a_repeated_load_measures_nothing() -> None:
    core = core_of("warehouse_loader")
    row = {"arrived": 2, "changed": 2, "duplicate": 0, "late": 0, "newest": NEWEST}
    found = core.Loaded.from_row(row).measures(NEWEST.replace(tzinfo=UTC) + timedelta(minutes=3))
    assert [(one.name, one.value, one.unit) for one in found][-1] == ("FreshnessSeconds", 180.0, "Seconds")
    assert core.Loaded(0, 0, 0, 0, None).measures(datetime.now(UTC)) == []


def test_the_transaction_locks_stages_merges_and_remembers(load: Callable[..., Any], aws: FakeAws) -> None:
    changed_rows(aws, 1)
    run(load, message("m1", key("ticket_sales")))
    (sqls,) = aws.data_api.batches
    columns = (
        "sale_id, concert_id, customer_id, price_tier, quantity, unit_price, total_amount, purchase_timestamp,"
        " customer_segment, created_at, updated_at"
    )
    assert sqls == [
        "LOCK TABLE concert_dw.load_history",
        "DROP TABLE IF EXISTS arrived_ticket_sales",
        "DROP TABLE IF EXISTS latest_ticket_sales",
        "CREATE TEMP TABLE arrived_ticket_sales (LIKE concert_dw.ticket_sales, object_key VARCHAR(1024))",
        f"COPY arrived_ticket_sales ({columns}) FROM 's3://processed-bucket/{key('ticket_sales')}'"
        " IAM_ROLE 'arn:aws:iam::000000000000:role/concert-role-redshift-development'"
        " FORMAT JSON 'auto' GZIP TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF",
        f"UPDATE arrived_ticket_sales SET object_key = '{key('ticket_sales')}' WHERE object_key IS NULL",
        "DELETE FROM arrived_ticket_sales WHERE object_key IN (SELECT object_key FROM concert_dw.load_history)",
        f"CREATE TEMP TABLE latest_ticket_sales AS SELECT {columns} FROM (SELECT {columns}, ROW_NUMBER() OVER"
        " (PARTITION BY sale_id ORDER BY updated_at DESC, object_key DESC) AS place FROM arrived_ticket_sales)"
        " AS ranked WHERE place = 1",
        sqls[8],
        "DELETE FROM latest_ticket_sales USING concert_dw.ticket_sales"
        " WHERE latest_ticket_sales.sale_id = concert_dw.ticket_sales.sale_id"
        " AND latest_ticket_sales.updated_at <= concert_dw.ticket_sales.updated_at",
        sqls[10],
        "INSERT INTO concert_dw.load_history (object_key, data_type, rows_loaded, loaded_at)"
        " SELECT object_key, 'ticket_sales', COUNT(*), GETDATE() FROM arrived_ticket_sales GROUP BY object_key",
        "DROP TABLE latest_ticket_sales",
        "DROP TABLE arrived_ticket_sales",
    ]
    counts, merge = sqls[8], sqls[10]
    assert counts.startswith(COUNTING)
    # A nullable column is the same also when both are null; one that cannot be null needs no such care.
    assert (
        "(latest_ticket_sales.customer_id = concert_dw.ticket_sales.customer_id OR"
        " (latest_ticket_sales.customer_id IS NULL AND concert_dw.ticket_sales.customer_id IS NULL))" in counts
    )
    assert "latest_ticket_sales.quantity = concert_dw.ticket_sales.quantity AND" in counts
    assert merge.startswith(
        "MERGE INTO concert_dw.ticket_sales USING latest_ticket_sales"
        " ON concert_dw.ticket_sales.sale_id = latest_ticket_sales.sale_id WHEN MATCHED THEN UPDATE SET concert_id ="
    )
    update, insert = merge.split(" WHEN NOT MATCHED THEN ")
    assert "updated_at = latest_ticket_sales.updated_at" in update
    assert "created_at" not in update
    assert insert.startswith(f"INSERT ({columns}) VALUES (latest_ticket_sales.sale_id, ")


@pytest.mark.parametrize("data_type", sorted(TABLES))
def test_a_full_batch_of_every_type_fits_the_data_api(load: Callable[..., Any], aws: FakeAws, data_type: str) -> None:
    changed_rows(aws, 0)
    run(load, *(message(f"m{n}", key(data_type, f"{n}-{n}")) for n in range(25)))
    # The fake refuses more than forty statements; three batches of at most ten objects each.
    assert [sum(sql.startswith("COPY") for sql in sqls) for sqls in aws.data_api.batches] == [10, 10, 5]
    assert all(len(sql.encode()) < 100_000 for sqls in aws.data_api.batches for sql in sqls)


def test_a_canary_is_dropped(load: Callable[..., Any], aws: FakeAws) -> None:
    assert run(load, message("m1", f"canary/{key('artists')}")) == []
    assert aws.data_api.batches == []


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("songs/ingest_date=2026-11-24/a.json.gz", id="unknown-type"),
        pytest.param("artists/ingest_date=2026-11-24/a'; DROP TABLE x; --.json.gz", id="quote"),
        pytest.param("artists/ingest_date=2026-11-24/a b.json.gz", id="space"),
        pytest.param("artists/ingest_date=2026-11-24/../b.json.gz", id="way-out"),
        pytest.param("artists/ingest_date=2026-11-24/a.json.gz\n", id="line-break"),
        pytest.param("quarantine/artists/ingest_date=2026-11-24/a.json.gz", id="quarantined"),
        pytest.param("artists/a.json.gz", id="no-partition"),
    ],
)
def test_a_key_that_is_not_ours_reaches_no_sql_and_ends_among_the_dead_letters(
    load: Callable[..., Any], aws: FakeAws, capsys: pytest.CaptureFixture[str], hostile: str
) -> None:
    changed_rows(aws, 1)
    assert run(load, message("bad", hostile), message("good", key("artists"))) == ["bad"]
    assert len(aws.data_api.batches) == 1
    assert hostile not in "".join(aws.data_api.batches[0])
    assert any(line["level"] == "ERROR" for line in logged(capsys.readouterr().out))


@given(text=st.text(max_size=60), place=st.integers(0, 60))
def test_a_key_is_either_refused_or_safe_inside_a_quoted_text(text: str, place: int) -> None:
    good = key("artists")
    tampered = good[:place] + text + good[place:]
    core = core_of("warehouse_loader")
    try:
        notice = core.Notice.from_message(message("m", tampered), bucket="processed-bucket")
    except core.NoticeError:
        return
    assert notice.key is None or not set(notice.key) & set("'\"\\;\n\x00 ")


def test_another_buckets_object_and_a_foreign_message_are_refused(load: Callable[..., Any], aws: FakeAws) -> None:
    foreign = {**event_named("sqs_object_created"), "messageId": "m2", "body": "hello"}
    assert run(load, message("m1", key("artists"), bucket="other"), foreign) == ["m1", "m2"]
    assert aws.data_api.batches == []


def test_a_failed_transaction_brings_back_only_its_own_messages(
    load: Callable[..., Any], aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_rows(aws, 1)
    real = aws.data_api.batch_execute_statement

    def fail_for_venues(**arguments: Any) -> dict[str, Any]:
        if "venues" in arguments["StatementName"]:
            raise refused("ActiveStatementsExceededException", "BatchExecuteStatement")
        return real(**arguments)

    aws.data_api.batch_execute_statement = fail_for_venues  # type: ignore[method-assign]
    assert run(load, message("m1", key("artists")), message("m2", key("venues"))) == ["m2"]
    (line,) = [line for line in logged(capsys.readouterr().out) if line["level"] == "ERROR"]
    assert (line["data_type"], line["objects"]) == ("venues", 1)
    assert "ActiveStatementsExceeded" in line["cause"]


def test_a_transaction_that_takes_too_long_is_cancelled_and_its_messages_come_again(
    load: Callable[..., Any], aws: FakeAws
) -> None:
    aws.data_api.never_ends = True
    assert run(load, message("m1", key("artists")), seconds=2.1) == ["m1"]
    assert aws.data_api.cancelled == ["batch-1"]


def received(body: dict[str, Any], times: int) -> dict[str, Any]:
    """That message, handed over for so many times."""
    return {
        **body,
        "receiptHandle": f"receipt-{body['messageId']}",
        "attributes": {"ApproximateReceiveCount": str(times)},
    }


def test_a_failed_message_comes_again_soon_and_later_each_time(
    load: Callable[..., Any], aws: FakeAws, queue: FakeClient
) -> None:
    """Left alone it would wait for the queue's visibility timeout: half an hour for a conflict that passes at once."""
    changed_rows(aws, 1)
    messages = [received(message(f"bad{n}", "songs/a.json.gz"), times=n) for n in range(1, 6)]
    assert run(load, *messages, message("good", key("artists"))) == ["bad1", "bad2", "bad3", "bad4", "bad5"]
    _lease, request = queue.of("change_message_visibility_batch")
    assert request["QueueUrl"] == ENVIRONMENT["LOAD_QUEUE_URL"]
    assert {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for entry in request["Entries"]} == {
        "receipt-bad1": 30,
        "receipt-bad2": 120,
        "receipt-bad3": 480,
        "receipt-bad4": 1800,
        "receipt-bad5": 1800,
    }


def test_many_failed_messages_are_called_back_ten_at_a_time(load: Callable[..., Any], queue: FakeClient) -> None:
    run(load, *(message(f"m{n}", "songs/a.json.gz") for n in range(25)))
    requests = queue.of("change_message_visibility_batch")
    # First the lease on all of them, then when each is to come again.
    assert [len(request["Entries"]) for request in requests] == [10, 10, 5] * 2
    assert all(len({entry["Id"] for entry in request["Entries"]}) == len(request["Entries"]) for request in requests)


def test_a_queue_that_does_not_answer_changes_nothing_else(load: Callable[..., Any], aws: FakeAws) -> None:
    def unreachable(**_: Any) -> None:
        raise refused("RequestThrottled", "ChangeMessageVisibilityBatch")

    aws["sqs"] = FakeClient(change_message_visibility_batch=unreachable)
    assert run(load, message("m1", "songs/a.json.gz")) == ["m1"]


def test_a_lease_that_sqs_did_not_take_is_asked_for_again_soon(
    load: Callable[..., Any], aws: FakeAws, queue: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run that dies would hold its messages for the queue's own time, thirty-five minutes."""
    module = load("warehouse_loader", "handler").handler
    monkeypatch.setattr(module, "RETRY_LEASE_SECONDS", 0.01)
    changed_rows(aws, 1)
    taken = threading.Event()
    real = aws.data_api.batch_execute_statement

    def slow(**arguments: Any) -> dict[str, Any]:
        assert taken.wait(10)
        return real(**arguments)

    def hide(**_: Any) -> dict[str, Any]:
        if len(queue.of("change_message_visibility_batch")) == 1:
            raise refused("RequestThrottled", "ChangeMessageVisibilityBatch")
        taken.set()
        return {"Failed": []}

    aws.data_api.batch_execute_statement = slow  # type: ignore[method-assign]
    queue.operations["change_message_visibility_batch"] = hide
    assert module.lambda_handler({"Records": [received(message("m1", key("artists")), 1)]}, Context(300)) == {
        "batchItemFailures": []
    }


def test_a_run_that_dies_gives_its_messages_back_within_a_minute(
    load: Callable[..., Any], aws: FakeAws, queue: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is short and renewed while the transaction runs; nothing renews it for a run that is gone."""
    module = load("warehouse_loader", "handler").handler
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.01)
    changed_rows(aws, 1)
    renewed = threading.Event()
    real = aws.data_api.batch_execute_statement

    def slow(**arguments: Any) -> dict[str, Any]:
        assert renewed.wait(10)
        return real(**arguments)

    def hide(**_: Any) -> dict[str, Any]:
        if len(queue.of("change_message_visibility_batch")) > 3:
            renewed.set()
        return {"Failed": []}

    aws.data_api.batch_execute_statement = slow  # type: ignore[method-assign]
    queue.operations["change_message_visibility_batch"] = hide
    message_1 = received(message("m1", key("artists")), times=1)
    assert module.lambda_handler({"Records": [message_1]}, Context(300)) == {"batchItemFailures": []}
    leases = queue.of("change_message_visibility_batch")
    assert {entry["VisibilityTimeout"] for request in leases for entry in request["Entries"]} == {60}
    assert not [thread for thread in threading.enumerate() if "renew" in thread.name]
