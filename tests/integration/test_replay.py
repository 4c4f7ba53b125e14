"""What the pipeline has set aside is sent again: counted in check mode, taken only once it is sent, else left."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.concert.platform.plugins.action.replay import ActionModule

from tests.integration.warehouse_actions import run_action

STREAMS = {"artists": "replay-artists", "unknown": "replay-events"}
BUCKET, KEY = "replay-raw", "quarantine/artists/ingest_date=2026-11-27/a-1-2.json.gz"


@pytest.fixture(scope="module")
def options(embedded_aws: Any, client: Callable[..., Any]) -> dict[str, Any]:
    """The task's options, and everything that they name."""
    client("s3").create_bucket(Bucket=BUCKET)
    for stream in STREAMS.values():
        client("kinesis").create_stream(StreamName=stream, ShardCount=1)
        client("kinesis").get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    for queue in ("replay-stream-failures", "replay-load-failures", "replay-load"):
        client("sqs").create_queue(QueueName=queue)
    return {
        "raw_bucket": BUCKET,
        "streams": STREAMS,
        "stream_failure_queue": "replay-stream-failures",
        "load_failure_queue": "replay-load-failures",
        "load_queue": "replay-load",
        "region": "us-east-1",
        "access_key": "test",
        "secret_key": "test",
        "endpoint_url": embedded_aws.endpoint_url,
    }


def on_stream(client: Callable[..., Any], stream: str) -> list[dict[str, Any]]:
    """All records of a stream."""
    kinesis = client("kinesis")
    (shard,) = kinesis.list_shards(StreamName=stream)["Shards"]
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records: list[dict[str, Any]] = kinesis.get_records(ShardIterator=iterator)["Records"]
    return records


def on_queue(client: Callable[..., Any], name: str) -> int:
    """Messages of a queue, the hidden ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
    return sum(map(int, client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))


def send(client: Callable[..., Any], queue: str, body: object) -> None:
    url = client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))


def test_quarantined_records_go_to_their_stream_as_they_came(
    client: Callable[..., Any], options: dict[str, Any]
) -> None:
    s3 = client("s3")
    lines = [
        {"reason": "name: required", "record": '{"data_type": "artists"}'},
        {"reason": "record: JSON in UTF-8", "record_base64": base64.b64encode(b"\xff\x00").decode()},
    ]
    body = gzip.compress("\n".join(map(json.dumps, lines)).encode())
    other = KEY.replace("artists", "unknown")
    for key in (KEY, other):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    mine = {**options, "source": "quarantine", "prefix": "artists/"}
    planned = run_action(ActionModule, mine, check=True)
    assert (planned["changed"], planned["replayed"], planned["records"]) == (True, 1, 2)
    assert on_stream(client, "replay-artists") == []

    done = run_action(ActionModule, mine)
    assert (done["changed"], done["replayed"], done["records"]) == (True, 1, 2)
    assert [record["Data"] for record in on_stream(client, "replay-artists")] == [
        b'{"data_type": "artists"}',
        b"\xff\x00",
    ]
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [other]
    assert not run_action(ActionModule, mine)["changed"]
    assert run_action(ActionModule, {**mine, "prefix": ""})["records"] == 2
    assert len(on_stream(client, "replay-events")) == 2


def test_a_quarantined_object_stays_when_its_stream_is_not_there(
    client: Callable[..., Any], options: dict[str, Any]
) -> None:
    client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=gzip.compress(b'{"record": "x"}'))
    gone = {"artists": "replay-gone", "unknown": "replay-gone"}
    result = run_action(ActionModule, {**options, "source": "quarantine", "streams": gone})
    assert result["failed"]
    assert "replay-gone" in result["msg"]
    assert client("s3").head_object(Bucket=BUCKET, Key=KEY)


def test_a_batch_is_read_from_its_stream_and_one_that_is_gone_stays_with_the_reason(
    client: Callable[..., Any], options: dict[str, Any]
) -> None:
    kinesis = client("kinesis")
    put = [
        kinesis.put_record(StreamName="replay-artists", Data=f"batch {n}".encode(), PartitionKey="k") for n in range(4)
    ]
    before = len(on_stream(client, "replay-artists"))
    (shard,) = kinesis.list_shards(StreamName="replay-artists")["Shards"]
    batch = {
        "shardId": shard["ShardId"],
        "startSequenceNumber": put[1]["SequenceNumber"],
        "endSequenceNumber": put[2]["SequenceNumber"],
        "batchSize": 2,
        "streamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/replay-artists",
    }
    send(client, "replay-stream-failures", {"KinesisBatchInfo": batch})
    send(client, "replay-stream-failures", {"KinesisBatchInfo": {**batch, "batchSize": 9}})
    mine = {**options, "source": "stream_failures"}
    assert run_action(ActionModule, mine, check=True)["replayed"] == 2
    assert len(on_stream(client, "replay-artists")) == before

    done = run_action(ActionModule, mine)
    assert (done["replayed"], done["records"]) == (1, 2)
    assert "no longer holds all 9 records" in done["left"][0]
    assert [record["Data"] for record in on_stream(client, "replay-artists")][before:] == [b"batch 1", b"batch 2"]
    assert on_queue(client, "replay-stream-failures") == 1


def test_what_the_loader_gave_up_goes_back_to_its_queue(client: Callable[..., Any], options: dict[str, Any]) -> None:
    notices = [{"detail": {"object": {"key": f"artists/{n}"}}} for n in range(12)]
    for notice in notices:
        send(client, "replay-load-failures", notice)
    mine = {**options, "source": "load_failures"}
    assert run_action(ActionModule, mine, check=True)["replayed"] == 12
    assert on_queue(client, "replay-load") == 0
    assert run_action(ActionModule, mine)["replayed"] == 12
    assert (on_queue(client, "replay-load"), on_queue(client, "replay-load-failures")) == (12, 0)
    assert not run_action(ActionModule, mine)["changed"]
